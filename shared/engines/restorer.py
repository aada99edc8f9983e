"""What a family of databases can do for a restore and for its proof."""

from collections.abc import Sequence
from typing import Protocol

from shared.engines.engine import Command, Login
from shared.errors import BackupError
from shared.models.database import Server
from shared.models.inventory import ContentDigest, ServerFacts
from shared.models.run import Tool


class Restorer(Protocol):
    """Loads a dump into a database of its own and tells what is in it.

    Every method that meets a server raises errors of the tree in `shared.errors` and no others.
    """

    @property
    def restore_tools(self) -> tuple[str, ...]:
        """The names of the restore programs, best first."""
        ...

    def choose_tool(self, target: ServerFacts, tools: Sequence[Tool], *, dumped_by: Tool | None = None) -> Tool:
        """The best of `tools` to load a dump made by `dumped_by` into `target`. Raises ToolMissing or ClientTooOld."""
        ...

    def create_database(self, login: Login, name: str, like: ServerFacts) -> None:
        """Makes an empty database with the character set and collation of `like`. Raises Conflict if it exists."""
        ...

    def drop_database(self, login: Login, name: str) -> None:
        """Removes the database with all that is in it, whoever uses it; no error when there is none."""
        ...

    def is_empty(self, login: Login, name: str) -> bool:
        """True when the database holds no object of a user."""
        ...

    def restore_command(self, login: Login, name: str, tool: Tool, *, scratch: bool) -> Command:
        """Loads the uncompressed dump from stdin into the database; stops at the first error.

        A dump may replace what is there of the same name: see to it that the database is empty.
        With `scratch`, owners, privileges, publications and subscriptions are left out: the accounts of the source
        need not exist, and nothing outside the database is touched.
        """
        ...

    def unknown_first_lines(self, tool: Tool) -> tuple[bytes, ...]:
        """First lines of a dump, without line end, that `tool` does not understand: leave such a line out."""
        ...

    def restore_error(self, exit_code: int, stderr: str, *, server: Server, database: str) -> BackupError | None:
        """What the end of the restore tool means, with the count of errors and the first one; None for a good end."""
        ...

    def digest(
        self, login: Login, database: str, *, method: str | None = None, timeout_seconds: int = 3600
    ) -> ContentDigest:
        """Rows and content of every table, by the server itself, within one snapshot where it has one.

        `method` asks for the one that made another digest; only digests of one method compare. Raises UnsupportedServer
        for a method that is not known here. Each question may take `timeout_seconds`.
        """
        ...
