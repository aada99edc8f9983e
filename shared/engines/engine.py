"""What a family of databases can do for a backup. Engines return commands and checks; they run no dump themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from shared.errors import BackupError
from shared.models.database import Server
from shared.models.inventory import Probe, ServerFacts
from shared.models.run import Tool


@dataclass(frozen=True)
class Command:
    """A program to run. Secrets stand in `environment` alone, which is never printed."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Login:
    """A server and the right to enter it."""

    server: Server
    password: SecretStr
    ca_bundle: Path | None = None
    """PEM file of the authorities that `verify-ca` and `verify-full` trust; None means the system's own."""


class ContentCheck(Protocol):
    """Reads one uncompressed backup piece by piece, with flat memory, and says whether it is a whole dump."""

    def feed(self, data: bytes | memoryview) -> None:
        """Takes the next piece; best between 64 KiB and 1 MiB. Raises BackupCorrupted as soon as that is certain."""
        ...

    def finish(self) -> str:
        """What was found, for people, after the last piece. Raises BackupCorrupted when the dump is not whole."""
        ...

    def close(self) -> None:
        """Leaves nothing behind, at any time, as often as you like."""
        ...


class Engine(Protocol):
    """One family of databases: how it is looked at, dumped, and how its dump is checked.

    Every method that meets a server or a tool raises errors of the tree in `shared.errors` and no others.
    """

    @property
    def family(self) -> str:
        """`mysql` or `postgresql`."""
        ...

    @property
    def extension(self) -> str:
        """Of the blob's name, without its first dot."""
        ...

    @property
    def default_port(self) -> int:
        """Where such a server listens if nothing else is said."""
        ...

    @property
    def dump_tools(self) -> tuple[str, ...]:
        """The names of the dump programs, best first."""
        ...

    def probe(self, login: Login, database: str, *, timeout_seconds: int = 10) -> Probe:
        """What the server says about the database, read in one connection that changes nothing.

        No answer within `timeout_seconds` ends it, at the connection and at every question. Raises PermissionDenied,
        naming what may not be read, when a dump by this user would fail or would leave rows out.
        """
        ...

    def choose_tool(self, server: ServerFacts, tools: Sequence[Tool]) -> Tool:
        """The best of `tools` to dump this server. Raises ToolMissing, ClientTooOld or UnsupportedServer."""
        ...

    def tool_warnings(self, server: ServerFacts, tool: Tool) -> tuple[str, ...]:
        """What people should know about this pair, although it works."""
        ...

    def dump_command(self, login: Login, database: str, tool: Tool, probe: Probe, options: Sequence[str]) -> Command:
        """Writes the dump of `database` to stdout. `options` have passed `check_options`. Raises TlsFailed."""
        ...

    def dump_error(self, exit_code: int, stderr: str, *, server: Server, database: str) -> BackupError | None:
        """What the end of the dump tool means; None when it ended well. `stderr` is redacted already.

        A negative `exit_code` is a signal, as subprocess has it.
        """
        ...

    def content_check(self, probe: Probe, tool: Tool | None) -> ContentCheck:
        """A check that a dump, made by `tool` of what `probe` saw, is whole. Raises ToolMissing where it needs one."""
        ...

    def check_options(self, options: Sequence[str]) -> None:
        """Raises InvalidRequest, naming the option, unless every option is on the list of harmless ones."""
        ...

    def check_database_name(self, name: str) -> None:
        """Raises InvalidRequest when no server of this family can have a database of this name."""
        ...
