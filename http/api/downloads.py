"""Links by which an administrator fetches a backup from storage."""

from fastapi import APIRouter, Response
from pydantic import BaseModel

from api.auditing import Audit
from api.fields import BackupId
from api.lookup import run_of
from api.times import Moment
from shared import download
from shared.errors import Conflict
from shared.models.run import RunStatus
from shared.web import Admin

router = APIRouter(tags=["Backups"])


class DownloadLink(BaseModel):
    """A link that reads one blob for a short time. Size in bytes, the hash in hex."""

    url: str
    expires_at: Moment
    sha256: str
    size_bytes: int
    file_name: str


@router.get("/backups/{backup_id}/download", name="DownloadBackup", summary="A link to a backup")
def download_backup(caller: Admin, trail: Audit, response: Response, backup_id: BackupId) -> DownloadLink:
    """It works for 15 minutes at most; a caller may hold three at a time. Whoever has it can read the backup."""
    run = run_of(caller, backup_id)
    with trail.line(caller, "backup_downloaded", run.backup_id):
        if run.blob is None or run.deleted_at is not None or run.status not in (RunStatus.COMPLETED, RunStatus.PARTIAL):
            raise Conflict(f"{run.backup_id} has no backup to download.")
        link = download.download(run.backup_id, run.blob, caller.id)
    response.headers["Cache-Control"] = "no-store"
    return DownloadLink(
        url=link.url,
        expires_at=link.expires_at,
        sha256=run.sha256_stored,
        size_bytes=run.bytes_stored,
        file_name=link.file_name,
    )
