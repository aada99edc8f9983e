"""One run of a backup (instance id = backup id): begin, try until it is done or hopeless, record, clean up, tell."""

from datetime import datetime

from activities.apply_retention import apply_retention
from activities.begin_run import begin_run
from activities.notify import notify
from activities.record_run import record_run
from entities.backup_slots import INSTALLATION, SlotRelease, release
from entities.circuit_breaker import Question, Report, allow, report
from orchestrators.attempt_backup import attempt_backup, take_back
from orchestrators.await_slot import await_slot
from orchestrators.insist import insist
from shared.durable import Context, Steps, orchestrator
from shared.errors import BackupError, BreakerOpen, Cancelled, ErrorValue, Origin, Timeout
from shared.models.plan import BeginRequest, Notice, RetentionRequest, RunEnd
from shared.models.run import Attempt, AttemptRequest, BackupRequest, RunPlan, RunStatus, Trigger
from shared.retries import retry_delay


@orchestrator
def backup_database(context: Context, request: BackupRequest) -> Steps[RunEnd]:
    """One run from its claim to its notice; what it gives is its end, for whoever finds it not recorded."""
    started_at = context.now
    plan: RunPlan | None = None
    attempts, attempt = 0, Attempt()
    try:
        if request.trigger is Trigger.MANUAL:
            context.tell("queued")
            yield from await_slot.call(context, request, instance_id=f"{request.backup_id}-slot")
        context.tell("starting")
        plan = yield from begin(context, request)
        yield from ask_breaker(context, plan)
        attempts, attempt = yield from try_until_done(context, plan)
        error = attempt.error
    except BackupError as refused:
        error = refused.value()
    end = RunEnd(
        request=request,
        plan=plan,
        status=status_for(error),
        started_at=started_at,
        ended_at=context.now,
        attempts=attempts,
        attempt=attempt,
        error=error,
    )
    yield from finish(context, end)
    return end


def begin(context: Context, request: BackupRequest) -> Steps[RunPlan]:
    """Reads the configuration for this run and records its start."""
    plan = yield from insist(context, begin_run, BeginRequest(request=request, now=context.now))
    if isinstance(plan, BackupError):
        raise plan
    return plan


def ask_breaker(context: Context, plan: RunPlan) -> Steps[None]:
    """Raises BreakerOpen when the database failed too often lately."""
    permission = yield from allow.call(context, plan.database.id, Question(now=context.now))
    if not permission.allowed:
        raise BreakerOpen(
            f"{plan.database.id} failed too often; no run is made before {permission.retry_at}. "
            "Mend the cause; the breaker then lets a probe through by itself."
        )


def try_until_done(context: Context, plan: RunPlan) -> Steps[tuple[int, Attempt]]:
    """Attempts until one succeeds, fails for good, or the retries are used up; the number of attempts, and the last."""
    number = 1
    while True:
        request = AttemptRequest(run=plan, number=number)
        name = f"{plan.request.backup_id}-{number}"
        try:
            attempt = yield from attempt_backup.call(context, request, instance_id=name)
        except BackupError as broken:  # the attempt's plan itself broke or was terminated
            attempt = Attempt(error=(yield from take_back(context, request, broken.value())))
        if attempt.error is None or not attempt.error.retry or number > plan.retry.retries:
            return number, attempt
        context.tell("waiting to try again")
        yield from context.sleep(retry_delay(plan.retry, number, salt=plan.request.backup_id))
        if context.now >= plan.deadline_at:
            late = Timeout(f"The run passed its deadline {plan.deadline_at}; the last error: {attempt.error.message}")
            return number, attempt.model_copy(update={"error": late.value()})
        number += 1


def finish(context: Context, end: RunEnd) -> Steps[None]:
    """Records the end, frees claim and slot, tells the breaker, then retention and notice; each may run twice."""
    request = end.request
    context.tell("recording")
    yield from insist(context, record_run, end)
    yield from release.call(context, INSTALLATION, SlotRelease(owner=request.backup_id))
    if end.error is None or (end.error.origin is Origin.DATABASE and end.attempts):
        outcome = Report(backup_id=request.backup_id, now=context.now, succeeded=end.error is None)
        yield from report.call(context, request.database_id, outcome)
    if end.status is RunStatus.COMPLETED and end.plan is not None:
        context.tell("applying retention")
        yield from insist(context, apply_retention, retention_for(end.plan, context.now))
    context.tell("notifying")
    notice = Notice(
        backup_id=request.backup_id,
        database_id=request.database_id,
        tenant_id=request.tenant_id,
        status=end.status,
        error=end.error,
    )
    yield from insist(context, notify, notice)
    context.tell("done")


def retention_for(plan: RunPlan, now: datetime) -> RetentionRequest:
    """What retention is asked after a verified run."""
    return RetentionRequest(
        database_id=plan.database.id,
        tenant_id=plan.database.tenant_id,
        created_at=plan.database.created_at,
        retention_days=plan.database.retention_days,
        now=now,
    )


def status_for(error: ErrorValue | None) -> RunStatus:
    """The status of a run that ended with `error`."""
    if error is None:
        return RunStatus.COMPLETED
    return RunStatus.CANCELLED if error.code == Cancelled.code else RunStatus.FAILED
