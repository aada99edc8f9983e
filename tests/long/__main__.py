"""The command line: `python -m tests.long --minutes 20 --seed 1`; `--lane NAME --round N` repeats one round."""

import argparse
import os
import sys
import uuid
from functools import partial

from tests.support.leftovers import SESSION_VARIABLE, end_leftovers, end_shared_servers


def main() -> int:
    """Gives the exit code: 0 when every round passed, at least one ran, and no process was left behind."""
    parser = argparse.ArgumentParser(prog="python -m tests.long", description="Run the random lanes.")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--lane", help="this lane only")
    parser.add_argument("--round", type=int, help="this round of the lane only")
    chosen = parser.parse_args()
    os.environ[SESSION_VARIABLE] = uuid.uuid4().hex  # before a lane's modules start anything

    from tests.long.driver import Tally, drive, report, run_round
    from tests.long.lanes import LANES

    say = partial(print, flush=True)
    lanes = {chosen.lane: LANES[chosen.lane]} if chosen.lane else LANES
    say(f"seed {chosen.seed}, {chosen.minutes:g} minutes, lanes: {', '.join(lanes) or 'none'}")
    if chosen.round is None:
        tallies = drive(lanes, seconds=chosen.minutes * 60, seed=chosen.seed, say=say)
    else:
        tallies = {name: Tally() for name in lanes}
        for name, lane in lanes.items():
            run_round(name, lane, seed=chosen.seed, number=chosen.round, tally=tallies[name], say=say)
    report(tallies, say)
    end_shared_servers()
    left = end_leftovers()
    for process in left:
        say(f"left behind: {process}")
    passed = sum(tally.passed for tally in tallies.values())
    failed = sum(tally.failed for tally in tallies.values()) + len(left)
    say(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
