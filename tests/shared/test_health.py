"""Database health: judged by proven backups and by what is overdue."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.health import DatabaseHealth, database_health
from shared.models.run import RunRecord, RunStatus
from tests.support.records import database_config, run_record

pytestmark = pytest.mark.unit

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAILY = database_config(frequency="1d", created_at=datetime(2026, 1, 1, tzinfo=UTC))

completed, failed, partial = RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.PARTIAL
running, cancelled, skipped = RunStatus.IN_PROGRESS, RunStatus.CANCELLED, RunStatus.SKIPPED


def runs(*statuses: RunStatus) -> list[RunRecord]:
    """Newest first, five minutes apart; the newest began at 11:00."""
    began = NOW - timedelta(hours=1)
    return [run_record(began - number * timedelta(minutes=5), status) for number, status in enumerate(statuses)]


def health(recent: list[RunRecord]) -> DatabaseHealth:
    verified = [record for record in recent if record.is_verified]
    return database_health(DAILY, recent, verified[0] if verified else None, NOW)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((), DatabaseHealth.NEVER_BACKED_UP),
        ((running,), DatabaseHealth.NEVER_BACKED_UP),
        ((failed,), DatabaseHealth.NEVER_BACKED_UP),
        ((failed, failed, failed), DatabaseHealth.ERROR),
        ((completed,), DatabaseHealth.HEALTHY),
        ((completed, failed, failed, failed), DatabaseHealth.HEALTHY),
        ((failed, completed), DatabaseHealth.WARNING),
        ((partial, completed), DatabaseHealth.WARNING),
        ((failed, failed, completed), DatabaseHealth.WARNING),
        ((failed, failed, partial, completed), DatabaseHealth.ERROR),
        ((running, failed, skipped, failed, cancelled, failed, completed), DatabaseHealth.ERROR),
        ((running, completed), DatabaseHealth.HEALTHY),
        ((cancelled, skipped, completed), DatabaseHealth.HEALTHY),
    ],
)
def test_health_follows_from_the_last_runs(statuses: tuple[RunStatus, ...], expected: DatabaseHealth) -> None:
    assert health(runs(*statuses)) is expected


def test_a_disabled_database_is_disabled_whatever_happened() -> None:
    config = DAILY.model_copy(update={"enabled": False})

    assert database_health(config, runs(failed, failed, failed), None, NOW) is DatabaseHealth.DISABLED


@pytest.mark.parametrize(
    ("frequency", "grace"),
    [("15m", timedelta(hours=1)), ("3h", timedelta(hours=3)), ("1d", timedelta(hours=6)), ("1w", timedelta(hours=6))],
)
def test_br_77_a_database_without_a_new_backup_in_time_is_in_error_though_nothing_failed(
    frequency: str, grace: timedelta
) -> None:
    created = datetime(2026, 1, 1, tzinfo=UTC)
    config = database_config(frequency=frequency, created_at=created)
    last = run_record(created + timedelta(days=70))
    due = last.started_at + {"15m": timedelta(minutes=15), "3h": timedelta(hours=3)}.get(
        frequency, timedelta(days=1 if frequency == "1d" else 7)
    )

    def at(moment: datetime) -> DatabaseHealth:
        return database_health(config, [last], last, moment)

    assert at(due + grace) is DatabaseHealth.HEALTHY
    assert at(due + grace + timedelta(seconds=1)) is DatabaseHealth.ERROR


def test_br_79_a_hung_run_does_not_hide_that_backups_are_missing() -> None:
    last = run_record(NOW - timedelta(days=3))
    hung = run_record(NOW - timedelta(days=2), running)

    assert database_health(DAILY, [hung, last], last, NOW) is DatabaseHealth.ERROR
