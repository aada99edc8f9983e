"""What every run did, newest first: the rows behind history, status, retention and health.

Three tables. `BackupHistory` holds a run's row under its database; its key follows from the backup id. `BackupIndex`
holds one entry for each run of all databases, by month; its status says what has been counted. `BackupCounters` holds
the totals by database, month and status.
"""

from shared.history.pages import RunPage, Selection, page
from shared.history.runs import (
    get,
    mark_deleted,
    median_seconds,
    present,
    recent,
    record,
    update,
    verified,
)

__all__ = [
    "RunPage",
    "Selection",
    "get",
    "mark_deleted",
    "median_seconds",
    "page",
    "present",
    "recent",
    "record",
    "update",
    "verified",
]
