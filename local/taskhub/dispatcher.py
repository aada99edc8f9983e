"""Decides what runs now: one turn at a time for each instance and entity, and so many activities at once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import TypeVar

from local.taskhub import messages
from local.taskhub.activity import Activities, scheduled
from local.taskhub.clock import Clock
from local.taskhub.database import Database
from local.taskhub.entity import Entities
from local.taskhub.entity_id import EntityId
from local.taskhub.orchestration import Orchestrations

_PAUSE_AFTER_ERROR_SECONDS = 1.0

Key = TypeVar("Key")

log = logging.getLogger(__name__)


class NotRunning(Exception):
    """The hub was not started, or was stopped."""


class Dispatcher:
    """Sleeps until something was committed, something has ended, or a timer is due; never polls."""

    def __init__(
        self,
        database: Database,
        orchestrations: Orchestrations,
        entities: Entities,
        activities: Activities,
        clock: Clock,
        *,
        max_turns: int,
        max_activities: int,
    ) -> None:
        self._database = database
        self._orchestrations = orchestrations
        self._entities = entities
        self._activities = activities
        self._clock = clock
        self._max_turns = max_turns
        self._max_activities = max_activities
        self._turns: dict[str, asyncio.Task[None]] = {}
        self._runs: dict[int, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._error: Exception | None = None
        self._loop = asyncio.create_task(self._run())

    def wake(self) -> None:
        """Has it look for work again."""
        self._wake.set()

    async def stop(self) -> None:
        """Begins nothing more and abandons what runs; what was not committed is done again at the next start."""
        tasks = [self._loop, *self._turns.values(), *self._runs.values()]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        self._idle.set()

    async def run_until_idle(self) -> None:
        """Returns when nothing runs and nothing is due; raises what a turn or a run raised meanwhile."""
        self.wake()
        while True:
            self._idle.clear()
            await self._idle.wait()
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if self._loop.done():
                raise NotRunning
            if self._database.is_idle:
                return
            # Somebody else's write is under way; its commit wakes the loop, which then says again that it is idle.

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                next_due = self._begin_what_is_ready()
            except Exception as error:  # a disk that fails now may work in a second; a dead loop would hang everything
                self._note(error)
                await asyncio.sleep(_PAUSE_AFTER_ERROR_SECONDS)
                continue
            if not self._turns and not self._runs:
                self._idle.set()
            await self._clock.wait(self._wake, next_due)

    def _begin_what_is_ready(self) -> datetime | None:
        """Gives the time of the first timer that is not due yet."""
        now = self._clock.now()
        with self._database.snapshot() as connection:
            room = self._max_turns - len(self._turns)
            targets = messages.ready_targets(connection, now, but_not=self._turns.keys(), limit=room)
            room = self._max_activities - len(self._runs)
            activities = scheduled(connection, but_not=self._runs.keys(), limit=room)
            next_due = messages.next_due(connection, now)
        for target in targets:
            turns = self._entities if EntityId.is_one(target) else self._orchestrations
            self._begin(self._turns, target, partial(turns.take_turn, target))
        for activity in activities:
            self._begin(self._runs, activity.id, partial(self._activities.run, activity))
        return next_due

    def _begin(self, running: dict[Key, asyncio.Task[None]], key: Key, work: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            try:
                await work()
            except Exception as error:  # one instance's trouble must not stop the others; it is tried again
                self._note(error)
                await asyncio.sleep(_PAUSE_AFTER_ERROR_SECONDS)
            finally:
                del running[key]
                self.wake()

        running[key] = asyncio.create_task(run())

    def _note(self, error: Exception) -> None:
        log.error("task hub work failed, is tried again", exc_info=error)
        self._error = error
        self._idle.set()
