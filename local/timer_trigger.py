"""Runs the functions of timer triggers when their schedules say so, each at most once at a time."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

from local.functions import Function
from local.host_settings import resolve_settings
from local.ncrontab import Schedule, parse_schedule
from local.taskhub.clock import Clock
from local.taskhub.invocation import FunctionFailed, WorkerLost

# What Azure gives as the last run of a timer that never ran.
NEVER = datetime.min.replace(tzinfo=UTC)

# Timers that fire more often are not monitored unless `use_monitor` says so, as in Azure.
SHORTEST_MONITORED_GAP = timedelta(minutes=1)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timer:
    """A timer trigger: `is_monitored` means that a run missed while the host was down is made up for once."""

    function: str
    schedule: Schedule
    runs_on_startup: bool
    is_monitored: bool


@dataclass(frozen=True)
class TimerStatus:
    """When a timer last ran, and when this was noted; the two differ for one that never ran."""

    last: datetime
    updated: datetime


class TimerMemory:
    """The status of each monitored timer, kept in a JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[str, dict[str, str]] = json.loads(path.read_text()) if path.exists() else {}

    def recall(self, function: str) -> TimerStatus | None:
        """What was noted last, if anything."""
        if entry := self._entries.get(function):
            return TimerStatus(datetime.fromisoformat(entry["last"]), datetime.fromisoformat(entry["updated"]))
        return None

    def note(self, function: str, status: TimerStatus) -> None:
        """Keeps the status; on disk, whole, when it returns."""
        self._entries[function] = {"last": status.last.isoformat(), "updated": status.updated.isoformat()}
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(self._entries, indent=1))
        draft.replace(self._path)


def parse_timer(function: Function, environment: Mapping[str, str], now: datetime) -> Timer:
    """The timer of a function; `%NAME%` in its schedule is a setting. Raises ValueError for one that cannot run."""
    schedule = parse_schedule(resolve_settings(str(function.properties["schedule"]), environment))
    first = schedule.next_after(now)
    is_rare = schedule.next_after(first) - first >= SHORTEST_MONITORED_GAP
    use_monitor = function.properties.get("useMonitor")
    return Timer(
        function=function.name,
        schedule=schedule,
        runs_on_startup=bool(function.properties.get("runOnStartup")),
        is_monitored=is_rare if use_monitor is None else bool(use_monitor),
    )


async def run_timer(
    timer: Timer,
    memory: TimerMemory,
    call: Callable[[str], Awaitable[object]],
    clock: Clock,
) -> NoReturn:
    """Calls the function, with the trigger's JSON, whenever it is due; first of all if it missed its time.

    A run that is cut off by the end of the host counts as missed.
    """
    started = clock.now()
    status = (memory.recall(timer.function) if timer.is_monitored else None) or TimerStatus(NEVER, started)
    if timer.is_monitored:
        memory.note(timer.function, status)
    is_past_due = timer.schedule.next_after(status.updated) <= started
    due = started if is_past_due or timer.runs_on_startup else timer.schedule.next_after(started)
    while True:
        while clock.now() < due:
            await clock.wait(asyncio.Event(), due)
        try:
            await call(_trigger_json(timer.schedule, status, due, is_past_due))
        except (FunctionFailed, WorkerLost):  # nobody waits for a timer: the log is where its errors go
            logger.exception("timer %s failed", timer.function)
        status = TimerStatus(due, clock.now())
        if timer.is_monitored:
            try:
                memory.note(timer.function, status)
            except OSError:  # a full disk ends no timer
                logger.exception("the run of timer %s could not be noted", timer.function)
        is_past_due = False
        due = timer.schedule.next_after(status.updated)


def _trigger_json(schedule: Schedule, status: TimerStatus, due: datetime, is_past_due: bool) -> str:
    times = {
        "Last": status.last.isoformat(),
        "Next": schedule.next_after(due).isoformat(),
        "LastUpdated": status.updated.isoformat(),
    }
    return json.dumps({"Schedule": {"AdjustForDST": True}, "ScheduleStatus": times, "IsPastDue": is_past_due})
