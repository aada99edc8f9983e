"""Takes back the blob of a failed attempt: deleted at once, or tagged, where it is locked, so that nobody uses it."""

import logging

from shared.durable import activity
from shared.errors import BlobMissing
from shared.models.plan import Done, RejectRequest
from shared.naming import manifest_address
from shared.storage.blobs import delete_blob, set_verdict

log = logging.getLogger(__name__)


@activity
def reject_backup(request: RejectRequest) -> Done:
    """Repeatable."""
    address = request.dump.blob
    kept = delete_blob(address)
    if kept is not None:
        log.warning("failed backup kept", extra={"backup_id": request.backup_id, "reason": kept})
        try:
            set_verdict(address, "failed")
        except BlobMissing:  # the lock ended and somebody else deleted it meanwhile
            log.info("failed backup is gone", extra={"backup_id": request.backup_id})
    delete_blob(manifest_address(address))
    return Done()
