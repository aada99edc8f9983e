"""How well a database is protected: one pure function."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile

from shared.models.database import DatabaseConfig
from shared.models.run import RunRecord, RunStatus
from shared.schedule import next_due

FAILURES_FOR_ERROR = 3
SHORTEST_GRACE = timedelta(hours=1)
LONGEST_GRACE = timedelta(hours=6)


class DatabaseHealth(StrEnum):
    """How well a database is protected."""

    DISABLED = "disabled"
    NEVER_BACKED_UP = "never_backed_up"
    ERROR = "error"
    WARNING = "warning"
    HEALTHY = "healthy"


def database_health(
    config: DatabaseConfig, recent: Sequence[RunRecord], last_verified: RunRecord | None, now: datetime
) -> DatabaseHealth:
    """Judges by proven backups alone: `recent` are the last runs, newest first (5 are enough).

    `error`: three failed runs in a row, or the run that was due after the last verified one is missing for longer than
    a grace of one interval (1 to 6 hours). A run in progress, cancelled or skipped changes nothing.
    """
    failures = _failures_in_a_row(recent)
    if not config.enabled:
        return DatabaseHealth.DISABLED
    if failures >= FAILURES_FOR_ERROR:
        return DatabaseHealth.ERROR
    if last_verified is None:
        return DatabaseHealth.NEVER_BACKED_UP
    if now > _stale_at(config, last_verified):
        return DatabaseHealth.ERROR
    return DatabaseHealth.WARNING if failures else DatabaseHealth.HEALTHY


def _failures_in_a_row(recent: Sequence[RunRecord]) -> int:
    telling = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.PARTIAL)
    ended = [record.status for record in recent if record.status in telling]
    return len(list(takewhile(lambda status: status is not RunStatus.COMPLETED, ended)))


def _stale_at(config: DatabaseConfig, last_verified: RunRecord) -> datetime:
    due = next_due(config, last_verified.started_at)
    interval = next_due(config, due) - due
    return due + min(max(interval, SHORTEST_GRACE), LONGEST_GRACE)
