"""Proving and restoring backups that are there, and how such an operation goes."""

from contextlib import suppress
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter

from api.auditing import Audit
from api.backup_answers import ErrorAnswer
from api.fields import BackupId, OperationId
from api.lookup import database_of, operation_of, run_of, target_of
from api.operation_bodies import OperationAnswer, RestoreBody, StartedOperation, VerifyBody
from orchestrators.restore_backup import restore_backup
from orchestrators.verify_backup import verify_backup
from shared import catalogue, clock, naming, operations, progress
from shared.durable import Orchestrator
from shared.durable_client import DurableClient
from shared.errors import BackupError, Conflict, FieldError, InvalidRequest, NotFound, WorkerLost
from shared.models.database import Rung, TargetConfig
from shared.models.operation import OperationKind, OperationRecord, OperationStatus, RestoreRequest, VerifyRequest
from shared.models.run import RunRecord, RunStatus
from shared.tokens import Caller
from shared.web import Admin, Durable, Operator, Reader

router = APIRouter(tags=["Operations"])

PLAN_IS_OVER = ("Completed", "Failed", "Canceled", "Terminated")
USABLE = (RunStatus.COMPLETED, RunStatus.PARTIAL)


@router.post(
    "/backups/{backup_id}/verify",
    name="VerifyBackup",
    summary="Prove a backup again",
    status_code=HTTPStatus.ACCEPTED,
)
def verify(
    caller: Operator, durable: Durable, trail: Audit, backup_id: BackupId, body: VerifyBody | None = None
) -> StartedOperation:
    """Reads the blob back; `restored` also loads it into a scratch database, compares, and drops that again."""
    wanted = body or VerifyBody()
    run = run_of(caller, backup_id)
    with trail.line(caller, "verification_requested", run.backup_id, wanted.rung):
        _check_usable(run)
        target_id = _scratch_target(caller, run, wanted.target_id) if wanted.rung is Rung.RESTORED else None
        operation = _operation(OperationKind.VERIFY, caller, run, target_id)
        request = VerifyRequest(**_shared_fields(operation), rung=wanted.rung, target_id=target_id)
        _start(durable, operation, verify_backup, request)
    return StartedOperation(operation_id=operation.id)


@router.post(
    "/backups/{backup_id}/restore",
    name="RestoreBackup",
    summary="Load a backup into a database of a target server",
    status_code=HTTPStatus.ACCEPTED,
)
def restore(caller: Admin, durable: Durable, trail: Audit, backup_id: BackupId, body: RestoreBody) -> StartedOperation:
    """A database that holds objects is only touched with `overwrite`, and only when `confirm_name` repeats its name."""
    run = run_of(caller, backup_id)
    wanted = body.target
    with trail.line(caller, "restore_requested", run.backup_id, f"into {wanted.database!r} on {wanted.target_id}"):
        _check_usable(run)
        if body.overwrite and body.confirm_name != wanted.database:
            raise _bad("confirm_name", "Must repeat the target database's name, because what it holds is dropped.")
        target = _fitting_target(caller, run, wanted.target_id, field="target.target_id")
        _check_name(target, wanted.database)
        operation = _operation(OperationKind.RESTORE, caller, run, target.id, wanted.database)
        request = RestoreRequest(
            **_shared_fields(operation), target_id=target.id, database=wanted.database, overwrite=body.overwrite
        )
        _start(durable, operation, restore_backup, request)
    return StartedOperation(operation_id=operation.id)


@router.get("/operations/{operation_id}", name="GetOperation", summary="How a verification or restore goes")
def get_operation(caller: Reader, durable: Durable, operation_id: OperationId) -> OperationAnswer:
    """The end comes with its evidence and the comparison, or with its error."""
    operation = _as_it_stands(caller, durable, operation_of(caller, operation_id))
    shown = progress.read(operation.id)
    is_over = operation.status in operations.FINAL
    percent = min(shown.percent, 99) if shown else 0
    return OperationAnswer(
        **operation.model_dump(include=set(OperationAnswer.model_fields) - {"error", "evidence", "comparison"}),
        evidence=operation.evidence,
        comparison=operation.comparison,
        error=ErrorAnswer.of(operation.error),
        phase=shown.phase if shown and not is_over else operation.status,
        progress=100 if operation.status is OperationStatus.COMPLETED else percent,
        bytes_read=shown.bytes_read if shown else 0,
        logs=shown.logs if shown else (),
    )


