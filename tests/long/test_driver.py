"""The driver of the random lanes keeps its time, repeats by seed, and hides no failure."""

from collections import Counter
from random import Random

import pytest

from tests.long.driver import Tally, drive, run_round

pytestmark = pytest.mark.unit


class Drawing:
    """A lane that remembers what it drew."""

    def __init__(self) -> None:
        self.drawn: list[float] = []

    def __call__(self, random: Random) -> Counter[str]:
        self.drawn.append(random.random())
        return Counter(draws=1)


def failing(_: Random) -> Counter[str]:
    raise AssertionError("two runs hold one claim")


def test_without_time_every_lane_still_gets_one_round() -> None:
    first, second = Drawing(), Drawing()

    tallies = drive({"first": first, "second": second}, seconds=0, seed=1, say=print)

    assert tallies == {"first": Tally(1, 0, Counter(draws=1)), "second": Tally(1, 0, Counter(draws=1))}
    assert first.drawn != second.drawn


def test_with_time_the_rounds_go_on_and_draw_new_numbers() -> None:
    lane = Drawing()

    drive({"lane": lane}, seconds=0.05, seed=1, say=print)

    assert len(lane.drawn) > 1
    assert len(set(lane.drawn)) == len(lane.drawn)


def test_a_failing_lane_says_how_to_repeat_it_and_gets_no_second_round() -> None:
    said: list[str] = []

    tallies = drive({"bad": failing}, seconds=60, seed=7, say=said.append)

    assert tallies["bad"].failed == 1
    assert "two runs hold one claim" in said[0]
    assert said[1].endswith("--seed 7 --lane bad --round 0")


def test_a_round_repeated_by_its_number_draws_the_same() -> None:
    lane, again = Drawing(), Drawing()
    drive({"lane": lane}, seconds=0.01, seed=3, say=print)

    for number in range(len(lane.drawn)):
        run_round("lane", again, seed=3, number=number, tally=Tally(), say=print)

    assert again.drawn == lane.drawn
