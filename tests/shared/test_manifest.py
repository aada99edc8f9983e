"""The manifest: it restores by hand, it holds no secret, it is the same when written twice."""

import gzip
import hashlib
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.servers import DatabaseServer
from shared import manifest
from shared.errors import BackupCorrupted, BlobMissing
from shared.models.database import DatabaseType, Rung
from shared.models.inventory import Inventory, Probe, ServerFacts
from shared.models.run import (
    Attempt,
    BackupRequest,
    Dump,
    Evidence,
    Inspection,
    RetryPolicy,
    RunPlan,
    Tool,
    Trigger,
)
from shared.naming import blob_address, manifest_address
from shared.storage.blobs import write_small_blob
from tests.support.cloud import fresh_id
from tests.support.databases import (
    create_database,
    drop_database,
    mariadb_server,
    postgresql_server,
    rows,
    run_sql,
    sample_database,
)
from tests.support.records import TENANT, database_config

STARTED = datetime(2026, 1, 1, 3, tzinfo=UTC)
BACKUP_ID = "backup-20260101-030000-abc123"
# mariadb-dump itself cannot read a database with a single quote or a backslash in its name.
MYSQL_NAMES = ["shop", "two words", "tick`x", 'quo"te', "ünï", "100%", "a.b", "a=b", "-x", "$HOME"]
POSTGRESQL_NAMES = [
    "shop",
    "two words",
    "tick`x",
    'quo"te',
    "ünï 🚀",
    "a=b",
    "postgres://x",
    "it's",
    "back\\slash",
    "$HOME",
]


def a_run(type: DatabaseType, database: str, **fields: str) -> RunPlan:
    config = database_config(type=type, database=database, **fields)
    request = BackupRequest(
        backup_id=BACKUP_ID, database_id=config.id, tenant_id=TENANT, trigger=Trigger.SCHEDULED, due_at=STARTED
    )
    return RunPlan(
        request=request,
        database=config,
        started_at=STARTED,
        deadline_at=STARTED + timedelta(hours=4),
        retry=RetryPolicy(),
        compression_level=2,
        max_size_bytes=2**40,
    )


def an_attempt(run: RunPlan, server: ServerFacts, extension: str, stored: bytes = b"") -> Attempt:
    blob = blob_address(run.database, STARTED, BACKUP_ID, 1, extension)
    tool = Tool(path="/usr/bin/dump", vendor=server.vendor, version=server.version, version_number=(1,))
    probe = Probe(server=server, size_bytes=1, inventory=Inventory())
    dump = Dump(
        blob=blob,
        execution="nonce001",
        blocks=1,
        bytes_read=1,
        bytes_stored=len(stored),
        sha256_source="00" * 32,
        sha256_stored=hashlib.sha256(stored).hexdigest(),
        md5_stored="00" * 16,
        seconds=1.0,
    )
    evidence = (Evidence(rung=Rung.STORED, check="stored", detail="as streamed"),)
    return Attempt(inspection=Inspection(probe=probe, tool=tool, blob=blob), dump=dump, evidence=evidence)


def facts(vendor: str, character_set: str, collation: str) -> ServerFacts:
    return ServerFacts(
        vendor=vendor, version="1.0", version_number=(1, 0), character_set=character_set, collation=collation
    )


MARIADB = facts("mariadb", "utf8mb4", "utf8mb4_general_ci")
POSTGRESQL = facts("postgresql", "UTF8", "C.UTF-8")


@pytest.mark.unit
def test_a_manifest_is_the_same_when_it_is_built_again_and_read_back() -> None:
    run = a_run(DatabaseType.MYSQL_VM, "shop")
    attempt = an_attempt(run, MARIADB, "sql.gz")

    built = manifest.build(run, attempt, 2)

    assert manifest.document(built) == manifest.document(manifest.build(run, attempt, 2))
    read = manifest.Manifest.model_validate_json(manifest.document(built))
    assert read == built
    assert (read.run, read.attempt, read.number) == (run, attempt, 2)
    assert (read.database, read.dump) == (run.database, attempt.dump)
    assert attempt.inspection is not None
    assert (read.probe, read.tool) == (attempt.inspection.probe, attempt.inspection.tool)


@pytest.mark.unit
def test_an_oracle_server_is_restored_with_its_own_client() -> None:
    run = a_run(DatabaseType.MYSQL_FLEXIBLE, "shop")

    built = manifest.build(run, an_attempt(run, facts("mysql", "utf8mb4", "utf8mb4_0900_ai_ci"), "sql.gz"), 1)

    assert built.restore[2].startswith("mysql ")
    assert "| mysql " in built.restore[3]


@pytest.mark.usefixtures("cloud")
def test_a_manifest_is_read_from_beside_its_backup() -> None:
    run = a_run(DatabaseType.POSTGRESQL_VM, "shop", storage_container=fresh_id("manifest").replace("_", "-"))
    attempt = an_attempt(run, POSTGRESQL, "dump.gz")
    built = manifest.build(run, attempt, 1)
    address = manifest_address(built.dump.blob)
    with pytest.raises(BlobMissing):
        manifest.read_manifest(built.dump.blob)

    write_small_blob(address, manifest.document(built), content_type="application/json")

    assert manifest.read_manifest(built.dump.blob) == built


