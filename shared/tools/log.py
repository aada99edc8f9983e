"""What a tool says on stderr, without secrets: head and tail for people, the whole as gzip for the log blob."""

import re
import threading
import zlib
from collections import deque
from collections.abc import Iterable, Sequence

REDACTED = b"[redacted]"
HEAD_BYTES = 4096
TAIL_BYTES = 12288
COMPRESSED_BYTES = 1024 * 1024
LINE_CHARACTERS = 200
LINES = 50


class Redactor:
    """Replaces secrets in a stream of bytes, also those that lie across the borders of its pieces."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # Longest first, so that a secret that begins with another one is replaced whole.
        words = sorted({secret.encode() for secret in secrets if secret}, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, words))) if words else None
        self._overlap = len(words[0]) - 1 if words else 0
        self._kept = b""

    def feed(self, data: bytes) -> bytes:
        """What can be shown now; a tail in which a secret may have begun is kept back."""
        text = self._kept + data
        shown, self._kept = self._split(text, len(text) - self._overlap)
        return shown

    def finish(self) -> bytes:
        """The rest, when no more comes."""
        shown, self._kept = self._split(self._kept, len(self._kept))
        return shown

    def _split(self, text: bytes, limit: int) -> tuple[bytes, bytes]:
        """Shows secrets that begin before `limit` as redacted and keeps what follows."""
        if self._pattern is None:
            return text, b""
        pieces, position = [], 0
        for match in self._pattern.finditer(text):
            if match.start() >= limit:
                break
            pieces += [text[position : match.start()], REDACTED]
            position = match.end()
        limit = max(limit, position)
        return b"".join([*pieces, text[position:limit]]), text[limit:]


class ToolLog:
    """Takes stderr as it comes. Memory is bounded whatever the tool says."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        self._redactor = Redactor(secrets)
        self._lock = threading.Lock()  # the drain writes while the progress row reads
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0
        self._compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
        self._pieces: list[bytes] = []
        self._size = 0
        self._cut = 0

    def feed(self, data: bytes) -> None:
        """Takes the next piece."""
        self._keep(self._redactor.feed(data))

    def finish(self) -> None:
        """Takes the end."""
        self._keep(self._redactor.finish())

    def _keep(self, data: bytes) -> None:
        with self._lock:
            room = HEAD_BYTES - len(self._head)
            self._head += data[:room]
            self._tail += data[room:]
            surplus = len(self._tail) - TAIL_BYTES
            if surplus > 0:
                del self._tail[:surplus]
                self._left_out += surplus
            if self._size >= COMPRESSED_BYTES:
                self._cut += len(data)
                return
            piece = self._compressor.compress(data)
            self._pieces.append(piece)
            self._size += len(piece)

    @property
    def text(self) -> str:
        """Head and tail; what is left out between them is counted in bytes."""
        with self._lock:
            gap = b"\n[... %d bytes left out ...]\n" % self._left_out if self._left_out else b""
            return bytes(self._head + gap + self._tail).decode(errors="replace")

    @property
    def last_lines(self) -> tuple[str, ...]:
        """The last lines, oldest first, each cut to 200 characters; at most 50."""
        lines = (line.rstrip()[:LINE_CHARACTERS] for line in self.text.splitlines())
        return tuple(deque((line for line in lines if line), maxlen=LINES))

    def compressed(self) -> bytes:
        """The whole log as one gzip member; call it once, after `finish`.

        Beyond about 1 MiB of gzip only a mark and the last bytes are kept.
        """
        with self._lock:
            if self._cut:
                mark = b"\n[... log cut: %d bytes more, the last of them follow ...]\n" % self._cut
                self._pieces.append(self._compressor.compress(mark + self._tail))
            return b"".join([*self._pieces, self._compressor.flush()])
