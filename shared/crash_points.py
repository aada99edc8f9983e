"""Named places where a crash test stops the work, to end every process of the host right there.

Off unless the setting `DILUX_CRASH_POINT` names a file of names, one a line. Who comes by such a place notes its name
in the file's sister `.hits`, and waits there for the end: once for each line that lists it. Nothing here ends
anything; the test does that, from outside and all at once. A crash test alone writes that file.
"""

import os
import time
from pathlib import Path

LOOK_SECONDS = 0.02


def crash_point(name: str) -> None:
    """Does nothing, except in a crash test that waits for `name`: then it waits as long as the file is there."""
    wanted = os.environ.get("DILUX_CRASH_POINT")
    if not wanted:
        return
    plan = Path(wanted)
    hits = plan.with_suffix(".hits")
    if _times(plan, name) <= _times(hits, name):
        return
    with hits.open("a") as noting:
        noting.write(f"{name}\n")
    while plan.exists():
        time.sleep(LOOK_SECONDS)


def _times(path: Path, name: str) -> int:
    """How many lines of the file are this name."""
    return path.read_text().splitlines().count(name) if path.exists() else 0
