from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.engines.line_finder import LineFinder

pytestmark = pytest.mark.unit

BEGINNING = b"-- X "
# Made of what the search may stumble over.
texts = st.lists(st.sampled_from([b"\n", b"-", b"-- ", b"-- X ", b"X", b"a", b"bcd"]), max_size=40).map(b"".join)


def found(pieces: list[bytes], *, longest: int) -> list[bytes]:
    finder = LineFinder(BEGINNING, longest=longest)
    finds = [find for piece in pieces for find in finder.feed(piece)]
    return finds + list(finder.finish())


@given(text=texts, cuts=st.lists(st.integers(0, 100), max_size=8))
def test_every_line_that_begins_so_is_found_wherever_the_pieces_are_cut(text: bytes, cuts: list[int]) -> None:
    borders = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(borders)]

    finds = found(pieces, longest=6)

    rests = [line.removeprefix(BEGINNING)[:6] for line in text.split(b"\n") if line.startswith(BEGINNING)]
    assert [find.split(b"\n")[0] for find in finds] == rests


def test_the_first_line_counts() -> None:
    assert found([b"-- X first"], longest=5) == [b"first"]


def test_a_mark_inside_a_line_does_not_count() -> None:
    assert found([b"a -- X no\n", b" -- X no\n"], longest=5) == []


def test_a_find_over_many_pieces_is_whole() -> None:
    assert found([bytes([byte]) for byte in b"a\n-- X name and more"], longest=8) == [b"name and"]


def test_memory_does_not_grow_with_the_stream() -> None:
    finder = LineFinder(BEGINNING, longest=10)

    for _ in range(1000):
        list(finder.feed(b"\n-- X something" * 10))

    assert len(finder._kept) < 40
