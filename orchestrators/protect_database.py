"""The eternal plan of one database (instance `protect-{database id}`): waits until a run is due, makes it, begins anew.

Everything it decides by is read from configuration and history in each generation, so nothing depends on an event:
`wake` only shortens the wait.
"""

from datetime import timedelta

from activities.claim_run import claim_run
from activities.load_plan import load_plan
from activities.record_run import record_run
from entities.backup_slots import INSTALLATION, SlotRelease, SlotRequest, acquire, release
from orchestrators.backup_database import backup_database, finish
from orchestrators.insist import insist
from shared.durable import Context, Steps, orchestrator
from shared.errors import BackupError, Conflict
from shared.models.plan import ClaimRequest, DueRun, PlanRequest, RunEnd
from shared.models.run import BackupRequest, ProtectRequest, RunStatus
from shared.naming import backup_id

WAKE = "wake"
RETRY_SECONDS = 60
"""How long to wait when no slot is free or configuration cannot be read at all."""
CLAIM_SECONDS = 600


@orchestrator
def protect_database(context: Context, request: ProtectRequest) -> Steps[None]:
    """One generation: look, wait or run, begin anew. It ends for good when the configuration is gone."""
    question = PlanRequest(**request.model_dump(), now=context.now)
    step = yield from load_plan.attempt(context, question)
    if isinstance(step, BackupError):
        context.tell("waiting for configuration")
        yield from context.sleep_until(context.now + timedelta(seconds=RETRY_SECONDS), wake_event=WAKE)
        context.continue_as_new(request)
        return
    if not step.exists:
        context.tell("ended")
        return
    handled_until = step.handled_until
    if step.due is None:
        context.tell("waiting")
        yield from context.sleep_until(step.check_at, wake_event=WAKE)
    elif (yield from make_run(context, request, step.due)):
        handled_until = step.due.due_at
    else:
        context.tell("waiting for a slot")
        yield from context.sleep_until(context.now + timedelta(seconds=RETRY_SECONDS), wake_event=WAKE)
    context.continue_as_new(request.model_copy(update={"handled_until": handled_until}))


def make_run(context: Context, request: ProtectRequest, due: DueRun) -> Steps[bool]:
    """Makes the due run, or skips it because another is running; False when it must be asked for again."""
    run = BackupRequest(
        backup_id=backup_id(context.now, context.six()),
        database_id=request.database_id,
        tenant_id=request.tenant_id,
        trigger=due.trigger,
        due_at=due.due_at,
    )
    slot = SlotRequest(
        owner=run.backup_id,
        now=context.now,
        expires_at=context.now + timedelta(seconds=due.slot_seconds),
        limit=due.slot_limit,
    )
    if not (yield from acquire.call(context, INSTALLATION, slot)):
        return False
    handled = yield from claim_and_run(context, run)
    yield from release.call(context, INSTALLATION, SlotRelease(owner=run.backup_id))
    return handled


def claim_and_run(context: Context, run: BackupRequest) -> Steps[bool]:
    """Runs under the database's claim; a run that another one stands in the way of is recorded as skipped."""
    claim = ClaimRequest(database_id=run.database_id, backup_id=run.backup_id, seconds=CLAIM_SECONDS)
    claimed = yield from claim_run.attempt(context, claim)
    if isinstance(claimed, Conflict):
        skipped = RunEnd(
            request=run,
            plan=None,
            status=RunStatus.SKIPPED,
            started_at=context.now,
            ended_at=context.now,
            error=claimed.value(),
        )
        yield from insist(context, record_run, skipped)
        return True
    if isinstance(claimed, BackupError):
        return False
    context.tell("running")
    try:
        yield from backup_database.call(context, run, instance_id=run.backup_id)
    except BackupError as error:  # the plan itself broke or was terminated: the run still gets its row and its notice
        broken = RunEnd(
            request=run,
            plan=None,
            status=RunStatus.FAILED,
            started_at=context.now,
            ended_at=context.now,
            error=error.value(),
        )
        yield from finish(context, broken)
    return True
