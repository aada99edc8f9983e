"""Deletes what the policy no longer keeps, after a verified run; one blob that cannot be deleted keeps no other."""

import logging

from shared import history
from shared.crash_points import crash_point
from shared.durable import activity
from shared.models.plan import RetentionReport, RetentionRequest
from shared.models.run import RunRecord
from shared.naming import manifest_address
from shared.retention import Action, decide
from shared.storage.blobs import delete_blob

log = logging.getLogger(__name__)


@activity
def apply_retention(request: RetentionRequest) -> RetentionReport:
    """What was deleted, and what storage keeps although it expired. Repeatable at any point."""
    records = {record.backup_id: record for record in history.present(request.database_id)}
    deleted: list[str] = []
    locked: list[str] = []
    for decision in decide(records.values(), request.retention_days, request.now):
        if decision.action is not Action.DELETE:
            continue
        crash_point("in_retention")
        kept = delete_backup(records[decision.backup_id])
        if kept is None:
            history.mark_deleted(decision.backup_id, request.now)
            deleted.append(decision.backup_id)
        else:
            locked.append(decision.backup_id)
            log.warning("backup kept", extra={"backup_id": decision.backup_id, "reason": kept})
    log.info("retention applied", extra={"database_id": request.database_id, "deleted": len(deleted)})
    return RetentionReport(deleted=tuple(deleted), kept_locked=tuple(locked))


def delete_backup(record: RunRecord) -> str | None:
    """Deletes a backup's blob, then its manifest; None when both are gone, else why storage keeps one."""
    assert record.blob is not None, "a record that retention decides on has a blob"
    return delete_blob(record.blob) or delete_blob(manifest_address(record.blob))
