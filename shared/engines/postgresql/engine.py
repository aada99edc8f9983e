"""PostgreSQL as an engine and as a restorer; see the two contracts for what each method gives."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.engines.engine import Command, ContentCheck, Login
from shared.engines.options import check_against
from shared.engines.postgresql import digest, dump, probe, restore
from shared.engines.postgresql.content import ArchiveCheck
from shared.engines.postgresql.errors import tool_error
from shared.engines.postgresql.tool import best_tool
from shared.errors import BackupError
from shared.models.database import Server
from shared.models.inventory import ContentDigest, Probe, ServerFacts
from shared.models.run import Tool


@dataclass(frozen=True)
class PostgreSqlEngine:
    """PostgreSQL, wherever it runs."""

    family: str = "postgresql"
    extension: str = "dump.gz"
    default_port: int = 5432
    dump_tools: tuple[str, ...] = dump.DUMP_TOOLS

    def probe(self, login: Login, database: str, *, timeout_seconds: int = 10) -> Probe:
        return probe.probe(login, database, timeout_seconds=timeout_seconds)

    def choose_tool(self, server: ServerFacts, tools: Sequence[Tool]) -> Tool:
        return best_tool(server, tools, at_least=0, names=self.dump_tools)

    def tool_warnings(self, server: ServerFacts, tool: Tool) -> tuple[str, ...]:
        return ()  # pg_dump reads older servers as well as its own

    def dump_command(self, login: Login, database: str, tool: Tool, probe: Probe, options: Sequence[str]) -> Command:
        return dump.dump_command(login, database, tool, options)

    def dump_error(self, exit_code: int, stderr: str, *, server: Server, database: str) -> BackupError | None:
        return tool_error(exit_code, stderr, tool="pg_dump", server=server, database=database)

    def content_check(self, probe: Probe, tool: Tool | None) -> ContentCheck:
        return ArchiveCheck(probe, tool)

    def check_options(self, options: Sequence[str]) -> None:
        check_against(dump.ALLOWED_OPTIONS, options)

    def check_database_name(self, name: str) -> None:
        dump.check_database_name(name)


@dataclass(frozen=True)
class PostgreSqlRestorer:
    """Loads archives of pg_dump."""

    restore_tools: tuple[str, ...] = restore.RESTORE_TOOLS

    def choose_tool(self, target: ServerFacts, tools: Sequence[Tool], *, dumped_by: Tool | None = None) -> Tool:
        # pg_restore reads archives of its own major version and of older ones, and writes for servers of its own.
        return best_tool(
            target, tools, at_least=dumped_by.version_number[0] if dumped_by else 0, names=self.restore_tools
        )

    def create_database(self, login: Login, name: str, like: ServerFacts) -> None:
        restore.create_database(login, name, like)

    def drop_database(self, login: Login, name: str) -> None:
        restore.drop_database(login, name)

    def is_empty(self, login: Login, name: str) -> bool:
        return restore.is_empty(login, name)

    def restore_command(self, login: Login, name: str, tool: Tool, *, scratch: bool) -> Command:
        return restore.restore_command(login, name, tool, scratch=scratch)

    def unknown_first_lines(self, tool: Tool) -> tuple[bytes, ...]:
        return ()

    def restore_error(self, exit_code: int, stderr: str, *, server: Server, database: str) -> BackupError | None:
        return restore.restore_error(exit_code, stderr, server=server, database=database)

    def digest(
        self, login: Login, database: str, *, method: str | None = None, timeout_seconds: int = 3600
    ) -> ContentDigest:
        return digest.digest(login, database, method=method, timeout_seconds=timeout_seconds)
