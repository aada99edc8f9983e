"""Notices of runs: one for each, none where nobody wants any, and at the level that its end deserves."""

import logging
from typing import Any

import pytest

from activities.notify import notify
from shared import clock, history, naming
from shared.errors import ErrorValue
from shared.models.plan import Notice
from shared.models.run import RunRecord, RunStatus, Trigger
from tests.support.cloud import forget_settings, fresh_id

TENANT = "tenant"
FAILURE = ErrorValue(code="stalled", message="No byte moved.", retry=True)


@pytest.fixture(autouse=True)
def everything_is_logged(cloud: object, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "activities.notify")


def notice(status: RunStatus, *, with_row: bool = True) -> Notice:
    """Of a run that ended so."""
    failed: dict[str, Any] = {"error": FAILURE} if status is RunStatus.FAILED else {}
    run = RunRecord(
        backup_id=naming.backup_id(clock.now(), naming.random_six()),
        database_id=fresh_id("told"),
        tenant_id=TENANT,
        trigger=Trigger.MANUAL,
        status=status,
        started_at=clock.now(),
        **failed,
    )
    if with_row:
        history.record(run)
    shared = {"backup_id", "database_id", "tenant_id", "status", "error"}
    return Notice.model_validate(run.model_dump(include=shared))


def told(caplog: pytest.LogCaptureFixture, told_of: Notice) -> list[logging.LogRecord]:
    return [line for line in caplog.records if getattr(line, "backup_id", None) == told_of.backup_id]


@pytest.mark.parametrize(
    ("status", "level"),
    [
        (RunStatus.COMPLETED, "INFO"),
        (RunStatus.SKIPPED, "INFO"),
        (RunStatus.CANCELLED, "WARNING"),
        (RunStatus.FAILED, "ERROR"),
        (RunStatus.PARTIAL, "ERROR"),
    ],
)
def test_a_run_is_told_once_at_its_level(caplog: pytest.LogCaptureFixture, status: RunStatus, level: str) -> None:
    ended = notice(status)

    notify.run(ended)
    notify.run(ended)

    [line] = told(caplog, ended)
    assert line.levelname == level
    assert line.message.startswith(f"backup {status}: {ended.backup_id}")
    run = history.get(ended.backup_id, tenant=None)
    assert run is not None
    assert run.notified_at is not None


def test_a_failure_is_told_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    failed = notice(RunStatus.FAILED)

    notify.run(failed)

    [line] = told(caplog, failed)
    assert line.message.endswith(": No byte moved.")
    assert line.__dict__["error_code"] == "stalled"


def test_a_run_without_a_row_is_told_too(caplog: pytest.LogCaptureFixture) -> None:
    without = notice(RunStatus.FAILED, with_row=False)

    notify.run(without)

    assert len(told(caplog, without)) == 1


def test_nothing_is_told_where_notices_are_off(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENABLE_NOTIFICATIONS", "false")
    forget_settings()
    failed = notice(RunStatus.FAILED)

    notify.run(failed)

    assert told(caplog, failed) == []
