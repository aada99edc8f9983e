"""DynamicScheduler: every 15 minutes, starts the plan of each database that has none, and ends runs nobody works on.

The plans do the scheduling themselves; this repairs drift, such as a start that failed when a database was created.
"""

import logging
from contextlib import suppress
from datetime import timedelta

from orchestrators.backup_database import backup_database
from orchestrators.end_lost_run import end_lost_run
from orchestrators.protect_database import protect_database
from shared import clock, config, history
from shared.durable_client import DurableClient, PlanStatus, timer
from shared.errors import Conflict, WorkerLost
from shared.models.database import DatabaseConfig
from shared.models.plan import RunEnd
from shared.models.run import BackupRequest, ProtectRequest, RunRecord, RunStatus

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
        except Exception:  # also a fault of ours with one database must keep no other waiting
            log.exception("database not reconciled", extra={"database_id": database.id})


def start_missing_plan(client: DurableClient, database: DatabaseConfig) -> None:
    """Starts the eternal plan unless it is there."""
    request = ProtectRequest(database_id=database.id, tenant_id=database.tenant_id)
    with suppress(Conflict):
        client.start(protect_database, request, instance_id=f"protect-{database.id}")
        log.warning("missing plan started", extra={"database_id": database.id})


def end_lost_runs(client: DurableClient, database: DatabaseConfig) -> None:
    """Ends the runs whose plan is over without a record: terminated by hand, purged, or not heard by the tables."""
    for run in history.recent(database.id, RUNS_LOOKED_AT, tenant=None):
        is_young = clock.now() - run.started_at < JUST_ASKED_FOR
        if run.status.is_final or is_young:
            continue
        plan = client.status(run.backup_id)
        if plan.running:
            continue
        with suppress(Conflict):  # it is being ended
            end = end_told_by(plan) or lost(run)
            client.start(end_lost_run, end, instance_id=f"{run.backup_id}-lost")
            log.error("lost run ended", extra={"database_id": database.id, "backup_id": run.backup_id})


def end_told_by(plan: PlanStatus) -> RunEnd | None:
    """The end that a run's plan gave although it could not record it; None when it gave none."""
    if plan.runtime_status != "Completed":
        return None
    end = backup_database.result_of(plan.output)
    return end if isinstance(end, RunEnd) else None


def lost(run: RunRecord) -> RunEnd:
    """How a run without a plan has ended."""
    error = WorkerLost(f"The plan of {run.backup_id} is gone; it was ended from outside.")
    return RunEnd(
        request=BackupRequest(**run.model_dump(include=set(BackupRequest.model_fields))),
        plan=None,
        status=RunStatus.FAILED,
        started_at=run.started_at,
        ended_at=clock.now(),
        error=error.value(),
    )