def _as_it_stands(caller: Caller, durable: DurableClient, operation: OperationRecord) -> OperationRecord:
    """The operation; failed when its plan is over although its row says it goes on: nobody will write that row."""
    if operation.status in operations.FINAL or durable.status(operation.id).runtime_status not in PLAN_IS_OVER:
        return operation
    again = operation_of(caller, operation.id)  # it may have ended between the two questions
    if again.status in operations.FINAL:
        return again
    lost = WorkerLost(
        f"{operation.id} ended without a record of why. Ask for it again; what it made on the target may be there."
    )
    return again.model_copy(update={"status": OperationStatus.FAILED, "error": lost.value()})


def _check_usable(run: RunRecord) -> None:
    if run.status not in USABLE or run.blob is None or run.deleted_at is not None:
        why = "its blob was deleted" if run.deleted_at else f"its status is {run.status}"
        raise Conflict(f"{run.backup_id} has no backup to work on: {why}.")


def _scratch_target(caller: Caller, run: RunRecord, target_id: str | None) -> str:
    chosen = target_id or _default_target(caller, run)
    if chosen is None:
        raise _bad("target_id", "The rung `restored` needs a target, and the database names none by default.")
    return _fitting_target(caller, run, chosen, field="target_id").id


def _default_target(caller: Caller, run: RunRecord) -> str | None:
    try:
        return database_of(caller, run.database_id).verification.target_id
    except NotFound:  # its backups outlive a database
        return None


def _fitting_target(caller: Caller, run: RunRecord, target_id: str, *, field: str) -> TargetConfig:
    """The target, which must speak the language of the backup."""
    try:
        target = target_of(caller, target_id)
    except NotFound as missing:
        raise _bad(field, missing.message) from missing
    source = catalogue.TYPES[catalogue.supported_type(run.database_type)]
    if catalogue.TYPES[target.type].family != source.family:
        raise _bad(field, f"A backup of {run.database_type} cannot be loaded into {target.type}.")
    return target


def _check_name(target: TargetConfig, name: str) -> None:
    try:
        catalogue.check_restore_name(target.type, name)
    except InvalidRequest as refusal:
        raise _bad("target.database", refusal.message) from refusal


def _bad(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {message}", errors=(FieldError(field=field, message=message),))


def _operation(
    kind: OperationKind, caller: Caller, run: RunRecord, target_id: str | None, database: str | None = None
) -> OperationRecord:
    now = clock.now()
    return OperationRecord(
        id=f"{kind}-{now:%Y%m%d-%H%M%S}-{naming.random_six()}",
        kind=kind,
        tenant_id=run.tenant_id,
        backup_id=run.backup_id,
        database_id=run.database_id,
        requested_by=caller.name,
        status=OperationStatus.QUEUED,
        started_at=now,
        target_id=target_id,
        target_database=database,
    )


def _shared_fields(operation: OperationRecord) -> dict[str, str]:
    fields: dict[str, str] = operation.model_dump(include={"backup_id", "database_id", "tenant_id", "requested_by"})
    return {"operation_id": operation.id, **fields}


def _start(durable: DurableClient, operation: OperationRecord, plan: Orchestrator[Any, Any], request: Any) -> None:
    """Starts the plan; when that fails, the operation's row says so."""
    operations.create(operation)
    try:
        with suppress(Conflict):  # the id is ours alone, so it can only be running because our own start got through
            durable.start(plan, request, instance_id=operation.id)
    except BackupError as failure:
        ended = {"status": OperationStatus.FAILED, "ended_at": clock.now(), "error": failure.value()}
        operations.record(operation.model_copy(update=ended))
        raise
