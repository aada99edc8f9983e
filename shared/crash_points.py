"""Named places where a test may end every process of the host at once, to prove that nothing gets stuck.

Off unless the setting `DILUX_CRASH_POINT` names a file; its lines are `name count`, and each hit of a listed name
takes one from its count and kills the whole process group. A crash test alone writes that file.
"""

import os
import signal
from pathlib import Path


def crash_point(name: str) -> None:
    """Does nothing, except in a crash test whose plan lists `name`."""
    plan = os.environ.get("DILUX_CRASH_POINT")
    if not plan:
        return
    path = Path(plan)
    wanted = dict(line.split() for line in path.read_text().splitlines() if line)
    left = int(wanted.get(name, "0"))
    if left < 1:
        return
    wanted[name] = str(left - 1)
    path.write_text("".join(f"{point} {count}\n" for point, count in wanted.items()))
    with path.with_suffix(".hits").open("a") as hits:
        hits.write(f"{name}\n")
        hits.flush()
        os.fsync(hits.fileno())
    os.killpg(os.getpgrp(), signal.SIGKILL)
