"""Runs and the backups they left: histories, where one run stands, starting and cancelling one."""

from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from api.auditing import Audit
from api.backup_answers import BackupList, BackupStatus, status_of
from api.fields import BackupId, DatabaseId
from api.lookup import database_of, run_of
from api.paging import Limit, Offset
from api.times import Moment, Since, Until
from orchestrators.backup_database import backup_database
from shared import claims, clock, history, naming, progress
from shared.durable_client import DurableClient
from shared.errors import BackupError, Conflict
from shared.models.database import DatabaseConfig
from shared.models.run import BackupRequest, RunRecord, RunStatus, Trigger
from shared.problems import bad_field
from shared.web import Durable, Operator, Reader

router = APIRouter(tags=["Backups"])

CLAIM_SECONDS = 120
"""How long a claim lasts whose plan has not begun; the run then extends it."""


class HistoryFilter(BaseModel):
    """Which runs of one database are wanted."""

    model_config = ConfigDict(extra="forbid")

    status: RunStatus | None = None
    limit: Limit = 10
    offset: Offset = 0


class BackupFilter(BaseModel):
    """Which runs are wanted."""

    model_config = ConfigDict(extra="forbid")

    database_id: str | None = Field(None, max_length=50)
    since: Since | None = Field(None, alias="from")
    until: Until | None = Field(None, alias="to")
    status: RunStatus | None = None
    limit: Limit = 50
    offset: Offset = 0

    @field_validator("until")
    @classmethod
    def _after_its_beginning(cls, until: object, info: ValidationInfo) -> object:
        since = info.data.get("since")
        if since is not None and until is not None and until <= since:
            raise bad_field("`to` must be later than `from`.")
        return until


class StartedBackup(BaseModel):
    """A run that will begin as soon as there is a slot for it."""

    backup_id: str
    status: RunStatus
    estimated_completion: Moment | None


class CancelledBackup(BaseModel):
    """A run that was told to stop; it does so within half a minute."""

    backup_id: str
    status: str = "cancelling"


@router.get("/backups", name="ListBackups", summary="Runs of all databases, newest first")
def list_backups(caller: Reader, wanted: Annotated[BackupFilter, Query()]) -> BackupList:
    """Failed runs are included. Where no counter answers, `total` stops at 10,000 and `total_is_at_least` is true."""
    selection = history.Selection(
        tenant=caller.tenant_id,
        database_id=wanted.database_id,
        status=wanted.status,
        since=wanted.since,
        until=wanted.until,
    )
    found = history.page(selection, limit=wanted.limit, offset=wanted.offset)
    return BackupList.of(found, limit=wanted.limit, offset=wanted.offset)


@router.get("/databases/{database_id}/history", name="GetBackupHistory", summary="Runs of a database, newest first")
def get_backup_history(
    caller: Reader, database_id: DatabaseId, wanted: Annotated[HistoryFilter, Query()]
) -> BackupList:
    """Failed runs are included."""
    database = database_of(caller, database_id)
    selection = history.Selection(tenant=caller.tenant_id, database_id=database.id, status=wanted.status)
    found = history.page(selection, limit=wanted.limit, offset=wanted.offset)
    return BackupList.of(found, limit=wanted.limit, offset=wanted.offset)


@router.get("/backups/{backup_id}/status", name="GetBackupStatus", summary="Where a run stands")
def get_backup_status(caller: Reader, durable: Durable, backup_id: BackupId) -> BackupStatus:
    """Progress never goes back. The end of a run comes with its evidence, or with its error."""
    run = run_of(caller, backup_id)
    plan = None if run.status.is_final else durable.status(run.backup_id)
    if plan is not None and not plan.running:
        # The run may have ended between the two questions.
        run = run_of(caller, backup_id)
    median = None if run.status.is_final else history.median_seconds(run.database_id, tenant=run.tenant_id)
    return status_of(run, progress.read(run.backup_id), plan, median)


@router.post(
    "/databases/{database_id}/backup",
    name="TriggerManualBackup",
    summary="Back a database up now",
    status_code=HTTPStatus.ACCEPTED,
)
def trigger_manual_backup(caller: Operator, durable: Durable, trail: Audit, database_id: DatabaseId) -> StartedBackup:
    """One run at a time: 409 with the `backup_id` of the one that is running. Works for disabled databases too."""
    database = database_of(caller, database_id)
    now = clock.now()
    request = BackupRequest(
        backup_id=naming.backup_id(now, naming.random_six()),
        database_id=database.id,
        tenant_id=database.tenant_id,
        trigger=Trigger.MANUAL,
        requested_by=caller.name,
    )
    with trail.line(caller, "backup_triggered", database.id, request.backup_id):
        claims.take(database.id, request.backup_id, CLAIM_SECONDS)
        _start(durable, database, request)
    median = history.median_seconds(database.id, tenant=database.tenant_id)
    estimate = None if median is None else now + timedelta(seconds=median)
    return StartedBackup(backup_id=request.backup_id, status=RunStatus.QUEUED, estimated_completion=estimate)


@router.post(
    "/backups/{backup_id}/cancel",
    name="CancelBackup",
    summary="Stop a run",
    status_code=HTTPStatus.ACCEPTED,
)
def cancel_backup(caller: Operator, trail: Audit, backup_id: BackupId) -> CancelledBackup:
    """The run stops its tool, drops what it stored, and ends as `cancelled`. 409 when it has ended already."""
    run = run_of(caller, backup_id)
    with trail.line(caller, "backup_cancelled", run.backup_id):
        if run.status.is_final or not claims.cancel(run.database_id, run.backup_id):
            raise Conflict(f"{run.backup_id} is not running any more.")
    return CancelledBackup(backup_id=run.backup_id)


def _start(durable: DurableClient, database: DatabaseConfig, request: BackupRequest) -> None:
    """Starts the run whose claim is taken; when that fails, its row says why and the claim is free again."""
    queued = RunRecord(
        **request.model_dump(),
        database_name=database.name,
        database_type=database.type,
        status=RunStatus.QUEUED,
        started_at=clock.now(),
    )
    try:
        history.record(queued)
        with suppress(Conflict):  # the id is ours alone, so it can only be running because our own start got through
            durable.start(backup_database, request, instance_id=request.backup_id)
    except BackupError as failure:
        ended = {"status": RunStatus.FAILED, "ended_at": clock.now(), "error": failure.value()}
        try:
            history.record(queued.model_copy(update=ended))
        finally:
            claims.release(database.id, request.backup_id)
        raise
