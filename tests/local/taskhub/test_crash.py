"""A hub that is killed at any moment goes on where it stopped: nothing is lost, nothing is counted twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.local.taskhub.crashing_hub import ETERNALS, STEPS, WORKERS

KILLS = 6
SEED = 7
ROOT = Path(__file__).parents[3]


def begin(folder: Path) -> subprocess.Popen[str]:
    """The process, once its hub has started."""
    command = [sys.executable, "-m", "tests.local.taskhub.crashing_hub", str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process


def test_a_hub_that_is_killed_again_and_again_completes_everything_exactly(tmp_path: Path) -> None:
    dice = random.Random(SEED)
    steps_at_kills = []
    for _ in range(KILLS):
        process = begin(tmp_path)
        time.sleep(dice.uniform(0.02, 0.4))  # the moment of the kill is what is tried here
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=20)
        steps_at_kills.append(len((tmp_path / "steps.log").read_text().splitlines()))
    output, _ = begin(tmp_path).communicate(timeout=60)

    result = json.loads(output)
    runs = Counter((tmp_path / "steps.log").read_text().splitlines())
    assert result["outputs"] == [[STEPS, 1, "child"]] * WORKERS
    assert result["counted"] == str(WORKERS * STEPS)
    assert [status for status, _ in result["eternals"]] == ["Running"] * ETERNALS
    assert all(generation > 0 for _, generation in result["eternals"])
    assert len(runs) == WORKERS * STEPS
    assert steps_at_kills[-1] < WORKERS * STEPS <= runs.total() <= WORKERS * STEPS + KILLS * 8
