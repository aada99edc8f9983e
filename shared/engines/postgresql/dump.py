"""How a database is dumped with pg_dump."""

from collections.abc import Sequence

from shared.engines.engine import Command, Login
from shared.engines.postgresql.connection import connection_environment, connection_string
from shared.errors import InvalidRequest
from shared.models.run import Tool

DUMP_TOOLS = ("pg_dump",)
LOCK_WAIT_SECONDS = 60

# No option that leaves out large objects or reads fewer rows than there are, writes elsewhere, or runs jobs: parallel
# dumps need the directory format.
ALLOWED_OPTIONS = {
    "--exclude-table-data": r"[^\0\r\n]+",
    "--lock-wait-timeout": r"[1-9]\d{0,8}",  # milliseconds
    "--no-comments": None,
    "--no-owner": None,
    "--no-privileges": None,
    "--no-publications": None,
    "--no-security-labels": None,
    "--no-subscriptions": None,
    "--no-tablespaces": None,
    "--no-unlogged-table-data": None,
    "--load-via-partition-root": None,
    "--quote-all-identifiers": None,
    "--serializable-deferrable": None,
}


def dump_command(login: Login, database: str, tool: Tool, options: Sequence[str]) -> Command:
    """See `Engine.dump_command`.

    The archive is not compressed inside, because the stream is compressed as a whole. Without `--verbose` whatever the
    tool says is worth reading.
    """
    return Command(
        argv=(
            tool.path,
            "--format=custom",
            "--compress=0",
            "--encoding=UTF8",
            "--no-password",
            f"--lock-wait-timeout={LOCK_WAIT_SECONDS * 1000}",
            *options,
            f"--dbname={connection_string(database)}",
        ),
        environment=connection_environment(login),
    )


def check_database_name(name: str) -> None:
    """See `Engine.check_database_name`; PostgreSQL's manual, "Identifiers and Key Words"."""
    if not name or len(name.encode()) > 63:
        raise InvalidRequest(f"The name {name[:70]!r} must have 1 to 63 bytes in UTF-8.")
    if "\0" in name:
        raise InvalidRequest(f"The name {name!r} must have no NUL.")
