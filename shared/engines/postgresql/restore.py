"""How an archive is loaded with pg_restore, and the databases that it is loaded into."""

import re

import psycopg2

from shared.engines.diagnosis import killed_by_signal, place
from shared.engines.engine import Command, Login
from shared.engines.postgresql.connection import connection_environment, connection_string, quoted, session
from shared.engines.postgresql.probe import EVENT_TRIGGERS, RELATIONS, ROUTINES, SCHEMAS
from shared.errors import BackupError, Conflict, RestoreFailed
from shared.models.database import Server
from shared.models.inventory import ServerFacts
from shared.models.run import Tool

RESTORE_TOOLS = ("pg_restore",)
MAINTENANCE_DATABASE = "postgres"
TIMEOUT_SECONDS = 60
EXISTS = "42P04"
UNKNOWN_LOCALE = ("42809", "22023", "0A000")
ERROR_LINE = re.compile(r"^pg_restore: error: .*$", re.MULTILINE)

# Types and large objects are all that the inventory does not name.
OTHER_OBJECTS = """
    SELECT count(*) FROM pg_largeobject_metadata
    UNION ALL
    SELECT count(*) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE t.typtype IN ('e', 'd', 'r') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
"""


def restore_command(login: Login, name: str, tool: Tool, *, scratch: bool) -> Command:
    """See `Restorer.restore_command`. One transaction: the database gets all of the archive or none of it."""
    without = ("--no-owner", "--no-privileges", "--no-publications", "--no-subscriptions") if scratch else ()
    return Command(
        argv=(
            tool.path,
            "--exit-on-error",
            "--single-transaction",
            "--no-password",
            *without,
            f"--dbname={connection_string(name)}",
        ),
        environment=connection_environment(login),
    )


def restore_error(exit_code: int, stderr: str, *, server: Server, database: str) -> BackupError | None:
    """See `Restorer.restore_error`."""
    if exit_code == 0:
        return None
    where = place(server, database)
    killed = killed_by_signal(exit_code, "pg_restore", where)
    if killed is not None:
        return killed
    errors = ERROR_LINE.findall(stderr) or [stderr.strip()]
    first = " ".join(errors[0].split())[:300]
    return RestoreFailed(f"{len(errors)} error(s), so nothing was loaded ({where}). The first: {first}")


def create_database(login: Login, name: str, like: ServerFacts) -> None:
    """See `Restorer.create_database`."""
    locale = like.collation.replace("'", "''")
    with session(login, MAINTENANCE_DATABASE, timeout_seconds=TIMEOUT_SECONDS) as asked:
        try:
            asked.rows(
                f"CREATE DATABASE {quoted(name)} TEMPLATE template0 ENCODING '{like.character_set}'"
                f" LC_COLLATE '{locale}' LC_CTYPE '{locale}'"
            )
        except psycopg2.Error as error:
            if error.pgcode == EXISTS:
                raise Conflict(f"There is a database {name!r} on {login.server.host} already.") from error
            if error.pgcode in UNKNOWN_LOCALE:
                raise RestoreFailed(
                    f"{login.server.host}:{login.server.port} cannot make a database of encoding {like.character_set}"
                    f" and locale {like.collation!r}. Install the locale there. It said: {str(error)[:200]}"
                ) from error
            raise


def drop_database(login: Login, name: str) -> None:
    """See `Restorer.drop_database`."""
    with session(login, MAINTENANCE_DATABASE, timeout_seconds=TIMEOUT_SECONDS) as asked:
        asked.rows(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")


def is_empty(login: Login, name: str) -> bool:
    """See `Restorer.is_empty`."""
    with session(login, name, timeout_seconds=TIMEOUT_SECONDS) as asked:
        named = any(asked.rows(statement) for statement in (RELATIONS, ROUTINES, SCHEMAS, EVENT_TRIGGERS))
        return not named and not any(row[0] for row in asked.rows(OTHER_OBJECTS))
