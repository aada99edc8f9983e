"""Signs a verified backup: its manifest beside the blob, and the verdict in the blob's tags."""

from shared import claims, manifest
from shared.durable import activity
from shared.models.plan import Done, ManifestRequest
from shared.naming import manifest_address
from shared.storage.blobs import set_verdict, write_small_blob


@activity
def write_manifest(request: ManifestRequest) -> Done:
    """Repeatable: the manifest depends on the run alone. The last thing that a run writes to the backup's container.

    Raises Cancelled and Replaced: a run that was ended from outside has its failed row already and must leave no blob.
    """
    claims.keep(request.run.database.id, request.run.request.backup_id)
    written = manifest.build(request.run, request.attempt, request.number)
    set_verdict(written.dump.blob, "verified")
    address = manifest_address(written.dump.blob)
    write_small_blob(address, manifest.document(written), content_type="application/json")
    return Done()
