"""Tells how a run ended: today by an event in the log, which Azure Monitor's alerts read.

A run is told once: the row remembers when.
"""

import logging

from shared import clock, history
from shared.crash_points import crash_point
from shared.durable import activity
from shared.models.plan import Done, Notice
from shared.models.run import RunStatus
from shared.settings import settings

log = logging.getLogger(__name__)

LEVELS = {RunStatus.COMPLETED: logging.INFO, RunStatus.CANCELLED: logging.WARNING, RunStatus.SKIPPED: logging.INFO}


@activity
def notify(notice: Notice) -> Done:
    """Writes the notice unless it was written before. Repeatable."""
    crash_point("in_notify")
    run = history.get(notice.backup_id, tenant=notice.tenant_id)
    if not settings().enable_notifications or (run is not None and run.notified_at is not None):
        return Done()
    log.log(
        LEVELS.get(notice.status, logging.ERROR),
        "backup %s: %s%s",
        notice.status.value,
        notice.backup_id,
        f": {notice.error.message}" if notice.error else "",
        extra={
            "backup_id": notice.backup_id,
            "database_id": notice.database_id,
            "status": notice.status.value,
            "error_code": notice.error.code if notice.error else "",
        },
    )
    history.update(notice.backup_id, lambda record: record.model_copy(update={"notified_at": clock.now()}))
    return Done()
