"""Loads a backup into a database of a target server (instance id = operation id)."""

from activities.compare_restored import compare_restored
from activities.describe_backup import describe_backup
from activities.load_backup import load_backup
from activities.prepare_target import prepare_target
from activities.record_operation import record_operation
from orchestrators.insist import insist
from orchestrators.run_checks import content_request, failure_among, run_checks
from shared.durable import Context, Steps, orchestrator
from shared.errors import BackupError, ErrorValue
from shared.models.operation import Comparison, OperationKind, OperationRecord, OperationStatus, RestoreRequest
from shared.models.plan import BackupFacts, BackupReference, CompareRequest, LoadRequest, OperationEnd, TargetRequest
from shared.models.run import Evidence


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
    evidence: list[Evidence] = []
    comparison: Comparison | None = None
    reference = BackupReference(backup_id=request.backup_id, tenant_id=request.tenant_id)
    facts = yield from insist(context, describe_backup, reference)
    if isinstance(facts, BackupError):
        error: ErrorValue | None = facts.value()
    else:
        # Before anything is dropped for it: a backup that is gone or damaged must not cost what the target holds.
        context.tell("verifying")
        evidence = yield from run_checks(context, content_request(facts, request))
        error = failure_among(evidence)
        if error is None:
            comparison, error = yield from restore(context, facts, request)
    ended = record.model_copy(
        update={
            "status": OperationStatus.FAILED if error else OperationStatus.COMPLETED,
            "ended_at": context.now,
            "error": error,
            "evidence": tuple(evidence),
            "comparison": comparison,
        }
    )
    yield from insist(context, record_operation, OperationEnd(record=ended))
    context.tell("done")
    return ended


def restore(
    context: Context, facts: BackupFacts, request: RestoreRequest
) -> Steps[tuple[Comparison | None, ErrorValue | None]]:
    """Prepares the target, loads the backup and compares; the comparison, or the first error.

    A difference from the source as it is now is told, not judged: the source may have moved on since the backup.
    """
    where = request.model_dump(include={"operation_id", "tenant_id", "target_id", "database"})
    context.tell("preparing the target")
    target = TargetRequest(**where, overwrite=request.overwrite, facts=facts)
    prepared = yield from insist(context, prepare_target, target)
    if isinstance(prepared, BackupError):
        return None, prepared.value()
    context.tell("restoring")
    deadline = request.deadline_at(context.now)
    loaded = yield from insist(context, load_backup, LoadRequest(**where, facts=facts, deadline_at=deadline))
    if isinstance(loaded, BackupError):
        return None, loaded.value()
    context.tell("comparing")
    comparing = CompareRequest(**where, facts=facts, source_may_be_gone=True)
    compared = yield from insist(context, compare_restored, comparing)
    if isinstance(compared, BackupError):
        return None, compared.value()
    return compared, None
