"""The time a task hub lives in: the machine's, or one that a test moves."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Protocol

LONGEST_NAP_SECONDS = 30.0
"""A sleeping machine stops the loop's clock but not the wall's; looking again this often keeps timers on time."""


class Clock(Protocol):
    def now(self) -> datetime:
        """Gives aware UTC time."""
        ...

    async def wait(self, wake: asyncio.Event, until: datetime | None) -> None:
        """Returns when `wake` is set or `until` is reached (None: never); may return earlier, so look again."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def wait(self, wake: asyncio.Event, until: datetime | None) -> None:
        nap = LONGEST_NAP_SECONDS
        if until is not None:
            nap = min(nap, max(0.0, (until - self.now()).total_seconds()))
        try:
            async with asyncio.timeout(nap):
                await wake.wait()
        except TimeoutError:
            return


class FakeClock:
    """A clock that stands still until it is moved: a month of durable timers passes in seconds."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)
        self._waiting: set[asyncio.Event] = set()

    def now(self) -> datetime:
        return self._now

    def advance(self, duration: timedelta) -> None:
        self.move_to(self._now + duration)

    def move_to(self, moment: datetime) -> None:
        """Moves on to `moment`; a clock that is there already stays."""
        self._now = max(self._now, moment.astimezone(UTC))
        for wake in self._waiting:
            wake.set()

    async def wait(self, wake: asyncio.Event, until: datetime | None) -> None:
        if until is not None and until <= self._now:
            return
        self._waiting.add(wake)
        try:
            await wake.wait()
        finally:
            self._waiting.discard(wake)
