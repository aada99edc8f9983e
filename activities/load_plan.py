"""Says what the eternal plan of a database should do next, by configuration and history as they are now."""

from datetime import datetime

from shared import config, history, schedule
from shared.durable import activity
from shared.errors import NotFound
from shared.models.database import DatabaseConfig
from shared.models.plan import DueRun, NextStep, PlanRequest
from shared.models.run import Trigger
from shared.settings import settings

RUNS_LOOKED_AT = 50
"""Where no generation told what was answered, the last due time is looked up among so many runs."""


@activity
def load_plan(request: PlanRequest) -> NextStep:
    """The next step. A disabled database answers no due time and misses none; downtime is answered by one run."""
    try:
        database = config.databases.get(request.database_id, tenant=request.tenant_id)
    except NotFound:
        return NextStep(exists=False, check_at=request.now, handled_until=request.now)
    configuration = settings()
    look_again = request.now + configuration.scheduler_interval
    if not database.enabled:
        return NextStep(exists=True, check_at=look_again, handled_until=request.now)
    handled_until = request.handled_until or last_due_time(database)
    missed = schedule.latest_missed(database, handled_until, request.now)
    due = None
    if missed is None:
        handled_until = request.now  # so that a later change of the schedule makes nothing due that lies before it
    else:
        late = request.now - missed.due_at > 2 * configuration.scheduler_interval
        trigger = Trigger.CATCH_UP if late or missed.count > 1 else Trigger.SCHEDULED
        due = DueRun(
            due_at=missed.due_at,
            trigger=trigger,
            slot_limit=config.backup_slots(),
            slot_seconds=int(configuration.backup_timeout.total_seconds()),
        )
    return NextStep(
        exists=True,
        due=due,
        check_at=min(schedule.next_due(database, request.now), look_again),
        handled_until=handled_until,
    )


def last_due_time(database: DatabaseConfig) -> datetime:
    """The latest due time that history shows as answered; the database's creation when there is none."""
    runs = history.recent(database.id, RUNS_LOOKED_AT, tenant=database.tenant_id, since=database.created_at)
    answered = [run.due_at for run in runs if run.due_at is not None]
    return max(answered, default=database.created_at)
