"""What the task hub asks of whoever runs the user's functions, and how that may fail."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol


class FunctionFailed(Exception):
    """The function raised. The message is `{Type}: {text}` as the worker saw it.

    An orchestrator's text may carry the SDK's `$OutOfProcData$` label with the state it had reached.
    """


class WorkerLost(Exception):
    """The worker process died before it answered; the same invocation may be made again."""


class Invoker(Protocol):
    """Runs one function once. Each method raises FunctionFailed or WorkerLost instead of answering."""

    async def orchestrator(self, name: str, body: str) -> str:
        """Gives the SDK's state JSON for the trigger body (history and input, as JSON)."""
        ...

    async def activity(self, name: str, data: str, *, instance_id: str) -> str:
        """Gives the result as JSON text; `data` is the input as JSON text."""
        ...

    async def entity(self, name: str, body: str) -> str:
        """Gives the SDK's batch answer (state and results, as JSON) for a batch of operations."""
        ...


MOST_LOSSES = 10
"""So often may a worker die over one invocation; then the invocation fails, or it would take workers down for ever."""


async def pause_after_loss(losses: int) -> None:
    """Gives the worker time to come back: 0.1 s after the first loss, doubling up to 5 s."""
    await asyncio.sleep(min(0.1 * 2 ** (losses - 1), 5.0))


async def invoke_persistently(invoke: Callable[[], Awaitable[str]]) -> str:
    """Gives the answer, asking again when the worker dies; after MOST_LOSSES deaths raises FunctionFailed."""
    for losses in range(1, MOST_LOSSES + 1):
        try:
            return await invoke()
        except WorkerLost:
            await pause_after_loss(losses)
    raise FunctionFailed(lost_too_often())


def lost_too_often() -> str:
    return f"WorkerLost: the worker process died {MOST_LOSSES} times while it ran this; it is not tried again"
