"""What the task hub asks of whoever runs the user's functions, and how that may fail."""

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
