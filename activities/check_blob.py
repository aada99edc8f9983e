"""The rung `stored`, by what storage says of the blob: its size, its MD5 and whose it is."""

import time

from shared.durable import activity
from shared.errors import BackupCorrupted, BackupError, BlobMissing
from shared.models.database import Rung
from shared.models.plan import ContentRequest
from shared.models.run import Evidence
from shared.storage.account import fresh_client
from shared.storage.blobs import stored_blob, tags_of


@activity
def check_blob(request: ContentRequest) -> Evidence:
    """Asks through a client that did not write the blob. A bad blob is told in the evidence, not raised."""
    began = time.monotonic()
    dump = request.dump
    error: BackupError | None = None
    detail = ""
    try:
        with fresh_client() as service:
            found = stored_blob(dump.blob, service)
            tags = tags_of(dump.blob, service)
        wrong = [
            f"{name} {there!r} instead of {wanted!r}"
            for name, there, wanted in (
                ("size", found.size, dump.bytes_stored),
                ("MD5", found.md5, dump.md5_stored),
                ("backup", found.metadata.get("backup_id"), request.backup_id),
                ("tag of the backup", tags.get("backup_id"), request.backup_id),
                ("SHA-256", found.metadata.get("sha256_stored"), dump.sha256_stored),
            )
            if there != wanted
        ]
        if wrong:
            error = BackupCorrupted(f"The blob {dump.blob.path} is not what was streamed: {'; '.join(wrong)}.")
        detail = f"{found.size} bytes, MD5 {found.md5}"
    except BlobMissing as missing:
        error = missing
    return Evidence(
        rung=Rung.STORED,
        check="properties",
        detail=detail or "The blob is not there.",
        seconds=round(time.monotonic() - began, 3),
        error=error.value() if error else None,
    )
