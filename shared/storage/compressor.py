"""One gzip member at levels 0 to 9, by the fastest library for each level."""

from typing import Protocol

from isal import isal_zlib
from zlib_ng import zlib_ng

GZIP = 31  # a window of 32 KiB in a gzip container; the time in its header is 0


class Compressor(Protocol):
    """Takes data piece by piece and gives compressed bytes when it has some."""

    def compress(self, data: bytes | memoryview, /) -> bytes: ...

    def flush(self) -> bytes: ...


def gzip_compressor(level: int) -> Compressor:
    """Level 0 stores, 1 to 3 are fast (isal, 2 by default), 4 to 9 are small (zlib-ng)."""
    compressor: Compressor
    if 1 <= level <= 3:
        compressor = isal_zlib.compressobj(level, isal_zlib.DEFLATED, GZIP)
    else:
        compressor = zlib_ng.compressobj(level, zlib_ng.DEFLATED, GZIP)
    return compressor
