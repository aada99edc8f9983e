"""Links to backups: how many a caller may hold at a time, and how a blob is named to people.

Each unexpired link takes one of three rows of table `DownloadLinks` (PK caller's object id, RK backup id and number),
by conditional writes, so that the limit holds also where requests come at the same moment.
"""

from datetime import datetime, timedelta

from shared import clock
from shared.errors import TooManyRequests
from shared.models import Value
from shared.models.run import BlobAddress
from shared.storage import tables
from shared.storage.account import blob_client
from shared.storage.download_link import LONGEST, download_link

TABLE = "DownloadLinks"
LINKS_AT_A_TIME = 3


class Download(Value):
    """A link that reads one backup until it expires."""

    url: str
    expires_at: datetime
    file_name: str


def download(backup_id: str, blob: BlobAddress, caller_id: str, *, expires_in: timedelta = LONGEST) -> Download:
    """A fresh link; raises TooManyRequests while the caller holds three of this backup, and storage's own errors."""
    expires_at = clock.now() + expires_in
    key = _take_row(backup_id, caller_id, expires_at)
    file_name = blob.name.rpartition("/")[2]
    try:
        url = download_link(blob, file_name=file_name, expires_in=expires_in)
    except Exception:  # whatever it was, there is no link, so it must not count
        tables.remove(TABLE, caller_id, key)
        raise
    return Download(url=url, expires_at=expires_at, file_name=file_name)


def blob_url(blob: BlobAddress) -> str:
    """Where the blob lies, without any right to read it."""
    return str(blob_client(blob).url).partition("?")[0]


def _take_row(backup_id: str, caller_id: str, expires_at: datetime) -> str:
    """The key of a row that was free or expired and is now ours."""
    expiries = []
    for number in range(LINKS_AT_A_TIME):
        row = tables.Row(caller_id, f"{backup_id}-{number}", {"ExpiresAt": expires_at})
        held = tables.get(TABLE, row.partition, row.key)
        if held is None:
            if tables.insert(TABLE, row):
                return row.key
        elif held.moment("ExpiresAt") > clock.now():
            expiries.append(held.moment("ExpiresAt"))
        elif tables.replace(TABLE, row, held.etag):
            return row.key
    wait = min(expiries, default=clock.now() + timedelta(seconds=1)) - clock.now()
    raise TooManyRequests(
        f"You hold {LINKS_AT_A_TIME} links to {backup_id} that still work; use one of them, or wait until one expires.",
        retry_after_seconds=max(1, int(wait.total_seconds()) + 1),
    )
