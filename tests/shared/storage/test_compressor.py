import gzip
import random

import pytest

from shared.storage.compressor import gzip_compressor

pytestmark = pytest.mark.unit

TEXT = b"".join(
    b"INSERT INTO t VALUES (%d,'ord\xc3\xa9n');\n" % random.Random(1).randrange(10**6) for _ in range(20_000)
)


def compressed(level: int) -> bytes:
    compressor = gzip_compressor(level)
    return b"".join([*(compressor.compress(TEXT[start : start + 1000]) for start in range(0, len(TEXT), 1000))]) + (
        compressor.flush()
    )


@pytest.mark.parametrize("level", range(10))
def test_every_level_is_one_gzip_member_without_a_time(level: int) -> None:
    stored = compressed(level)

    assert gzip.decompress(stored) == TEXT
    assert stored[:4] == b"\x1f\x8b\x08\x00"
    assert stored[4:8] == b"\0\0\0\0"
    assert stored.count(b"\x1f\x8b\x08\x00\0\0\0\0") == 1


def test_level_zero_stores_and_level_nine_is_smaller_than_level_one() -> None:
    assert len(compressed(0)) > len(TEXT)
    assert len(compressed(9)) < len(compressed(1))
