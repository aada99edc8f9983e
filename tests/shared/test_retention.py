"""Retention: what may go, what must stay."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.models.run import BlobAddress, RunRecord, RunStatus
from shared.retention import Action, decide
from tests.support.records import run_record

pytestmark = pytest.mark.unit

NOW = datetime(2026, 6, 1, tzinfo=UTC)
BLOB = BlobAddress(container="shop-backups", name="a.sql.gz")


def aged(days: float, status: RunStatus = RunStatus.COMPLETED, **fields: object) -> RunRecord:
    return run_record(NOW - timedelta(days=days), status, **fields)


def deleted(records: list[RunRecord], policy_days: int) -> list[RunRecord]:
    doomed = {decision.backup_id for decision in decide(records, policy_days, NOW) if decision.action is Action.DELETE}
    return [record for record in records if record.backup_id in doomed]


def test_what_is_older_than_the_policy_goes_and_what_is_younger_stays() -> None:
    old, young, newest = aged(31), aged(29), aged(0.1)

    assert deleted([young, old, newest], 30) == [old]


def test_br_68_the_newest_verified_backup_stays_when_backups_stop() -> None:
    backups = [aged(2), aged(3), aged(4)]

    assert backups[0] not in deleted(backups, 1)
    # Nor does a second clean-up, after the first, take it.
    assert deleted([backups[0]], 1) == []


def test_br_68_nothing_is_deleted_until_a_verified_backup_was_made_after_the_expiry() -> None:
    expired, newest = aged(40), aged(15)

    assert deleted([expired, newest], 30) == []
    assert deleted([expired, newest, aged(1)], 30) == [expired]


@pytest.mark.parametrize(
    "newer",
    [
        aged(1, RunStatus.FAILED),
        aged(1, RunStatus.FAILED, blob=BLOB),
        aged(1, RunStatus.PARTIAL, blob=BLOB),
        aged(1, RunStatus.COMPLETED, verified_at=None),
        aged(1, RunStatus.COMPLETED, deleted_at=NOW),
        aged(1, RunStatus.IN_PROGRESS, blob=BLOB),
    ],
    ids=["failed", "failed-with-blob", "partial", "unverified", "deleted", "running"],
)
def test_runs_that_prove_nothing_displace_nothing(newer: RunRecord) -> None:
    backups = [aged(50.5), aged(50), newer]

    assert deleted(backups, 1) == []


def test_expired_unverified_backups_go_once_verified_ones_follow() -> None:
    partial, unverified = aged(40, RunStatus.PARTIAL, blob=BLOB), aged(41, verified_at=None)

    assert deleted([partial, unverified, aged(1)], 30) == [partial, unverified]


def test_without_any_verified_backup_everything_stays() -> None:
    decisions = decide([aged(50, RunStatus.PARTIAL, blob=BLOB)], 30, NOW)

    assert [decision.reason for decision in decisions] == ["expired, but no verified backup exists"]


def test_each_backup_gets_its_reason_newest_first() -> None:
    records = [aged(65), aged(30.5), aged(29), aged(1)]

    decisions = decide(records, 30, NOW)

    assert [(decision.backup_id, decision.action, decision.reason) for decision in decisions] == [
        (records[3].backup_id, Action.KEEP, "the newest verified backup is never deleted"),
        (records[2].backup_id, Action.KEEP, "kept until 2026-06-02T00:00:00Z"),
        (records[1].backup_id, Action.KEEP, "expired, but no verified backup was made since"),
        (records[0].backup_id, Action.DELETE, "expired at 2026-04-27T00:00:00Z"),
    ]


def test_runs_without_a_blob_are_not_spoken_of() -> None:
    assert decide([aged(40, RunStatus.FAILED), aged(40, RunStatus.SKIPPED), aged(40, deleted_at=NOW)], 30, NOW) == []


statuses = st.sampled_from([RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.PARTIAL, RunStatus.IN_PROGRESS])


@given(st.lists(st.tuples(st.floats(0, 100), statuses, st.booleans()), max_size=20), st.integers(1, 60))
def test_whatever_the_history_the_newest_verified_backup_and_all_within_the_policy_stay(
    history: list[tuple[float, RunStatus, bool]], policy_days: int
) -> None:
    records = [
        aged(days, status, blob=BLOB, seed=str(number), **({} if proven else {"verified_at": None}))
        for number, (days, status, proven) in enumerate(history)
    ]

    gone = deleted(records, policy_days)

    verified = sorted((record for record in records if record.is_verified), key=lambda record: record.started_at)
    assert all(record.started_at < NOW - timedelta(days=policy_days) for record in gone)
    assert verified[-1:] == [record for record in verified[-1:] if record not in gone]
    assert all(record.status.is_final for record in gone)
    assert not gone or verified
    # What a clean-up leaves, a second one at the same time leaves too.
    assert deleted([record for record in records if record not in gone], policy_days) == []
