"""DynamicScheduler: every 15 minutes, starts the plan of each database that has none, and ends runs nobody works on.

The plans do the scheduling themselves; this repairs drift, such as a start that failed when a database was created.
"""

import logging
from datetime import timedelta

from orchestrators.protect_database import protect_database
from shared import clock, config, history
from shared.durable_client import DurableClient, timer
from shared.errors import BackupError, Conflict, WorkerLost
from shared.models.database import DatabaseConfig
from shared.models.run import ProtectRequest, RunStatus

log = logging.getLogger(__name__)

RUNS_LOOKED_AT = 20
JUST_ASKED_FOR = timedelta(minutes=15)
"""A run so young may have its row before its plan."""


@timer("DynamicScheduler", "0 */15 * * * *")
def dynamic_scheduler(client: DurableClient) -> None:
    """Repairs each database by itself: a fault with one keeps no other waiting."""
    listing = config.databases.list_all(tenant=None)
    for broken in listing.broken:
        log.error("configuration cannot be read", extra={"database_id": broken.id, "reason": broken.reason})
    for database in listing.documents:
        try:
            start_missing_plan(client, database)
            end_lost_runs(client, database)
        except BackupError:
            log.exception("database not reconciled", extra={"database_id": database.id})


def start_missing_plan(client: DurableClient, database: DatabaseConfig) -> None:
    """Starts the eternal plan unless it is there."""
    request = ProtectRequest(database_id=database.id, tenant_id=database.tenant_id)
    try:
        client.start(protect_database, request, instance_id=f"protect-{database.id}")
        log.warning("missing plan started", extra={"database_id": database.id})
    except Conflict:
        return


def end_lost_runs(client: DurableClient, database: DatabaseConfig) -> None:
    """Ends the rows of runs whose plan is gone: terminated by hand, or purged."""
    for run in history.recent(database.id, RUNS_LOOKED_AT):
        is_young = clock.now() - run.started_at < JUST_ASKED_FOR
        if run.status.is_final or is_young or client.status(run.backup_id).running:
            continue
        lost = WorkerLost(f"The plan of {run.backup_id} is gone; it was ended from outside.")
        history.record(
            run.model_copy(update={"status": RunStatus.FAILED, "ended_at": clock.now(), "error": lost.value()})
        )
        log.error("lost run ended", extra={"database_id": database.id, "backup_id": run.backup_id})
