import gzip
import itertools
import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.tools.log import COMPRESSED_BYTES, HEAD_BYTES, TAIL_BYTES, Redactor, ToolLog

pytestmark = pytest.mark.unit


def redacted(text: bytes, secrets: list[str], cuts: list[int]) -> bytes:
    """`text` through a redactor in pieces that end at `cuts`."""
    redactor = Redactor(secrets)
    borders = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    shown = [redactor.feed(text[start:end]) for start, end in itertools.pairwise(borders)]
    return b"".join([*shown, redactor.finish()])


def test_a_secret_is_redacted() -> None:
    assert redacted(b"using password hunter2!", ["hunter2"], []) == b"using password [redacted]!"


@given(st.lists(st.integers(0, 60), max_size=8))
def test_the_borders_of_the_pieces_do_not_matter(cuts: list[int]) -> None:
    text = "ab secret secrets secre ñ漢🔑 sec".encode()
    secrets = ["secret", "secrets", "ñ漢🔑"]

    assert redacted(text, secrets, cuts) == b"ab [redacted] [redacted] secre [redacted] sec"


def test_without_secrets_nothing_is_kept_back() -> None:
    assert Redactor(["", ""]).feed(b"text") == b"text"


def test_a_short_log_is_kept_whole() -> None:
    log = ToolLog(["s3cret"])
    for piece in (b"first\nuser s3c", b"ret refused\n", b"\nlast"):
        log.feed(piece)
    log.finish()

    assert log.text == "first\nuser [redacted] refused\n\nlast"
    assert log.last_lines == ("first", "user [redacted] refused", "last")
    assert gzip.decompress(log.compressed()).decode() == log.text


def test_five_megabytes_of_emoji_leave_head_and_tail_in_the_row_and_all_in_the_blob() -> None:
    log = ToolLog(["canary"])
    text = b"head\n" + "🚀".encode() * 1_250_000 + b"\ntail"
    for start in range(0, len(text), 65536):
        log.feed(text[start : start + 65536])
    log.finish()

    assert log.text.startswith("head\n🚀")
    assert log.text.endswith("🚀\ntail")
    assert "bytes left out" in log.text
    assert len(log.text.encode()) < HEAD_BYTES + TAIL_BYTES + 100
    assert gzip.decompress(log.compressed()) == text


def test_the_blob_of_a_log_without_end_is_cut_with_a_mark_and_keeps_its_last_words() -> None:
    noise = random.Random(7).randbytes(65536)
    log = ToolLog()
    tracemalloc.start()
    try:
        for _ in range(100):
            log.feed(noise)
        log.feed(b"\nthe very end")
        log.finish()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    whole = gzip.decompress(log.compressed())
    assert b"log cut: " in whole
    assert whole.endswith(b"the very end")
    assert peak < COMPRESSED_BYTES + 1_000_000


def test_a_long_line_is_cut_for_the_progress_row() -> None:
    log = ToolLog()
    log.feed(b"x" * 1000 + b"\n" + b"line\n" * 100)

    assert len(log.last_lines) == 50
    assert set(log.last_lines) == {"line"}
