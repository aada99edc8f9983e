"""Runs that tests of history make and record."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from shared import history
from shared.history import RunPage, Selection
from shared.models.run import RunRecord, RunStatus
from tests.support.cloud import fresh_id
from tests.support.records import run_record

START = datetime(2026, 1, 31, 22, tzinfo=UTC)
QUEUED, RUNNING, COMPLETED = RunStatus.QUEUED, RunStatus.IN_PROGRESS, RunStatus.COMPLETED
FAILED, CANCELLED = RunStatus.FAILED, RunStatus.CANCELLED


class Recorder:
    """Makes and records runs of a database and tenant of one test's own, an hour apart unless told."""

    def __init__(self) -> None:
        self.database = fresh_id()
        self.tenant = f"tenant of {self.database}"
        self._numbers = count()

    def make(self, status: RunStatus = COMPLETED, *, hours: float | None = None, **fields: Any) -> RunRecord:
        number = next(self._numbers)
        started_at = START + timedelta(hours=number if hours is None else hours)
        own = {"database_id": self.database, "tenant_id": self.tenant, "seed": f"{self.database} {number}"}
        return run_record(started_at, status, **(own | fields))

    def record(self, status: RunStatus = COMPLETED, *, hours: float | None = None, **fields: Any) -> RunRecord:
        run = self.make(status, hours=hours, **fields)
        history.record(run)
        return run

    def page(self, limit: int = 100, offset: int = 0, *, everything: bool = False, **selection: Any) -> RunPage:
        chosen = {} if everything else {"database_id": self.database}
        return history.page(Selection(tenant=self.tenant, **(chosen | selection)), limit=limit, offset=offset)


@pytest.fixture
def runs() -> Recorder:
    return Recorder()


def ids(found: RunPage | list[RunRecord]) -> list[str]:
    return [run.backup_id for run in (found.runs if isinstance(found, RunPage) else found)]
