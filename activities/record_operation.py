"""Writes the row of a verification or restore, and what it found into the row of its backup."""

from shared import history, operations
from shared.durable import activity
from shared.errors import BackupCorrupted, BlobMissing
from shared.models.operation import OperationKind, OperationRecord, OperationStatus
from shared.models.plan import Done, OperationEnd
from shared.models.run import RunRecord
from shared.storage.blobs import set_verdict

BAD_BACKUP = (BackupCorrupted.code, BlobMissing.code)
"""Errors that speak of the backup itself, not of the server it was tried on."""


@activity
def record_operation(end: OperationEnd) -> Done:
    """Repeatable. A backup that no longer passes loses its proof, so that retention and health do not count on it."""
    operations.record(end.record)
    if end.record.kind is OperationKind.VERIFY and end.record.status in operations.FINAL:
        history.update(end.record.backup_id, lambda run: _with_verdict(run, end))
        if _speaks_of_the_backup(end.record):
            run = history.get(end.record.backup_id, tenant=end.record.tenant_id)
            if run and run.blob and end.record.error and end.record.error.code != BlobMissing.code:
                set_verdict(run.blob, "failed")
    return Done()


def _with_verdict(run: RunRecord, end: OperationEnd) -> RunRecord:
    operation = end.record
    if operation.status is OperationStatus.COMPLETED:
        rung = end.rung if run.rung is None or (end.rung and end.rung.height > run.rung.height) else run.rung
        return run.model_copy(
            update={"rung": rung, "verified_at": operation.ended_at, "evidence": operation.evidence or run.evidence}
        )
    if _speaks_of_the_backup(operation):
        return run.model_copy(update={"verified_at": None, "error": operation.error, "evidence": operation.evidence})
    return run


def _speaks_of_the_backup(operation: OperationRecord) -> bool:
    return operation.error is not None and operation.error.code in BAD_BACKUP
