"""Writes how a run ended into history, then frees its claim, so that whoever reads the end may trigger the next run."""

from datetime import timedelta

from shared import claims, history, progress
from shared.durable import activity
from shared.models.plan import Done, RunEnd
from shared.models.run import Attempt, Progress, RunRecord, RunStatus


@activity
def record_run(end: RunEnd) -> Done:
    """Repeatable: the first final row stays, and the claim is freed only if this run holds it."""
    request = end.request
    history.record(record_of(end))
    claims.release(request.database_id, request.backup_id)
    if end.status is not RunStatus.SKIPPED:
        percent = 100 if end.status is RunStatus.COMPLETED else 0
        last = f"Ended: {end.error.message}" if end.error else "Backup completed and verified."
        shown = Progress(id=request.backup_id, phase="done", percent=percent, logs=(last,), updated_at=end.ended_at)
        progress.write(shown)
    return Done()


def record_of(end: RunEnd) -> RunRecord:
    """The row of a run as it ended. A blob stands in it only when it is there to be restored."""
    request, plan = end.request, end.plan
    attempt = end.attempt or Attempt()
    dump = attempt.dump
    good = end.status is RunStatus.COMPLETED
    record = RunRecord(
        backup_id=request.backup_id,
        database_id=request.database_id,
        tenant_id=request.tenant_id,
        trigger=request.trigger,
        requested_by=request.requested_by,
        status=end.status,
        due_at=request.due_at,
        started_at=end.started_at,
        ended_at=end.ended_at,
        attempts=end.attempts,
        evidence=attempt.evidence,
        error=end.error,
        verified_at=end.ended_at if good else None,
        rung=max((found.rung for found in attempt.evidence), key=lambda rung: rung.height, default=None)
        if good
        else None,
    )
    if plan is not None:
        record = record.model_copy(
            update={
                "database_name": plan.database.name,
                "database_type": plan.database.type.value,
                "expires_at": end.started_at + timedelta(days=plan.database.retention_days),
            }
        )
    if attempt.inspection is not None:
        probe = attempt.inspection.probe
        record = record.model_copy(update={"tables": len(probe.inventory.tables), "warnings": probe.warnings})
    if dump is not None:
        record = record.model_copy(
            update={
                "blob": dump.blob if good else None,
                **dump.model_dump(
                    include={"bytes_read", "bytes_stored", "sha256_source", "sha256_stored", "md5_stored"}
                ),
                "warnings": record.warnings + dump.warnings,
                "log_blob": dump.log_blob,
            }
        )
    return record
