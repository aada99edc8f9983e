"""Commits the staged blocks of a dump: the blob appears whole, or not at all."""

from shared import claims
from shared.crash_points import crash_point
from shared.durable import activity
from shared.models.plan import Done
from shared.models.run import UploadRequest
from shared.storage.staged_blob import commit_blocks


@activity
def upload_backup(request: UploadRequest) -> Done:
    """Repeatable. Raises BlobExists when the name belongs to something else."""
    claims.keep(request.database_id, request.backup_id)
    dump = request.dump
    commit_blocks(
        dump,
        backup_id=request.backup_id,
        metadata={
            "database_id": request.database_id,
            "tenant_id": request.tenant_id,
            "sha256_source": dump.sha256_source,
            "bytes_read": str(dump.bytes_read),
            "tool": f"{request.tool.vendor} {request.tool.version}",
            "server": f"{request.server.vendor} {request.server.version}",
        },
        tags={"database_id": request.database_id, "backup_id": request.backup_id, "verdict": "unverified"},
    )
    crash_point("after_commit")
    return Done()
