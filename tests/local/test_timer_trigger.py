"""Timer triggers, on a clock that the test moves."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.functions import Function
from local.taskhub.clock import FakeClock
from local.taskhub.invocation import FunctionFailed
from local.timer_trigger import Timer, TimerMemory, parse_timer, run_timer

pytestmark = pytest.mark.unit

START = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)


def timer_function(schedule: str, **properties: Any) -> Function:
    return Function("tidy", "timerTrigger", "timer", {"schedule": schedule, **properties}, (), ())


def hourly(**properties: Any) -> Timer:
    return parse_timer(timer_function("0 0 * * * *", **properties), {}, START)


class Runs:
    """Keeps what a timer called its function with, and when."""

    def __init__(self, clock: FakeClock, *, takes: timedelta = timedelta(0)) -> None:
        self.clock = clock
        self.takes = takes
        self.times: list[datetime] = []
        self.triggers: list[dict[str, Any]] = []

    async def __call__(self, trigger: str) -> None:
        self.times.append(self.clock.now())
        self.triggers.append(json.loads(trigger))
        self.clock.advance(self.takes)


@asynccontextmanager
async def running(timer: Timer, memory: TimerMemory, runs: Runs) -> AsyncIterator[None]:
    task = asyncio.create_task(run_timer(timer, memory, runs, runs.clock))
    await settle()
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def pass_hours(clock: FakeClock, hours: float) -> None:
    for _ in range(int(hours * 12)):
        clock.advance(timedelta(minutes=5))
        await settle()


def test_runs_at_its_times_and_not_before(tmp_path: Path) -> None:
    async def scenario() -> Runs:
        runs = Runs(FakeClock(START))
        async with running(hourly(), TimerMemory(tmp_path / "timers.json"), runs):
            await pass_hours(runs.clock, 2)
        return runs

    runs = asyncio.run(scenario())

    assert runs.times == [START + timedelta(minutes=30), START + timedelta(minutes=90)]
    assert [trigger["IsPastDue"] for trigger in runs.triggers] == [False, False]


def test_tells_the_function_its_last_and_next_time(tmp_path: Path) -> None:
    async def scenario() -> Runs:
        runs = Runs(FakeClock(START))
        async with running(hourly(), TimerMemory(tmp_path / "timers.json"), runs):
            await pass_hours(runs.clock, 2)
        return runs

    first, second = (trigger["ScheduleStatus"] for trigger in asyncio.run(scenario()).triggers)

    assert first == {
        "Last": "0001-01-01T00:00:00+00:00",
        "Next": "2026-11-25T12:00:00+00:00",
        "LastUpdated": "2026-11-25T10:30:00+00:00",
    }
    assert second["Last"] == "2026-11-25T11:00:00+00:00"


def test_makes_up_once_for_what_it_missed_while_the_host_was_down(tmp_path: Path) -> None:
    async def scenario() -> Runs:
        clock = FakeClock(START)
        async with running(hourly(), TimerMemory(tmp_path / "timers.json"), Runs(clock)):
            await pass_hours(clock, 1)
        clock.advance(timedelta(hours=5))
        runs = Runs(clock)
        async with running(hourly(), TimerMemory(tmp_path / "timers.json"), runs):
            await pass_hours(clock, 1)
        return runs

    runs = asyncio.run(scenario())

    assert runs.times == [START + timedelta(hours=6), START + timedelta(hours=6, minutes=30)]
    assert [trigger["IsPastDue"] for trigger in runs.triggers] == [True, False]


def test_a_run_that_the_end_of_the_host_cut_off_counts_as_missed(tmp_path: Path) -> None:
    async def scenario() -> Runs:
        clock = FakeClock(START)

        async def endless(_trigger: str) -> None:
            await asyncio.Event().wait()

        task = asyncio.create_task(run_timer(hourly(), TimerMemory(tmp_path / "timers.json"), endless, clock))
        await settle()
        await pass_hours(clock, 1)
        task.cancel()
        await settle()
        runs = Runs(clock)
        async with running(hourly(), TimerMemory(tmp_path / "timers.json"), runs):
            pass
        return runs

    assert [trigger["IsPastDue"] for trigger in asyncio.run(scenario()).triggers] == [True]


def test_nothing_is_missed_when_no_time_passed_while_the_host_was_down(tmp_path: Path) -> None:
    async def scenario() -> Runs:
        clock = FakeClock(START)
        async with running(hourly(), TimerMemory(tmp_path / "timers.json"), Runs(clock)):
            await pass_hours(clock, 1)
        runs = Runs(clock)
        async with running(hourly(), TimerMemory(tmp_path / "timers.json"), runs):
            pass
        return runs

    assert asyncio.run(scenario()).times == []


def test_does_not_make_up_for_what_is_not_monitored(tmp_path: Path) -> None:
    async def scenario() -> Runs:
        clock = FakeClock(START)
        timer = hourly(useMonitor=False)
        async with running(timer, TimerMemory(tmp_path / "timers.json"), Runs(clock)):
            await pass_hours(clock, 1)
        clock.advance(timedelta(hours=5))
        runs = Runs(clock)
        async with running(timer, TimerMemory(tmp_path / "timers.json"), runs):
            pass
        return runs

    assert asyncio.run(scenario()).times == []
    assert not (tmp_path / "timers.json").exists()


def test_runs_at_the_start_of_the_host_if_told_to(tmp_path: Path) -> None:
    async def scenario() -> Runs:
        runs = Runs(FakeClock(START))
        async with running(hourly(runOnStartup=True), TimerMemory(tmp_path / "timers.json"), runs):
            pass
        return runs

    runs = asyncio.run(scenario())

    assert runs.times == [START]
    assert runs.triggers[0]["IsPastDue"] is False


def test_leaves_out_the_times_that_pass_while_it_runs(tmp_path: Path) -> None:
    async def scenario() -> Runs:
        runs = Runs(FakeClock(START), takes=timedelta(minutes=90))
        async with running(hourly(), TimerMemory(tmp_path / "timers.json"), runs):
            await pass_hours(runs.clock, 3)
        return runs

    assert asyncio.run(scenario()).times[:2] == [START + timedelta(minutes=30), START + timedelta(minutes=150)]


def test_goes_on_after_a_run_that_failed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> int:
        clock = FakeClock(START)
        count = 0

        async def failing(_trigger: str) -> None:
            nonlocal count
            count += 1
            raise FunctionFailed("ValueError: no")

        task = asyncio.create_task(run_timer(hourly(), TimerMemory(tmp_path / "timers.json"), failing, clock))
        await settle()
        await pass_hours(clock, 2)
        task.cancel()
        return count

    assert asyncio.run(scenario()) == 2
    assert "ValueError: no" in caplog.text


def test_goes_on_when_a_run_cannot_be_noted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> Runs:
        folder = tmp_path / "home"
        folder.mkdir()
        runs = Runs(FakeClock(START))
        async with running(hourly(), TimerMemory(folder / "timers.json"), runs):
            shutil.rmtree(folder)
            await pass_hours(runs.clock, 2)
        return runs

    assert len(asyncio.run(scenario()).times) == 2
    assert "the run of timer tidy could not be noted" in caplog.text


def test_resolves_settings_in_the_schedule() -> None:
    timer = parse_timer(timer_function("%TIDY_AT%"), {"TIDY_AT": "0 0 6 * * *"}, START)

    assert timer.schedule.next_after(START) == datetime(2026, 11, 26, 6, tzinfo=UTC)


def test_names_the_setting_that_is_missing() -> None:
    with pytest.raises(ValueError, match="the setting TIDY_AT"):
        parse_timer(timer_function("%TIDY_AT%"), {}, START)


@pytest.mark.parametrize(
    ("schedule", "use_monitor", "expected"),
    [
        ("* * * * * *", None, False),
        ("0 * * * * *", None, True),
        ("* * * * * *", True, True),
        ("0 * * * * *", False, False),
    ],
)
def test_monitors(schedule: str, use_monitor: bool | None, expected: bool) -> None:
    assert parse_timer(timer_function(schedule, useMonitor=use_monitor), {}, START).is_monitored is expected
