"""How a dump is loaded with the mariadb or mysql client, and the databases that it is loaded into."""

import pymysql

from shared.engines.diagnosis import place
from shared.engines.engine import Command, Login
from shared.engines.mysql.connection import quoted, session
from shared.engines.mysql.errors import tool_error
from shared.engines.mysql.tool import connection_arguments, password_environment
from shared.errors import BackupError, Conflict, RestoreFailed, ToolKilled
from shared.models.database import Server
from shared.models.inventory import ServerFacts
from shared.models.run import Tool

RESTORE_TOOLS = ("mariadb", "mysql")
TIMEOUT_SECONDS = 60
EXISTS = 1007
UNKNOWN_CHARACTER_SET = (1115, 1253, 1273)

SANDBOX_LINES = (b"/*M!999999\\- enable the sandbox mode */ ", b"/*!999999\\- enable the sandbox mode */ ")
# The first releases of each line of MariaDB whose client knows its own first line.
KNOWS_SANDBOX = ((10, 5, 25), (10, 6, 18), (10, 11, 8), (11, 0, 6), (11, 1, 5), (11, 2, 4))


def restore_command(login: Login, name: str, tool: Tool) -> Command:
    """See `Restorer.restore_command`.

    In binary mode bytes reach the server as they are, and a dump cannot call the client's shell commands.
    """
    return Command(
        argv=(tool.path, *connection_arguments(login, tool), "--binary-mode", f"--database={name}"),
        environment=password_environment(login),
    )


def unknown_first_lines(tool: Tool) -> tuple[bytes, ...]:
    """See `Restorer.unknown_first_lines`."""
    if tool.vendor == "mariadb" and _knows_sandbox(tool.version_number):
        return ()
    return SANDBOX_LINES


def restore_error(exit_code: int, stderr: str, *, server: Server, database: str) -> BackupError | None:
    """See `Restorer.restore_error`. The client stops at the first error."""
    error = tool_error(exit_code, stderr, tool="The mysql client", server=server, database=database)
    if error is None or isinstance(error, ToolKilled):
        return error
    if "1227" in stderr:
        return RestoreFailed(
            f"1 error, so the database is loaded in part only ({place(server, database)}). An object belongs to another"
            " account (DEFINER), or GTIDs are set: restore as a user with SUPER or SET_USER_ID."
            f" It said: {' '.join(stderr.split())[:200]}"
        )
    return RestoreFailed(f"1 error, so the database is loaded in part only. {error.message}")


def create_database(login: Login, name: str, like: ServerFacts) -> None:
    """See `Restorer.create_database`."""
    with session(login, None, timeout_seconds=TIMEOUT_SECONDS) as asked:
        try:
            asked.rows(f"CREATE DATABASE {quoted(name)} CHARACTER SET {like.character_set} COLLATE {like.collation}")
        except pymysql.err.MySQLError as error:
            if error.args[0] == EXISTS:
                raise Conflict(f"There is a database {name!r} on {login.server.host} already.") from error
            if error.args[0] in UNKNOWN_CHARACTER_SET:
                raise RestoreFailed(
                    f"{login.server.host}:{login.server.port} does not know the collation {like.collation} of"
                    f" {like.vendor} {like.version}. Restore to a server of that kind."
                ) from error
            raise


def drop_database(login: Login, name: str) -> None:
    """See `Restorer.drop_database`."""
    with session(login, None, timeout_seconds=TIMEOUT_SECONDS) as asked:
        asked.rows(f"DROP DATABASE IF EXISTS {quoted(name)}")


def is_empty(login: Login, name: str) -> bool:
    """See `Restorer.is_empty`."""
    with session(login, name, timeout_seconds=TIMEOUT_SECONDS) as asked:
        return not any(
            asked.value(
                f"SELECT COUNT(*) FROM information_schema.{table} WHERE {column} = DATABASE()"  # noqa: S608 - constants
            )
            for table, column in (
                ("tables", "table_schema"),
                ("routines", "routine_schema"),
                ("events", "event_schema"),
            )
        )


def _knows_sandbox(version: tuple[int, ...]) -> bool:
    same_line = [known for known in KNOWS_SANDBOX if known[:2] == version[:2]]
    return version >= same_line[0] if same_line else version >= (11, 4, 2)
