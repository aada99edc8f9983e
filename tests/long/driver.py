"""Runs the lanes in turn until the time is over, and says how to repeat what failed."""

import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from tests.long.lanes import Lane

SECONDS_BETWEEN_REPORTS = 60

Say = Callable[[str], None]


@dataclass
class Tally:
    """What one lane did so far."""

    passed: int = 0
    failed: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        counts = ", ".join(f"{number:,} {name}" for name, number in sorted(self.counts.items()))
        return f"{self.passed} rounds passed, {self.failed} failed; {counts or 'nothing counted'}"


def drive(lanes: Mapping[str, Lane], *, seconds: float, seed: int, say: Say) -> dict[str, Tally]:
    """Gives each lane round after round, in turn; every lane gets at least one, and one that failed gets no more."""
    tallies = {name: Tally() for name in lanes}
    ends = time.monotonic() + seconds
    next_report = time.monotonic() + SECONDS_BETWEEN_REPORTS
    number = 0
    while working := [name for name, tally in tallies.items() if not tally.failed]:
        for name in working:
            if number and time.monotonic() >= ends:
                return tallies
            run_round(name, lanes[name], seed=seed, number=number, tally=tallies[name], say=say)
            if time.monotonic() >= next_report:
                next_report = time.monotonic() + SECONDS_BETWEEN_REPORTS
                report(tallies, say)
        number += 1
    return tallies


def run_round(name: str, lane: Lane, *, seed: int, number: int, tally: Tally, say: Say) -> None:
    """One round of one lane: its random numbers depend on seed, lane and round alone, so it can be repeated alone."""
    try:
        tally.counts += lane(Random(f"{seed}/{name}/{number}"))
    except Exception:  # whatever a lane raises is its finding
        tally.failed += 1
        say(traceback.format_exc().rstrip())
        say(f"{name} failed; again: python -m tests.long --seed {seed} --lane {name} --round {number}")
    else:
        tally.passed += 1


def report(tallies: Mapping[str, Tally], say: Say) -> None:
    """One line per lane."""
    for name, tally in tallies.items():
        say(f"{name}: {tally}")
