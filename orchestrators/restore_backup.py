"""Loads a backup into a database of a target server (instance id = operation id)."""

from activities.compare_restored import compare_restored
from activities.describe_backup import describe_backup
from activities.load_backup import load_backup
from activities.prepare_target import prepare_target
from activities.record_operation import record_operation
from orchestrators.insist import insist
from shared.durable import Context, Steps, orchestrator
from shared.errors import BackupError, ErrorValue
from shared.models.operation import Comparison, OperationKind, OperationRecord, OperationStatus, RestoreRequest
from shared.models.plan import BackupReference, CompareRequest, LoadRequest, OperationEnd, TargetRequest


@orchestrator
def restore_backup(context: Context, request: RestoreRequest) -> Steps[OperationRecord]:
    """The operation's record as it ended."""
    record = OperationRecord(
        **request.model_dump(include={"backup_id", "database_id", "tenant_id", "requested_by", "target_id"}),
        id=request.operation_id,
        kind=OperationKind.RESTORE,
        status=OperationStatus.IN_PROGRESS,
        started_at=context.now,
        target_database=request.database,
    )
    yield from insist(context, record_operation, OperationEnd(record=record))
    comparison: Comparison | None = None
    error: ErrorValue | None = None
    try:
        comparison = yield from restore(context, request)
    except BackupError as failure:
        error = failure.value()
    ended = record.model_copy(
        update={
            "status": OperationStatus.FAILED if error else OperationStatus.COMPLETED,
            "ended_at": context.now,
            "error": error,
            "comparison": comparison,
        }
    )
    yield from insist(context, record_operation, OperationEnd(record=ended))
    context.tell("done")
    return ended


def restore(context: Context, request: RestoreRequest) -> Steps[Comparison]:
    """Prepares the target, loads the backup and compares; raises the first error.

    A difference from the source as it is now is told, not judged: the source may have moved on since the backup.
    """
    reference = BackupReference(backup_id=request.backup_id, tenant_id=request.tenant_id)
    facts = yield from insist(context, describe_backup, reference)
    if isinstance(facts, BackupError):
        raise facts
    where = request.model_dump(include={"operation_id", "tenant_id", "target_id", "database"})
    context.tell("preparing the target")
    yield from prepare_target.call(context, TargetRequest(**where, overwrite=request.overwrite, facts=facts))
    context.tell("restoring")
    deadline = request.deadline_at(context.now)
    yield from load_backup.call(context, LoadRequest(**where, facts=facts, deadline_at=deadline))
    context.tell("comparing")
    compared = yield from insist(context, compare_restored, CompareRequest(**where, facts=facts))
    if isinstance(compared, BackupError):
        raise compared
    return compared