@pytest.mark.usefixtures("cloud")
def test_what_is_no_manifest_is_named() -> None:
    run = a_run(DatabaseType.POSTGRESQL_VM, "shop", storage_container=fresh_id("manifest").replace("_", "-"))
    built = manifest.build(run, an_attempt(run, POSTGRESQL, "dump.gz"), 1)
    address = manifest_address(built.dump.blob)
    write_small_blob(address, b"{}", content_type="application/json")

    with pytest.raises(BackupCorrupted, match=r"manifest\.json is not a manifest"):
        manifest.read_manifest(built.dump.blob)


class RestoredByHand:
    """Dumps a sample, drops it, and lets bash run the lines of its manifest."""

    def __init__(self, server: DatabaseServer, folder: Path, name: str) -> None:
        self.server = server
        self._folder = folder
        self._name = name
        self._environment = {
            "PATH": os.environ["PATH"],
            "RESTORE_HOST": server.host,
            "RESTORE_PORT": str(server.port),
            "RESTORE_USER": server.admin_user,
            "MYSQL_PWD": server.admin_password,
            "PGPASSWORD": server.admin_password,
        }

    def dump(self, *command: str) -> bytes:
        dumped = subprocess.run(command, env=self._environment, capture_output=True)
        assert dumped.returncode == 0, dumped.stderr.decode()
        return gzip.compress(dumped.stdout, 1)

    def restore(self, built: manifest.Manifest, stored: bytes) -> None:
        (self._folder / built.dump.blob.name.rpartition("/")[2]).write_bytes(stored)
        drop_database(self.server, self._name)
        script = "\n".join(built.restore)
        done = subprocess.run(
            ["bash", "-c", script], cwd=self._folder, env=self._environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr


def fill(server: DatabaseServer, name: str) -> None:
    """The whole sample for the usual name; for the others a table, for they are about the name."""
    if name == "shop":
        sample_database(server, name)
    else:
        create_database(server, name)
        run_sql(server, ["CREATE TABLE item (id int PRIMARY KEY)"], database=name)


@pytest.fixture
def names_left() -> Iterator[list[tuple[DatabaseServer, str]]]:
    """Databases to drop at the end."""
    left: list[tuple[DatabaseServer, str]] = []
    yield left
    for server, name in left:
        drop_database(server, name)


@pytest.mark.parametrize("name", MYSQL_NAMES)
def test_the_lines_of_a_mysql_manifest_restore_its_backup(
    name: str, tmp_path: Path, names_left: list[tuple[DatabaseServer, str]]
) -> None:
    server = mariadb_server()
    names_left.append((server, name))
    fill(server, name)
    tables = rows(server, "SHOW TABLES", database=name)
    by_hand = RestoredByHand(server, tmp_path, name)
    login = ("--no-defaults", f"--host={server.host}", f"--port={server.port}", f"--user={server.admin_user}")
    stored = by_hand.dump(
        "mariadb-dump", *login, "--routines", "--triggers", "--events", "--hex-blob", "--single-transaction", "--", name
    )
    run = a_run(DatabaseType.MYSQL_VM, name)

    by_hand.restore(manifest.build(run, an_attempt(run, MARIADB, "sql.gz", stored), 1), stored)

    assert rows(server, "SHOW TABLES", database=name) == tables


@pytest.mark.parametrize("name", POSTGRESQL_NAMES)
def test_the_lines_of_a_postgresql_manifest_restore_its_backup(
    name: str, tmp_path: Path, names_left: list[tuple[DatabaseServer, str]]
) -> None:
    server = postgresql_server()
    names_left.append((server, name))
    fill(server, name)
    asked = "SELECT schemaname, tablename FROM pg_tables ORDER BY 1, 2"
    tables = rows(server, asked, database=name)
    by_hand = RestoredByHand(server, tmp_path, name)
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    stored = by_hand.dump(
        "pg_dump",
        "--format=custom",
        "--compress=0",
        f"--host={server.host}",
        f"--port={server.port}",
        f"--username={server.admin_user}",
        f"--dbname=dbname='{quoted}'",
    )
    run = a_run(DatabaseType.POSTGRESQL_VM, name)

    by_hand.restore(manifest.build(run, an_attempt(run, POSTGRESQL, "dump.gz", stored), 1), stored)

    assert rows(server, asked, database=name) == tables


def test_a_backup_that_changed_on_its_way_is_not_loaded(
    tmp_path: Path, names_left: list[tuple[DatabaseServer, str]]
) -> None:
    server = postgresql_server()
    name = fresh_id()
    names_left.append((server, name))
    run = a_run(DatabaseType.POSTGRESQL_VM, name)
    built = manifest.build(run, an_attempt(run, POSTGRESQL, "dump.gz", b"what was streamed"), 1)

    with pytest.raises(AssertionError, match="sha256sum"):
        RestoredByHand(server, tmp_path, name).restore(built, b"something else")

    assert rows(server, f"SELECT 1 FROM pg_database WHERE datname = '{name}'") == []
