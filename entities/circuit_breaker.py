"""The circuit breaker of one database (key: database id): after five failed runs nobody knocks for five minutes.

Closed lets runs through; five failures in a row open it; 300 seconds later it is half open and lets probes through;
three successes then close it, one failure opens it again. One run counts once, after its retries.
"""

from datetime import timedelta
from enum import StrEnum

from pydantic import AwareDatetime

from shared.durable import Entity
from shared.models import Value

FAILURE_THRESHOLD = 5
SUCCESS_THRESHOLD = 3
OPEN_SECONDS = 300
REMEMBERED_RUNS = 20


class BreakerState(StrEnum):
    """The three states of a breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker(Value):
    """What the breaker remembers."""

    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    successes: int = 0
    opened_at: AwareDatetime | None = None
    last_failure_at: AwareDatetime | None = None
    counted: tuple[str, ...] = ()
    """The backup ids of the last runs counted, so that a repeated report changes nothing."""


class Question(Value):
    """May a run begin now?"""

    now: AwareDatetime


class Permission(Value):
    """The answer, and when to ask again if it is no."""

    allowed: bool
    retry_at: AwareDatetime | None = None


class Report(Value):
    """How a run ended, as far as the database is to blame."""

    backup_id: str
    now: AwareDatetime
    succeeded: bool


class Nothing(Value):
    """A request without content."""


circuit_breaker = Entity("circuit_breaker", Breaker())


@circuit_breaker.operation
def allow(breaker: Breaker, question: Question) -> tuple[Breaker, Permission]:
    """Lets a run through, or says when to ask again."""
    if breaker.state is not BreakerState.OPEN or breaker.opened_at is None:
        return breaker, Permission(allowed=True)
    probe_at = breaker.opened_at + timedelta(seconds=OPEN_SECONDS)
    if question.now < probe_at:
        return breaker, Permission(allowed=False, retry_at=probe_at)
    return breaker.model_copy(update={"state": BreakerState.HALF_OPEN, "successes": 0}), Permission(allowed=True)


@circuit_breaker.operation
def report(breaker: Breaker, outcome: Report) -> tuple[Breaker, bool]:
    """Counts a run; False when it was counted before."""
    if outcome.backup_id in breaker.counted:
        return breaker, False
    counted = (*breaker.counted, outcome.backup_id)[-REMEMBERED_RUNS:]
    after = _after_success(breaker) if outcome.succeeded else _after_failure(breaker, outcome)
    return after.model_copy(update={"counted": counted}), True


@circuit_breaker.operation
def reset(breaker: Breaker, request: Nothing) -> tuple[Breaker, bool]:
    """Closes the breaker by hand."""
    return Breaker(counted=breaker.counted), True


def _after_success(breaker: Breaker) -> Breaker:
    successes = breaker.successes + 1
    if breaker.state is BreakerState.HALF_OPEN and successes < SUCCESS_THRESHOLD:
        return breaker.model_copy(update={"successes": successes})
    return Breaker(last_failure_at=breaker.last_failure_at)


def _after_failure(breaker: Breaker, outcome: Report) -> Breaker:
    failures = breaker.failures + 1
    opens = breaker.state is BreakerState.HALF_OPEN or failures >= FAILURE_THRESHOLD
    return Breaker(
        state=BreakerState.OPEN if opens else breaker.state,
        failures=failures,
        opened_at=outcome.now if opens else breaker.opened_at,
        last_failure_at=outcome.now,
    )
