"""The MySQL family as an engine and as a restorer; see the two contracts for what each method gives."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.engines.engine import Command, ContentCheck, Login
from shared.engines.mysql import digest, dump, probe, restore
from shared.engines.mysql.content import DumpCheck
from shared.engines.mysql.errors import tool_error
from shared.engines.mysql.tool import best_tool
from shared.engines.options import check_against
from shared.errors import BackupError
from shared.models.database import Server
from shared.models.inventory import ContentDigest, Probe, ServerFacts
from shared.models.run import Tool


@dataclass(frozen=True)
class MySqlEngine:
    """MySQL and MariaDB, wherever they run."""

    family: str = "mysql"
    extension: str = "sql.gz"
    default_port: int = 3306
    dump_tools: tuple[str, ...] = dump.DUMP_TOOLS

    def probe(self, login: Login, database: str, *, timeout_seconds: int = 10) -> Probe:
        return probe.probe(login, database, timeout_seconds=timeout_seconds)

    def choose_tool(self, server: ServerFacts, tools: Sequence[Tool]) -> Tool:
        tool = best_tool(server, tools, self.dump_tools)
        dump.refuse_bad_pair(server, tool)
        return tool

    def tool_warnings(self, server: ServerFacts, tool: Tool) -> tuple[str, ...]:
        return dump.tool_warnings(server, tool)

    def dump_command(self, login: Login, database: str, tool: Tool, probe: Probe, options: Sequence[str]) -> Command:
        return dump.dump_command(login, database, tool, options)

    def dump_error(self, exit_code: int, stderr: str, *, server: Server, database: str) -> BackupError | None:
        return tool_error(exit_code, stderr, tool="The dump tool", server=server, database=database)

    def content_check(self, probe: Probe, tool: Tool | None) -> ContentCheck:
        return DumpCheck(probe)

    def check_options(self, options: Sequence[str]) -> None:
        check_against(dump.ALLOWED_OPTIONS, options)

    def check_database_name(self, name: str) -> None:
        dump.check_database_name(name)


@dataclass(frozen=True)
class MySqlRestorer:
    """Loads dumps of MySQL and MariaDB."""

    restore_tools: tuple[str, ...] = restore.RESTORE_TOOLS

    def choose_tool(self, target: ServerFacts, tools: Sequence[Tool], *, dumped_by: Tool | None = None) -> Tool:
        return best_tool(target, tools, self.restore_tools)

    def create_database(self, login: Login, name: str, like: ServerFacts) -> None:
        restore.create_database(login, name, like)

    def drop_database(self, login: Login, name: str) -> None:
        restore.drop_database(login, name)

    def is_empty(self, login: Login, name: str) -> bool:
        return restore.is_empty(login, name)

    def restore_command(self, login: Login, name: str, tool: Tool, *, scratch: bool) -> Command:
        return restore.restore_command(login, name, tool)  # a dump of this family holds no owners but definers

    def unknown_first_lines(self, tool: Tool) -> tuple[bytes, ...]:
        return restore.unknown_first_lines(tool)

    def restore_error(self, exit_code: int, stderr: str, *, server: Server, database: str) -> BackupError | None:
        return restore.restore_error(exit_code, stderr, server=server, database=database)

    def digest(
        self, login: Login, database: str, *, method: str | None = None, timeout_seconds: int = 3600
    ) -> ContentDigest:
        return digest.digest(login, database, method=method, timeout_seconds=timeout_seconds)
