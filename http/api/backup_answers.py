"""What the API tells about runs: the items of a history, and where one run stands."""

from datetime import datetime, timedelta
from typing import Self

from pydantic import BaseModel

from api.paging import page_count, page_number
from api.times import Moment
from shared import download
from shared.durable_client import PlanStatus
from shared.errors import ErrorValue, WorkerLost
from shared.history import RunPage
from shared.models.database import Rung
from shared.models.run import Evidence, Progress, RunRecord, RunStatus, Trigger

ENDED_WITHOUT_RECORD = {
    "Failed": RunStatus.FAILED,
    "Canceled": RunStatus.CANCELLED,
    "Terminated": RunStatus.CANCELLED,
}
"""How a run ended whose plan is over although its row says it goes on: nobody could record it."""
DONE = (RunStatus.COMPLETED, RunStatus.PARTIAL)


class ErrorAnswer(BaseModel):
    """Why something failed."""

    code: str
    message: str

    @classmethod
    def of(cls, error: ErrorValue | None) -> Self | None:
        """The answer to an error, if there is one."""
        return None if error is None else cls(code=error.code, message=error.message)


class VerificationAnswer(BaseModel):
    """What was proven, and by what."""

    rung: Rung | None
    verified_at: Moment | None
    evidence: tuple[Evidence, ...]


class BackupSummary(BaseModel):
    """One run in a history. Duration in seconds, sizes in bytes; `timestamp` is when it began."""

    id: str
    database_id: str
    database_name: str
    timestamp: Moment
    status: RunStatus
    trigger: Trigger
    duration: float | None
    size_bytes: int
    bytes_read: int
    blob_url: str | None
    rung: Rung | None
    verified_at: Moment | None
    expires_at: Moment | None
    deleted_at: Moment | None
    attempts: int
    error: ErrorAnswer | None

    @classmethod
    def of(cls, run: RunRecord) -> Self:
        """The summary of a run; the blob's URL carries no right to read it."""
        return cls(
            **run.model_dump(
                include={
                    "database_id",
                    "database_name",
                    "status",
                    "trigger",
                    "bytes_read",
                    "rung",
                    "verified_at",
                    "expires_at",
                    "deleted_at",
                    "attempts",
                }
            ),
            id=run.backup_id,
            timestamp=run.started_at,
            duration=(run.ended_at - run.started_at).total_seconds() if run.ended_at else None,
            size_bytes=run.bytes_stored,
            blob_url=download.blob_url(run.blob) if run.blob and not run.deleted_at else None,
            error=ErrorAnswer.of(run.error),
        )


class BackupList(BaseModel):
    """A page of runs, newest first."""

    backups: list[BackupSummary]
    total: int
    total_is_at_least: bool
    """True when there are more than were counted."""
    page: int
    pages: int

    @classmethod
    def of(cls, found: RunPage, *, limit: int, offset: int) -> Self:
        """The answer to a page of history."""
        return cls(
            backups=[BackupSummary.of(run) for run in found.runs],
            total=found.total,
            total_is_at_least=found.total_is_at_least,
            page=page_number(limit, offset),
            pages=page_count(limit, found.total),
        )


class BackupStatus(BaseModel):
    """Where one run stands. Progress in percent, sizes in bytes."""

    id: str
    database_id: str
    status: RunStatus
    phase: str
    progress: int
    started_at: Moment
    ended_at: Moment | None
    estimated_completion: Moment | None
    bytes_read: int
    bytes_stored: int
    bytes_per_second: int
    logs: tuple[str, ...]
    warnings: tuple[str, ...]
    verification: VerificationAnswer
    error: ErrorAnswer | None


def status_of(
    run: RunRecord, progress: Progress | None, plan: PlanStatus | None, median_seconds: float | None
) -> BackupStatus:
    """Merges a run's row, its progress row and its plan; without a plan the row alone says the status.

    Progress only grows: it is what the progress row says, which never goes back, and 100 only for a proven end.
    """
    status = merged_status(run, plan)
    lost = WorkerLost("The run ended without a record of why; what it left is cleaned up within minutes.")
    error = lost.value() if status is RunStatus.FAILED and not run.status.is_final else run.error
    percent = progress.percent if progress else 0
    return BackupStatus(
        id=run.backup_id,
        database_id=run.database_id,
        status=status,
        phase=_phase(status, progress, plan),
        progress=100 if status in DONE else min(percent, 99),
        started_at=run.started_at,
        ended_at=run.ended_at,
        estimated_completion=None if status.is_final else _estimate(run, progress, median_seconds),
        bytes_read=max(run.bytes_read, progress.bytes_read if progress else 0),
        bytes_stored=max(run.bytes_stored, progress.bytes_stored if progress else 0),
        bytes_per_second=progress.bytes_per_second if progress and not status.is_final else 0,
        logs=progress.logs if progress else (),
        warnings=run.warnings,
        verification=VerificationAnswer(rung=run.rung, verified_at=run.verified_at, evidence=run.evidence),
        error=ErrorAnswer.of(error),
    )


def merged_status(run: RunRecord, plan: PlanStatus | None) -> RunStatus:
    """The status of a run: a final one comes from its row alone, unless its plan is over without having written it."""
    if plan is None or run.status.is_final:
        return run.status
    return ENDED_WITHOUT_RECORD.get(plan.runtime_status, run.status)


def _phase(status: RunStatus, progress: Progress | None, plan: PlanStatus | None) -> str:
    if status.is_final:
        return status.value
    told = (progress.phase if progress else None) or (plan.phase if plan else None)
    return told or status.value


def _estimate(run: RunRecord, progress: Progress | None, median_seconds: float | None) -> datetime | None:
    if progress and progress.eta_at:
        return progress.eta_at
    return run.started_at + timedelta(seconds=median_seconds) if median_seconds is not None else None
