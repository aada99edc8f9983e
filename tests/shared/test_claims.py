"""Claims on a real table service: one run for each database, whoever asks and whatever dies."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared import claims, clock, history
from shared.errors import Cancelled, ConfigurationUnavailable, Conflict, Replaced, WorkerLost
from shared.models.run import RunStatus
from shared.storage import tables
from tests.support.cloud import fresh_id
from tests.support.records import run_record

pytestmark = pytest.mark.usefixtures("cloud")

ROOT = Path(__file__).parents[2]
ONE = "backup-20260101-000000-aaaaaa"
OTHER = "backup-20260101-000000-bbbbbb"


class Clock:
    """A clock that a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)
        monkeypatch.setattr(clock, "now", lambda: self.time)

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def database() -> str:
    return fresh_id()


def test_a_free_database_is_taken(database: str, time: Clock) -> None:
    claim = claims.take(database, ONE, 120)

    assert claim == claims.Claim(
        database_id=database,
        backup_id=ONE,
        execution="",
        expires_at=time.time + timedelta(seconds=120),
        cancelled=False,
    )
    assert claims.holder(database) == claim


def test_a_held_database_is_refused_with_the_id_of_its_run(database: str) -> None:
    claims.take(database, ONE)

    with pytest.raises(Conflict) as refused:
        claims.take(database, OTHER)

    assert refused.value.backup_id == ONE
    held = claims.holder(database)
    assert held is not None
    assert held.backup_id == ONE


def test_the_same_run_may_take_again_and_keeps_what_it_has(database: str, time: Clock) -> None:
    claims.take(database, ONE, 600)
    claims.begin_execution(database, ONE, "nonce001", seconds=600)
    claims.cancel(database, ONE)
    time.advance(60)

    again = claims.take(database, ONE, 120)

    assert again.expires_at == datetime(2026, 1, 1, 0, 10, tzinfo=UTC)
    assert (again.execution, again.cancelled) == ("nonce001", True)


def test_an_expired_claim_is_taken_over(database: str, time: Clock) -> None:
    claims.take(database, ONE, 120)
    claims.begin_execution(database, ONE, "nonce001", seconds=120)
    time.advance(119.9)
    with pytest.raises(Conflict):
        claims.take(database, OTHER)
    time.advance(0.1)

    taken = claims.take(database, OTHER)

    assert (taken.backup_id, taken.execution, taken.cancelled) == (OTHER, "", False)
    with pytest.raises(Replaced, match=OTHER):
        claims.keep(database, ONE, "nonce001")


def test_the_claim_of_a_run_that_ended_is_free_though_nobody_released_it(database: str) -> None:
    run = run_record(datetime(2026, 1, 1, tzinfo=UTC), RunStatus.IN_PROGRESS, database_id=database, seed=database)
    history.record(run)
    claims.take(database, run.backup_id)
    with pytest.raises(Conflict):
        claims.take(database, OTHER)
    history.record(run.model_copy(update={"status": RunStatus.FAILED}))

    assert claims.take(database, OTHER).backup_id == OTHER


def test_keeping_extends_and_never_shortens(database: str, time: Clock) -> None:
    claims.take(database, ONE, 120)

    claims.keep(database, ONE, "", seconds=600)
    claims.keep(database, ONE, "", seconds=30)

    held = claims.holder(database)
    assert held is not None
    assert held.expires_at == time.time + timedelta(seconds=600)


def test_an_expired_claim_that_nobody_took_can_be_kept(database: str, time: Clock) -> None:
    claims.take(database, ONE, 120)
    time.advance(1000)

    claims.keep(database, ONE, "")

    with pytest.raises(Conflict):
        claims.take(database, OTHER)


def test_a_released_claim_cannot_be_kept(database: str) -> None:
    claims.take(database, ONE)
    claims.release(database, ONE)

    with pytest.raises(Replaced, match="was released"):
        claims.keep(database, ONE, "")
    assert claims.holder(database) is None


def test_a_later_execution_replaces_an_earlier_one(database: str) -> None:
    claims.take(database, ONE)
    claims.begin_execution(database, ONE, "nonce001")
    claims.keep(database, ONE, "nonce001")

    claims.begin_execution(database, ONE, "nonce002")

    claims.keep(database, ONE, "nonce002")
    with pytest.raises(WorkerLost, match="Another execution"):
        claims.keep(database, ONE, "nonce001")


