"""The breaker's transitions as a table, and that a repeated report changes nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from entities.circuit_breaker import (
    OPEN_SECONDS,
    Breaker,
    BreakerState,
    Nothing,
    Question,
    Report,
    allow,
    report,
    reset,
)

pytestmark = pytest.mark.unit

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def after(breaker: Breaker, outcomes: str, *, start: int = 0) -> Breaker:
    """The breaker after runs that ended well (`+`) or badly (`-`), a minute apart."""
    for index, outcome in enumerate(outcomes, start=start):
        moment = NOON + timedelta(minutes=index)
        told = Report(backup_id=f"run-{index}", now=moment, succeeded=outcome == "+")
        breaker, counted = report.apply(breaker, told)
        assert counted
    return breaker


@pytest.mark.parametrize(
    ("outcomes", "state", "failures"),
    [
        ("", BreakerState.CLOSED, 0),
        ("----", BreakerState.CLOSED, 4),
        ("-----", BreakerState.OPEN, 5),
        ("----+", BreakerState.CLOSED, 0),
        ("----+----", BreakerState.CLOSED, 4),
        ("+++++", BreakerState.CLOSED, 0),
    ],
)
def test_five_failures_in_a_row_open_a_closed_breaker(outcomes: str, state: BreakerState, failures: int) -> None:
    breaker = after(Breaker(), outcomes)

    assert (breaker.state, breaker.failures) == (state, failures)


@pytest.mark.parametrize(("seconds", "allowed"), [(0, False), (OPEN_SECONDS - 1, False), (OPEN_SECONDS, True)])
def test_an_open_breaker_lets_a_probe_through_after_300_seconds(seconds: int, allowed: bool) -> None:
    opened = Breaker(state=BreakerState.OPEN, failures=5, opened_at=NOON)

    breaker, permission = allow.apply(opened, Question(now=NOON + timedelta(seconds=seconds)))

    assert permission.allowed is allowed
    assert breaker.state is (BreakerState.HALF_OPEN if allowed else BreakerState.OPEN)
    assert permission.retry_at == (None if allowed else NOON + timedelta(seconds=OPEN_SECONDS))


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ("+", BreakerState.HALF_OPEN),
        ("++", BreakerState.HALF_OPEN),
        ("+++", BreakerState.CLOSED),
        ("-", BreakerState.OPEN),
        ("++-", BreakerState.OPEN),
    ],
)
def test_a_half_open_breaker_closes_after_three_successes_and_opens_at_one_failure(
    outcomes: str, state: BreakerState
) -> None:
    half_open = Breaker(state=BreakerState.HALF_OPEN, failures=5, opened_at=NOON)

    assert after(half_open, outcomes).state is state


def test_a_breaker_that_opens_again_counts_its_300_seconds_from_then() -> None:
    half_open = Breaker(state=BreakerState.HALF_OPEN, failures=5, opened_at=NOON - timedelta(hours=1))

    assert after(half_open, "-").opened_at == NOON


def test_a_run_reported_twice_counts_once() -> None:
    breaker = after(Breaker(), "----")

    again, counted = report.apply(breaker, Report(backup_id="run-3", now=NOON, succeeded=False))

    assert not counted
    assert again == breaker


def test_reset_closes_an_open_breaker() -> None:
    breaker, _ = reset.apply(after(Breaker(), "-----"), Nothing())

    assert (breaker.state, breaker.failures) == (BreakerState.CLOSED, 0)


def test_the_remembered_runs_are_bounded() -> None:
    assert len(after(Breaker(), "+" * 50).counted) == 20
