"""Finds lines by how they begin, in a stream that arrives in pieces; memory is bounded by one piece."""

from collections.abc import Iterator


class LineFinder:
    """Gives what follows `beginning` wherever a line begins so: up to `longest` bytes, fewer at the stream's end.

    The stream's first line counts as a line too. Most of the time is spent in one search per piece, in C.
    """

    def __init__(self, beginning: bytes, *, longest: int) -> None:
        self._mark = b"\n" + beginning
        self._longest = longest
        self._kept = b"\n"

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The finds that are whole with this piece."""
        text = self._kept + data
        searched = 0
        while (found := text.find(self._mark, searched)) >= 0:
            start = found + len(self._mark)
            if len(text) < start + self._longest:
                break
            yield text[start : start + self._longest]
            searched = start
        # Either the find that lacks its end, or what may be the first part of a mark.
        self._kept = text[found:] if found >= 0 else text[max(searched, len(text) - len(self._mark) + 1) :]

    def finish(self) -> Iterator[bytes]:
        """The finds that the stream's end cut short."""
        pieces = self._kept.split(self._mark)[1:]
        self._kept = b"\n"
        yield from pieces
