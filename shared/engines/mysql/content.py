"""Whether a stream is one whole dump of mysqldump or mariadb-dump that holds every table."""

import re

from shared.engines.diagnosis import listed
from shared.engines.line_finder import LineFinder
from shared.errors import BackupCorrupted
from shared.models.inventory import Probe

HEAD_BYTES = 4096
TAIL_BYTES = 4096
# Since May 2024 MariaDB's first line forbids the client's shell commands; its first form lacked the M.
SANDBOX = re.compile(rb"/\*M?!999999\\- enable the sandbox mode \*/ ?\r?\n")
HEADER = re.compile(rb"-- (?:MySQL|MariaDB) dump (?P<version>[^\r\n]*)")
CHARSET = b" SET NAMES utf8mb4 "
END = b"-- Dump completed"
NEXT_DUMP = re.compile(rb"[^\n]*\n\s*(?:/\*M?![^\n]*\n)?-- (?:MySQL|MariaDB) dump ")
# In data a line end is written as backslash and n, so only the tool itself begins a line with this.
TABLE = b"CREATE TABLE `"
TABLE_NAME = re.compile(rb"(?P<name>(?:[^`]|``)*)`")
LONGEST_NAME = 600  # 64 characters of at most 4 bytes, or of doubled ticks


class DumpCheck:
    """Reads a dump once; see `ContentCheck`."""

    def __init__(self, probe: Probe) -> None:
        self._expected = {table.name.encode(): table.name for table in probe.inventory.tables}
        self._missing = set(self._expected)
        self._tables = LineFinder(TABLE, longest=LONGEST_NAME)
        self._ends = LineFinder(END, longest=256)
        self._head = b""
        self._tail = b""
        self._size = 0

    def feed(self, data: bytes | memoryview) -> None:
        """See `ContentCheck.feed`."""
        piece = bytes(data)
        if self._size < HEAD_BYTES:
            self._head += piece[: HEAD_BYTES - self._size]
        self._size += len(piece)
        self._tail = (self._tail + piece[-TAIL_BYTES:])[-TAIL_BYTES:]
        for text in self._tables.feed(piece):
            self._note_table(text)
        for text in self._ends.feed(piece):
            self._refuse_next_dump(text)

    def finish(self) -> str:
        """See `ContentCheck.finish`."""
        version = self._checked_head()
        for text in self._tables.finish():
            self._note_table(text)
        for text in self._ends.finish():
            self._refuse_next_dump(text)
        last_line = self._tail.rstrip().rpartition(b"\n")[2]
        if not last_line.startswith(END):
            raise BackupCorrupted(
                f"The dump is cut off: its last line is {last_line[:80]!r} and not '{END.decode()}'. Make a new backup."
            )
        if self._missing:
            names = listed(self._expected[name] for name in self._missing)
            raise BackupCorrupted(f"The dump lacks {len(self._missing)} tables: {names}. Make a new backup.")
        return (
            f"{self._size:,} bytes of SQL by dump {version}; {len(self._expected)} tables; the end marker stands last"
        )

    def close(self) -> None:
        """See `ContentCheck.close`."""

    def _checked_head(self) -> str:
        sandbox = SANDBOX.match(self._head)
        header = HEADER.match(self._head, sandbox.end() if sandbox else 0)
        if header is None:
            raise BackupCorrupted(f"This is no dump of MySQL or MariaDB: it begins with {self._head[:40]!r}.")
        if CHARSET not in self._head:
            raise BackupCorrupted("The dump does not say 'SET NAMES utf8mb4': emojis would be lost on restore.")
        if b"GTID_PURGED" in self._head:
            raise BackupCorrupted("The dump sets GTID_PURGED: only an administrator of the server could restore it.")
        return header["version"].decode(errors="replace")

    def _note_table(self, text: bytes) -> None:
        name = TABLE_NAME.match(text)
        if name is not None:
            self._missing.discard(name["name"].replace(b"``", b"`"))

    def _refuse_next_dump(self, text: bytes) -> None:
        if NEXT_DUMP.match(text):
            raise BackupCorrupted("A second dump follows the first one: restored, it would overwrite it.")