def test_the_run_itself_keeps_whatever_its_execution(database: str) -> None:
    claims.take(database, ONE)
    claims.begin_execution(database, ONE, "nonce001")

    claims.keep(database, ONE, "")

    held = claims.holder(database)
    assert held is not None
    assert held.execution == "nonce001"


def test_an_execution_of_a_run_that_lost_its_claim_does_not_begin(database: str) -> None:
    claims.take(database, OTHER)

    with pytest.raises(Replaced):
        claims.begin_execution(database, ONE, "nonce001")
    held = claims.holder(database)
    assert held is not None
    assert held.execution == ""


def test_a_cancelled_run_learns_it_when_it_renews_its_claim(database: str) -> None:
    claims.take(database, ONE)
    claims.begin_execution(database, ONE, "nonce001")

    assert claims.cancel(database, ONE)

    with pytest.raises(Cancelled, match=ONE):
        claims.keep(database, ONE, "nonce001")
    with pytest.raises(Cancelled):
        claims.begin_execution(database, ONE, "nonce002")
    assert claims.cancel(database, ONE)


def test_an_execution_that_was_replaced_is_not_told_of_the_cancellation(database: str) -> None:
    claims.take(database, ONE)
    claims.begin_execution(database, ONE, "nonce002")
    claims.cancel(database, ONE)

    with pytest.raises(WorkerLost):
        claims.keep(database, ONE, "nonce001")


def test_a_run_without_a_claim_cannot_be_cancelled(database: str) -> None:
    assert not claims.cancel(database, ONE)
    claims.take(database, OTHER)

    assert not claims.cancel(database, ONE)
    claims.keep(database, OTHER, "")


def test_releasing_may_be_repeated_and_frees_only_ones_own(database: str) -> None:
    claims.take(database, ONE)
    claims.release(database, ONE)
    claims.release(database, ONE)
    claims.take(database, OTHER)

    claims.release(database, ONE)

    held = claims.holder(database)
    assert held is not None
    assert held.backup_id == OTHER


def test_databases_do_not_wait_for_each_other(database: str) -> None:
    claims.take(database, ONE)

    assert claims.take(fresh_id(), OTHER).backup_id == OTHER


def test_br_74_fifty_takers_in_two_processes_give_one_winner(database: str) -> None:
    command = [sys.executable, "-m", "tests.support.claim_takers", database]
    takers = [
        subprocess.Popen(
            [*command, str(first), "25"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for first in (0, 25)
    ]
    for taker in takers:
        assert taker.stdout is not None
        assert taker.stdout.readline() == "ready\n"
    for taker in takers:
        assert taker.stdin is not None
        taker.stdin.write("go\n")
        taker.stdin.flush()

    outcomes = [outcome for taker in takers for outcome in json.loads(taker.communicate(timeout=60)[0])]

    winners = {holder for _, holder in outcomes}
    assert len(outcomes) == 50
    assert len(winners) == 1
    assert [own for own, holder in outcomes if own == holder] == list(winners)


@pytest.mark.parametrize(
    "deed",
    [claims.take, claims.keep, claims.cancel, claims.release],
    ids=["take", "keep", "cancel", "release"],
)
def test_a_row_that_always_changes_is_not_waited_for_without_end(
    database: str, monkeypatch: pytest.MonkeyPatch, deed: Callable[[str, str], object]
) -> None:
    claims.take(database, ONE)
    read = tables.get

    def somebody_is_always_first(table: str, partition: str, key: str) -> tables.Row | None:
        row = read(table, partition, key)
        assert row is not None
        tables.put(table, row)
        return row

    monkeypatch.setattr(tables, "get", somebody_is_always_first)
    monkeypatch.setattr(claims, "TRIES", 3)

    with pytest.raises(ConfigurationUnavailable, match="written by too many at once"):
        deed(database, ONE)


def test_many_who_renew_cancel_and_release_at_once_leave_one_state(database: str) -> None:
    claims.take(database, ONE)

    def renew(number: int) -> str:
        try:
            claims.keep(database, ONE, "")
        except (Cancelled, Replaced) as ended:
            return ended.code
        return "kept"

    with ThreadPoolExecutor(16) as pool:
        renewals = [pool.submit(renew, number) for number in range(40)]
        cancellation = pool.submit(claims.cancel, database, ONE)
        assert cancellation.result()
        assert {renewal.result() for renewal in renewals} <= {"kept", "cancelled"}
        releases = [pool.submit(claims.release, database, ONE) for _ in range(5)]
        for release in releases:
            release.result()

    assert claims.holder(database) is None
