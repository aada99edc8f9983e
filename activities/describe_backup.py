"""Reads all that a verification or restore of an existing backup needs: its row, and its manifest from storage."""

from shared import clock, history, manifest
from shared.durable import activity
from shared.errors import BlobMissing, NotFound
from shared.models.plan import BackupFacts, BackupReference


@activity
def describe_backup(reference: BackupReference) -> BackupFacts:
    """Raises NotFound for an unknown backup, BlobMissing for one that was deleted or never published."""
    record = history.get(reference.backup_id, tenant=reference.tenant_id)
    if record is None:
        raise NotFound(f"There is no backup {reference.backup_id}.")
    if record.blob is None or record.deleted_at is not None:
        raise BlobMissing(f"The backup {reference.backup_id} has no blob any more; nothing can be restored from it.")
    written = manifest.read_manifest(record.blob)
    return BackupFacts(
        record=record,
        database=written.database,
        dump=written.dump,
        probe=written.probe,
        tool=written.tool,
        read_at=clock.now(),
    )
