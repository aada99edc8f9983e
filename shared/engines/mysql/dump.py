"""How a database is dumped with mariadb-dump or mysqldump."""

from collections.abc import Sequence

from shared.engines.engine import Command, Login
from shared.engines.mysql.tool import connection_arguments, password_environment
from shared.errors import InvalidRequest, UnsupportedServer
from shared.models.inventory import ServerFacts
from shared.models.run import Tool

DUMP_TOOLS = ("mariadb-dump", "mysqldump")

ALLOWED_OPTIONS = {
    "--single-transaction": None,
    "--routines": None,
    "--triggers": None,
    "--events": None,
    "--hex-blob": None,
    "--quick": None,
    "--no-tablespaces": None,
    "--default-character-set": "utf8mb4",
    "--extended-insert": None,
    "--skip-extended-insert": None,
    "--complete-insert": None,
    "--order-by-primary": None,
    "--flush-logs": None,
    # 2 writes the position as a comment; 1 would make every restore start a replica.
    "--master-data": "2",
    "--source-data": "2",
    "--compress": None,
}

# Both vendors know these. Consistent, row by row, with all that belongs to the database, and safe for any bytes.
ALWAYS = (
    "--single-transaction",
    "--quick",
    "--routines",
    "--triggers",
    "--events",
    "--hex-blob",
    "--no-tablespaces",  # else the dump needs the PROCESS privilege
)


def dump_command(login: Login, database: str, tool: Tool, options: Sequence[str]) -> Command:
    """See `Engine.dump_command`."""
    return Command(
        argv=(
            tool.path,
            *connection_arguments(login, tool),
            *ALWAYS,
            *_arguments_of_vendor(tool),
            *(_as_the_tool_names_it(option, tool) for option in options),
            "--",
            database,
        ),
        environment=password_environment(login),
    )


def refuse_bad_pair(server: ServerFacts, tool: Tool) -> None:
    """Raises UnsupportedServer where MariaDB's client would write computed values that MySQL refuses on restore."""
    if server.vendor == "mysql" and tool.vendor == "mariadb" and server.generated_columns:
        raise UnsupportedServer(
            f"The server is MySQL {server.version} and the database has generated columns. MariaDB's client writes"
            " their values into the dump, and MySQL refuses those on restore. Install MySQL's own mysqldump."
        )


def tool_warnings(server: ServerFacts, tool: Tool) -> tuple[str, ...]:
    """See `Engine.tool_warnings`."""
    if tool.vendor == server.vendor:
        return ()
    return (f"A {server.vendor} server is dumped with the client of {tool.vendor}: install the server's own client.",)


def check_database_name(name: str) -> None:
    """See `Engine.check_database_name`; MySQL's manual, "Schema Object Names"."""
    if not name or len(name) > 64:
        raise InvalidRequest(f"The name {name[:70]!r} must have 1 to 64 characters.")
    if "\0" in name or any(ord(letter) > 0xFFFF for letter in name):
        raise InvalidRequest(f"The name {name!r} must have no NUL and no character beyond U+FFFF.")
    if name.endswith(" "):
        raise InvalidRequest(f"The name {name!r} must not end with a space.")


def _arguments_of_vendor(tool: Tool) -> tuple[str, ...]:
    """MariaDB's client stops at an option that only MySQL's knows."""
    if tool.vendor == "mariadb":
        return ()
    # Statistics of columns can be asked of MySQL 8 only, and GTIDs make a restore impossible for ordinary users.
    statistics = ("--column-statistics=0",) if tool.version_number >= (8,) else ()
    return ("--set-gtid-purged=OFF", *statistics)


def _as_the_tool_names_it(option: str, tool: Tool) -> str:
    """The binary log position is asked for under another name since MySQL 8.0.26."""
    renamed = tool.vendor == "mysql" and tool.version_number >= (8, 0, 26)
    if option in ("--master-data=2", "--source-data=2"):
        return "--source-data=2" if renamed else "--master-data=2"
    return option
