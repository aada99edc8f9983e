"""Writes the row of a verification or restore, and what it found into the row of its backup."""

from activities.prepare_target import target_key
from shared import claims, history, operations
from shared.durable import activity
from shared.errors import BackupCorrupted, BlobMissing, ErrorValue
from shared.models.operation import OperationKind, OperationRecord, OperationStatus
from shared.models.plan import Done, OperationEnd
from shared.models.run import RunRecord
from shared.storage.blobs import set_verdict

BAD_BACKUP = (BackupCorrupted.code, BlobMissing.code)
"""Errors that speak of the backup itself, not of the server it was tried on."""


@activity
def record_operation(end: OperationEnd) -> Done:
    """Repeatable. A backup that no longer passes loses its proof, so that retention and health do not count on it."""
    operation = end.record
    operations.record(operation)
    if operation.status in operations.FINAL and operation.target_id and operation.target_database:
        claims.release(target_key(operation.target_id, operation.target_database), operation.id)
    if operation.error is not None and operation.error.code in BAD_BACKUP:
        _take_proof(operation, operation.error)
    elif operation.kind is OperationKind.VERIFY and operation.status is OperationStatus.COMPLETED:
        history.update(operation.backup_id, lambda run: _proven(run, end))
    return Done()


def _take_proof(operation: OperationRecord, error: ErrorValue) -> None:
    without = {"verified_at": None, "error": error, "evidence": operation.evidence}
    run = history.update(operation.backup_id, lambda stored: stored.model_copy(update=without))
    if run is not None and run.blob is not None and error.code != BlobMissing.code:
        set_verdict(run.blob, "failed")


def _proven(run: RunRecord, end: OperationEnd) -> RunRecord:
    operation = end.record
    rung = end.rung if run.rung is None or (end.rung and end.rung.height > run.rung.height) else run.rung
    return run.model_copy(
        update={"rung": rung, "verified_at": operation.ended_at, "evidence": operation.evidence or run.evidence}
    )
