"""Steps that must be done in the end, such as recording: a plan may wait for them, but not give up early."""

from typing import TypeVar

from pydantic import BaseModel

from shared.durable import Activity, Context, Steps
from shared.errors import BackupError
from shared.models.run import RetryPolicy
from shared.retries import retry_delay

Request = TypeVar("Request", bound=BaseModel)
Result = TypeVar("Result")

PATIENCE = RetryPolicy(retries=3, first_delay_seconds=40, longest_delay_seconds=160)
"""About six minutes in all, with what a step itself waits. Few and long waits: each adds eight events to a history that
should stay below 150, and what lasts longer than a step's own patience is not over in two seconds."""


def insist(
    context: Context, step: Activity[Request, Result], request: Request, *, policy: RetryPolicy = PATIENCE
) -> Steps[Result | BackupError]:
    """Runs `step` again after transient errors; gives its result, or the error that was left at the end."""
    failures = 0
    while True:
        result = yield from step.attempt(context, request)
        if not isinstance(result, BackupError) or not result.retry or failures == policy.retries:
            return result
        failures += 1
        yield from context.sleep(retry_delay(policy, failures, salt=f"{context.instance_id}/{step.name}"))
