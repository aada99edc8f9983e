"""Takes back whatever a failed attempt left in storage, so that nobody takes it for a backup."""

import logging

from activities.inspect_database import blob_of
from shared.durable import activity
from shared.errors import BlobMissing
from shared.models.plan import Done
from shared.models.run import AttemptRequest, BlobAddress
from shared.naming import manifest_address
from shared.storage.blobs import delete_blob, set_verdict, stored_blob
from shared.storage.staged_blob import DISCARDED, discard_blocks

log = logging.getLogger(__name__)


@activity
def reject_backup(request: AttemptRequest) -> Done:
    """Repeatable. The blob's name follows from the attempt, so this needs no answer of a step that may have been lost.

    A blob that storage keeps is tagged; one that is not of this run is left as it is.
    """
    address, backup_id = blob_of(request), request.run.request.backup_id
    there = _run_in(address)
    if there is None:
        discard_blocks(address)
    elif there == backup_id:
        _delete(address, backup_id)
    else:
        log.error("blob of somebody else left alone", extra={"backup_id": backup_id, "blob": address.path})
        return Done()
    delete_blob(manifest_address(address))
    return Done()


def _run_in(address: BlobAddress) -> str | None:
    """The run that the blob says it is of, empty when it says nothing; None when there is no blob, or only a mark."""
    try:
        metadata = stored_blob(address).metadata
    except BlobMissing:
        return None
    return None if DISCARDED in metadata else metadata.get("backup_id", "")


def _delete(address: BlobAddress, backup_id: str) -> None:
    """Deletes the blob, or tags it where it is locked."""
    kept = delete_blob(address)
    if kept is None:
        return
    log.warning("failed backup kept", extra={"backup_id": backup_id, "reason": kept})
    try:
        set_verdict(address, "failed")
    except BlobMissing:  # the lock ended and somebody else deleted it meanwhile
        log.info("failed backup is gone", extra={"backup_id": backup_id})
