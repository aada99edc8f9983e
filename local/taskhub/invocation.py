"""What the task hub asks of whoever runs the user's functions, and how that may fail."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Patience:
    """How often one invocation is made again when its worker dies, and the pauses that let the worker come back.

    The pause doubles from the first to the longest. There must be an end: a function that kills its worker would
    otherwise take one worker after the other down, for ever.
    """

    most_losses: int = 10
    first_pause_seconds: float = 0.1
    longest_pause_seconds: float = 5.0

    async def pause(self, losses: int) -> None:
        """Waits before the next try; `losses` counts the workers that died over this invocation so far."""
        await asyncio.sleep(min(self.first_pause_seconds * 2 ** (losses - 1), self.longest_pause_seconds))

    async def until_answered(self, invoke: Callable[[], Awaitable[str]]) -> str:
        """Gives the answer, asking again when the worker dies; raises FunctionFailed when patience ends."""
        for losses in range(1, self.most_losses + 1):
            try:
                return await invoke()
            except WorkerLost:
                await self.pause(losses)
        raise self.end()

    def end(self) -> FunctionFailed:
        """Gives the error to raise when patience ends."""
        return FunctionFailed(f"WorkerLost: the worker process died {self.most_losses} times over this invocation")
