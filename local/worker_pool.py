"""The workers of a host: how many, who gets the next invocation, and a new one for each that died."""

import asyncio
import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from local.frames import Frame
from local.functions import Function
from local.taskhub.invocation import FunctionFailed
from local.worker_process import WorkerProcess, WorkerSettings, WorkerStartError, start_worker

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PoolLimits:
    """How much may run: worker processes, activities at once in each, and how long one function may take."""

    workers: int
    activities_per_worker: int
    function_timeout: timedelta | None


class WorkerPool:
    """Workers that share the invocations of one app."""

    def __init__(self, settings: WorkerSettings, limits: PoolLimits, logs: Sequence[Callable[[bytes], None]]) -> None:
        self._settings = settings
        self._limits = limits
        self._logs = logs  # one per worker
        self._workers: list[WorkerProcess] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()

    async def start(self) -> tuple[Function, ...]:
        """Starts all workers; gives the functions of the app. Raises WorkerStartError, and leaves no worker then."""
        starts = (start_worker(self._settings, log) for log in self._logs[: self._limits.workers])
        results = await asyncio.gather(*starts, return_exceptions=True)
        self._workers = [result for result in results if isinstance(result, WorkerProcess)]
        for result in results:
            if isinstance(result, BaseException):
                await self.stop()
                raise result
        for number, worker in enumerate(self._workers):
            self._keepers.append(asyncio.create_task(self._keep(number, worker)))
        return self._workers[0].functions

    async def stop(self) -> None:
        """Ends all workers and what they started; invocations in hand get WorkerLost."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self._workers))

    async def invoke(
        self, function: str, inputs: dict[str, Any], body: bytes = b"", *, is_activity: bool = False
    ) -> Frame:
        """The answer of the least busy worker, waiting for one that may take it.

        Raises FunctionFailed (also when the function ran past its time: its worker is killed then, as in Azure) or
        WorkerLost.
        """
        while not (worker := self._least_busy(is_activity)):
            await self._changed.wait()
        head = {"function": function, "inputs": inputs, "invocation_id": str(uuid.uuid4())}
        limit = self._limits.function_timeout
        try:
            async with asyncio.timeout(limit.total_seconds() if limit else None):
                return await worker.invoke(head, body, is_activity=is_activity)
        except TimeoutError:
            worker.kill()
            await worker.ended()
            raise FunctionFailed(f"Timeout: function {function!r} ran past the functionTimeout of {limit}") from None
        finally:
            self._announce_change()

    async def any_worker(self) -> None:
        """Returns when there is a worker to answer."""
        while not self._least_busy(is_activity=False):
            await self._changed.wait()

    def _least_busy(self, is_activity: bool) -> WorkerProcess | None:
        most = self._limits.activities_per_worker
        listening = (worker for worker in self._workers if worker.listens)
        free = [worker for worker in listening if not is_activity or worker.running_activities < most]
        return min(free, key=lambda worker: worker.running, default=None)

    def _announce_change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _keep(self, number: int, worker: WorkerProcess) -> None:
        """Puts a new worker in the place of each that ended."""
        while True:
            await worker.ended()
            self._workers.remove(worker)
            logger.warning("worker %d (process %d) ended, another takes its place", number + 1, worker.pid)
            worker = await self._replacement(number)
            self._workers.append(worker)
            self._announce_change()

    async def _replacement(self, number: int) -> WorkerProcess:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return await start_worker(self._settings, self._logs[number])
            except (WorkerStartError, OSError) as error:  # OSError: the machine has no room for a process
                logger.error("worker %d did not start, next try in %.1f seconds: %s", number + 1, pause, error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
