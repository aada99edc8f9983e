"""Drops what a failed dump staged."""

from shared.durable import activity
from shared.models.plan import Done
from shared.models.run import DumpRequest
from shared.storage.staged_blob import discard_blocks


@activity
def discard_upload(request: DumpRequest) -> Done:
    """Repeatable; a blob that was committed is never touched."""
    discard_blocks(request.blob)
    return Done()
