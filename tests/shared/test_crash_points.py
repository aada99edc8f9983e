"""Crash points are off unless a test asks for them, stop the work where it asks, and let it go on afterwards."""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from shared.crash_points import crash_point

pytestmark = pytest.mark.unit

SECONDS = 10


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that a crash test writes."""
    path = tmp_path / "points.plan"
    monkeypatch.setenv("DILUX_CRASH_POINT", str(path))
    return path


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_without_the_setting_nothing_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DILUX_CRASH_POINT", raising=False)

    crash_point("in_dump")


def test_without_the_file_or_the_name_nothing_stops_and_nothing_is_noted(plan: Path) -> None:
    crash_point("in_dump")
    plan.write_text("after_stage\n")

    crash_point("in_dump")

    assert not plan.with_suffix(".hits").exists()


def test_a_hit_is_noted_and_waits_until_the_file_is_gone(plan: Path) -> None:
    plan.write_text("in_dump\n")
    work = Thread(target=crash_point, args=("in_dump",), daemon=True)

    work.start()

    until(plan.with_suffix(".hits").exists)
    assert work.is_alive()
    plan.unlink()
    work.join(SECONDS)
    assert not work.is_alive()


def test_each_line_stops_the_work_once(plan: Path) -> None:
    plan.write_text("in_dump\nin_dump\n")
    hits = plan.with_suffix(".hits")
    hits.write_text("in_dump\nin_dump\n")

    crash_point("in_dump")

    assert hits.read_text() == "in_dump\nin_dump\n"
