"""Deletes what the policy no longer keeps, after a verified run; one blob that cannot be deleted keeps no other."""

import logging

from shared import history, operations
from shared.crash_points import crash_point
from shared.durable import activity
from shared.errors import BackupError
from shared.models.operation import TIME_LIMIT
from shared.models.plan import RetentionReport, RetentionRequest
from shared.models.run import BlobAddress
from shared.naming import manifest_address
from shared.retention import Action, decide
from shared.storage.blobs import delete_blob

log = logging.getLogger(__name__)

IN_USE = "a restore or verification is reading it"
"""Such a backup goes after the next run; nobody loses a target because its backup expired while it was loaded."""


@activity
def apply_retention(request: RetentionRequest) -> RetentionReport:
    """What was deleted, and what storage keeps although it expired. Repeatable at any point.

    Raises the first error after which another try may help, once all others were tried.
    """
    present = history.present(request.database_id, tenant=request.tenant_id, since=request.created_at)
    addresses = {run.backup_id: run.blob for run in present if run.blob is not None}
    in_use = operations.backups_in_use(request.database_id, request.tenant_id, request.now - 2 * TIME_LIMIT)
    deleted: list[str] = []
    kept: list[str] = []
    passing: BackupError | None = None
    for decision in decide(present, request.retention_days, request.now):
        if decision.action is not Action.DELETE:
            continue
        crash_point("in_retention")
        try:
            reason = IN_USE if decision.backup_id in in_use else delete_backup(addresses[decision.backup_id])
            if reason is None:
                history.mark_deleted(decision.backup_id, request.now)
        except BackupError as error:
            reason = error.message
            passing = passing or (error if error.retry else None)
        if reason is None:
            deleted.append(decision.backup_id)
        else:
            kept.append(decision.backup_id)
            log.warning("backup kept", extra={"backup_id": decision.backup_id, "reason": reason})
    log.info("retention applied", extra={"database_id": request.database_id, "deleted": len(deleted)})
    if passing is not None:
        raise passing
    return RetentionReport(deleted=tuple(deleted), kept_locked=tuple(kept))


def delete_backup(address: BlobAddress) -> str | None:
    """Deletes a backup's blob, then its manifest; None when both are gone, else why storage keeps one."""
    return delete_blob(address) or delete_blob(manifest_address(address))
