"""The manifest beside each backup: all that rebuilds its history and restores it by hand, and no secret.

It depends on the run alone, so that a manifest that is written twice is the same one.
"""

import shlex

from pydantic import ValidationError

from shared.engines.registry import engine_for
from shared.errors import BackupCorrupted
from shared.models import Value
from shared.models.database import DatabaseConfig
from shared.models.inventory import Probe, ServerFacts
from shared.models.run import Attempt, BlobAddress, Dump, Inspection, RunPlan, Tool
from shared.naming import manifest_address
from shared.storage.blobs import read_small_blob

NOTE = (
    "Download the backup and go to its folder. Export RESTORE_HOST, RESTORE_PORT, RESTORE_USER and the password as "
    "MYSQL_PWD or PGPASSWORD. Run these lines in bash: they make the database and load it. Where the accounts of the "
    "source do not exist, give pg_restore --no-owner and --no-privileges too."
)


class Manifest(Value):
    """What is known of one verified backup."""

    format: int = 1
    restore_note: str = NOTE
    restore: tuple[str, ...]
    """Lines for bash."""
    run: RunPlan
    number: int
    """Which attempt of the run it was."""
    attempt: Attempt

    @property
    def database(self) -> DatabaseConfig:
        """The configuration as it was when the run began."""
        return self.run.database

    @property
    def dump(self) -> Dump:
        """What was streamed: the blob, its sizes and hashes."""
        return _dump(self.attempt)

    @property
    def probe(self) -> Probe:
        """What the server said of the database before it was dumped."""
        return _inspection(self.attempt).probe

    @property
    def tool(self) -> Tool:
        """What dumped the database."""
        return _inspection(self.attempt).tool


def build(run: RunPlan, attempt: Attempt, number: int) -> Manifest:
    """The manifest of a verified attempt, the `number`-th of its run."""
    return Manifest(restore=_restore_lines(run.database, attempt), run=run, number=number, attempt=attempt)


def document(manifest: Manifest) -> bytes:
    """The manifest as it is stored: JSON that people can read."""
    return manifest.model_dump_json(indent=2).encode()


def read_manifest(backup: BlobAddress) -> Manifest:
    """The manifest beside a backup. Raises BlobMissing, BackupCorrupted, and what storage raises."""
    address = manifest_address(backup)
    try:
        return Manifest.model_validate_json(read_small_blob(address))
    except ValidationError as error:
        raise BackupCorrupted(f"{address.path} is not a manifest that this version can read.") from error


def _restore_lines(config: DatabaseConfig, attempt: Attempt) -> tuple[str, ...]:
    dump, server = _dump(attempt), _inspection(attempt).probe.server
    file_name = dump.blob.name.rpartition("/")[2]
    create, load = _LINES_OF_FAMILY[engine_for(config.type).family](config.database, server)
    return (
        "set -o errexit -o pipefail",
        f"echo {shlex.quote(f'{dump.sha256_stored}  {file_name}')} | sha256sum --check",
        create,
        f"gunzip --stdout {shlex.quote(file_name)} | {load}",
    )


def _mysql_lines(database: str, server: ServerFacts) -> tuple[str, str]:
    client = (
        f"{'mariadb' if server.vendor == 'mariadb' else 'mysql'} --protocol=TCP --default-character-set=utf8mb4 "
        '--host="$RESTORE_HOST" --port="$RESTORE_PORT" --user="$RESTORE_USER"'
    )
    name = "`" + database.replace("`", "``") + "`"
    create = f"CREATE DATABASE {name} CHARACTER SET {server.character_set} COLLATE {server.collation}"
    load = f"{client} --binary-mode --database={shlex.quote(database)}"
    return f"{client} --execute={shlex.quote(create)}", load


def _postgresql_lines(database: str, server: ServerFacts) -> tuple[str, str]:
    login = '--host="$RESTORE_HOST" --port="$RESTORE_PORT" --username="$RESTORE_USER"'
    name = '"' + database.replace('"', '""') + '"'
    locale = "'" + server.collation.replace("'", "''") + "'"
    create = (
        f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{server.character_set}' "
        f"LC_COLLATE {locale} LC_CTYPE {locale}"
    )
    # Quoted as in a connection string, or a name such as `a=b` would be read as one.
    target = "dbname='" + database.replace("\\", "\\\\").replace("'", "\\'") + "'"
    load = f"pg_restore {login} --exit-on-error --single-transaction --dbname={shlex.quote(target)}"
    return f"psql {login} --dbname=postgres --command={shlex.quote(create)}", load


_LINES_OF_FAMILY = {"mysql": _mysql_lines, "postgresql": _postgresql_lines}


def _dump(attempt: Attempt) -> Dump:
    assert attempt.dump is not None, "a verified attempt has a dump"
    return attempt.dump


def _inspection(attempt: Attempt) -> Inspection:
    assert attempt.inspection is not None, "a verified attempt has an inspection"
    return attempt.inspection
