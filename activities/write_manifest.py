"""Signs a verified backup: its manifest beside the blob, and the verdict in the blob's tags."""

from shared import manifest
from shared.durable import activity
from shared.models.plan import Done, ManifestRequest
from shared.naming import manifest_address
from shared.storage.blobs import set_verdict, write_small_blob


@activity
def write_manifest(request: ManifestRequest) -> Done:
    """Repeatable: the manifest depends on the run alone. The last thing that a run writes to the backup's container."""
    written = manifest.build(request.run, request.attempt, request.number)
    set_verdict(written.dump.blob, "verified")
    address = manifest_address(written.dump.blob)
    write_small_blob(address, manifest.document(written), content_type="application/json")
    return Done()
