"""The watch over a stream: what it notices, what it forgives, and that it always ends."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import (
    BackupError,
    Cancelled,
    ConfigurationUnavailable,
    InternalError,
    Stalled,
    StorageUnavailable,
    Timeout,
)
from shared.watch import Pace, Watch

pytestmark = pytest.mark.unit

QUICK = Pace(look=0.005, progress=0.01, claim=0.01, stall=0.2)
FAR = datetime(2100, 1, 1, tzinfo=UTC)


def nothing() -> None:
    """Does nothing."""


def watched(
    *,
    moved: Callable[[], int] = time.monotonic_ns,
    show: Callable[[], None] = nothing,
    keep: Callable[[], None] | None = nothing,
    deadline_at: datetime = FAR,
    pace: Pace = QUICK,
    seconds: float = 0.5,
) -> BackupError | None:
    """What a watch finds wrong with a stream that waits for at most `seconds`; None when it is content."""
    stopped = threading.Event()
    with Watch(
        what="A test", moved=moved, stop=stopped.set, show=show, keep=keep, deadline_at=deadline_at, pace=pace
    ) as watch:
        stopped.wait(seconds)
        try:
            watch.check()
        except BackupError as error:
            assert stopped.is_set()
            return error
    return None


def raising(error: Exception) -> Callable[[], None]:
    def raise_it() -> None:
        raise error

    return raise_it


def test_a_stream_that_moves_is_left_alone() -> None:
    assert watched(seconds=0.3) is None


def test_a_stream_that_does_not_move_is_stopped() -> None:
    assert isinstance(watched(moved=lambda: 7), Stalled)


def test_a_passed_deadline_stops_the_stream() -> None:
    assert isinstance(watched(deadline_at=datetime.now(UTC) - timedelta(seconds=1)), Timeout)


def test_a_cancellation_is_learned_when_the_claim_is_renewed() -> None:
    assert isinstance(watched(keep=raising(Cancelled("stop"))), Cancelled)


def test_work_without_a_claim_renews_none() -> None:
    assert watched(keep=None, seconds=0.1) is None


def test_tables_that_are_silent_for_a_moment_stop_nothing() -> None:
    assert watched(keep=raising(ConfigurationUnavailable("away")), seconds=0.2) is None


def test_tables_that_are_silent_until_the_claim_may_be_lost_stop_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.watch.CLAIM_LASTS_SECONDS", 0.1)

    assert isinstance(watched(keep=raising(ConfigurationUnavailable("away"))), ConfigurationUnavailable)


def test_progress_that_cannot_be_shown_stops_nothing() -> None:
    assert watched(show=raising(StorageUnavailable("away")), seconds=0.1) is None


def test_a_fault_in_the_watch_itself_stops_the_stream() -> None:
    found = watched(show=raising(KeyError("a secret")))

    assert isinstance(found, InternalError)
    assert "secret" not in found.message


def test_the_watch_ends_with_its_stream() -> None:
    before = threading.active_count()

    watched(seconds=0.05)

    assert threading.active_count() == before
