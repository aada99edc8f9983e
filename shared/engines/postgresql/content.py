"""Whether a stream is one whole archive of pg_dump that holds every table.

pg_restore replays all of it into nothing: a table of contents or a good end alone proves nothing. A second pg_restore
turns the table of contents into statements, which name the tables beyond doubt.
"""

import contextlib
import os
import re
import threading
from pathlib import Path

from shared.engines.diagnosis import listed, telling_line
from shared.engines.line_finder import LineFinder
from shared.engines.postgresql.errors import TOOL_SPEAKS
from shared.errors import BackupCorrupted, ToolKilled, ToolMissing
from shared.models.inventory import ObjectName, Probe
from shared.models.run import Tool
from shared.tools import ToolProcess, installed_tools

MAGIC = b"PGDMP"
READ_BYTES = 256 * 1024
LONGEST_NAMES = 600  # two names of at most 63 bytes, each doubled at worst, and the words before them
IDENTIFIER = rb'(?:[a-z_][a-z0-9_]*|"(?:[^"]|"")+")'
TABLE = re.compile(
    rb"(?:UNLOGGED |FOREIGN )?TABLE (?P<schema>" + IDENTIFIER + rb")\.(?P<name>" + IDENTIFIER + rb")[\s;]"
)


class ArchiveCheck:
    """Reads an archive once; see `ContentCheck`."""

    def __init__(self, probe: Probe, tool: Tool | None) -> None:
        program = _restore_program(tool)
        self._expected = set(probe.inventory.tables)
        self._head = b""
        self._size = 0
        self._replay = _Reader(program, "--file=/dev/null")
        try:
            self._contents = _Reader(program, "--schema-only", "--file=-")
        except BaseException:
            self._replay.close()
            raise

    def feed(self, data: bytes | memoryview) -> None:
        """See `ContentCheck.feed`."""
        if self._size < len(MAGIC):
            self._head += bytes(data[: len(MAGIC)])
            if not self._head.startswith(MAGIC[: len(self._head)]):
                raise BackupCorrupted(f"This is no archive of pg_dump: it begins with {self._head!r}.")
        self._size += len(data)
        self._contents.feed(data)  # wants no more than the table of contents
        if not self._replay.feed(data):
            self._replay.finish("The archive cannot be replayed")
            raise BackupCorrupted("Something follows the archive's end. Make a new backup.")

    def finish(self) -> str:
        """See `ContentCheck.finish`."""
        if self._size < len(MAGIC):
            raise BackupCorrupted(f"This is no archive of pg_dump: it has {self._size} bytes.")
        self._replay.finish("The archive cannot be replayed")
        self._contents.finish("The archive's table of contents cannot be read")
        missing = self._expected - self._contents.tables
        if missing:
            names = listed(table.text for table in missing)
            raise BackupCorrupted(f"The archive lacks {len(missing)} tables: {names}. Make a new backup.")
        return f"{self._size:,} bytes replayed whole by pg_restore; {len(self._expected)} tables"

    def close(self) -> None:
        """See `ContentCheck.close`."""
        self._replay.close()
        self._contents.close()


class _Reader:
    """A pg_restore that is fed an archive; the tables that its output creates are noted."""

    def __init__(self, program: str, *options: str) -> None:
        self.tables: set[ObjectName] = set()
        self._finder = LineFinder(b"CREATE ", longest=LONGEST_NAMES)
        self._left = contextlib.ExitStack()
        self._process = self._left.enter_context(ToolProcess([program, *options], {}, takes_input=True))
        self._hungry = True
        self._drain = threading.Thread(target=self._read_output, name="output of pg_restore", daemon=True)
        self._drain.start()

    def feed(self, data: bytes | memoryview) -> bool:
        """Passes the next piece on; False when the tool has ended and takes no more."""
        left = memoryview(data)
        while left and self._hungry:
            try:
                left = left[os.write(self._process.stdin, left) :]
            except BrokenPipeError:
                self._hungry = False
        return self._hungry

    def finish(self, failure: str) -> None:
        """Waits for the tool's good end. Raises BackupCorrupted, beginning with `failure`, for a bad one."""
        self._process.end_input()
        code = self._process.wait()
        self._drain.join()
        if code < 0:
            raise ToolKilled(f"pg_restore was ended by signal {-code} while it checked the backup; it is tried again.")
        if code != 0:
            said = telling_line(self._process.log.text, TOOL_SPEAKS)
            raise BackupCorrupted(
                f"{failure}: pg_restore ended with code {code}. Make a new backup. It said: {said[:300]}"
            )

    def close(self) -> None:
        """Ends the tool if it still runs."""
        self._process.kill()
        self._drain.join()  # before its pipe is closed and the number goes to another file
        self._left.close()

    def _read_output(self) -> None:
        while data := os.read(self._process.stdout, READ_BYTES):
            for text in self._finder.feed(data):
                self._note(text)
        for text in self._finder.finish():
            self._note(text)

    def _note(self, text: bytes) -> None:
        table = TABLE.match(text)
        if table is not None:
            self.tables.add(ObjectName(schema_name=_plain(table["schema"]), name=_plain(table["name"])))


def _plain(identifier: bytes) -> str:
    text = identifier.decode(errors="replace")
    return text[1:-1].replace('""', '"') if text.startswith('"') else text


def _restore_program(tool: Tool | None) -> str:
    """The pg_restore beside the pg_dump that made the archive, else the newest one."""
    if tool is not None:
        beside = Path(tool.path).with_name("pg_restore")
        if beside.exists():
            return str(beside)
    tools = installed_tools(("pg_restore",))
    if not tools:
        raise ToolMissing("pg_restore is not on this machine: backups of PostgreSQL cannot be checked. Install it.")
    return max(tools, key=lambda found: found.version_number).path
