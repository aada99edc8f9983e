"""Begins a run: holds its claim, reads the configuration once, and writes the run's first row."""

from datetime import timedelta

from shared import claims, config, history
from shared.crash_points import crash_point
from shared.durable import activity
from shared.errors import Replaced
from shared.models.plan import BeginRequest
from shared.models.run import RetryPolicy, RunPlan, RunRecord, RunStatus
from shared.settings import settings

CLAIM_SECONDS = 600


@activity
def begin_run(begin: BeginRequest) -> RunPlan:
    """All that the run works with. Raises Conflict, Cancelled, or NotFound when the configuration is gone.

    Raises Replaced for a run that has its end already: whoever started it was told that it could not be started.
    """
    request = begin.request
    claims.take(request.database_id, request.backup_id, CLAIM_SECONDS)
    claims.keep(request.database_id, request.backup_id, seconds=CLAIM_SECONDS)
    crash_point("after_claim")
    known = history.get(request.backup_id, tenant=None)
    if known is not None and known.status.is_final:
        raise Replaced(f"{request.backup_id} was given up as {known.status} before it could begin.")
    database = config.databases.get(request.database_id, tenant=request.tenant_id)
    configuration = settings()
    plan = RunPlan(
        request=request,
        database=database,
        started_at=begin.now,
        deadline_at=begin.now + configuration.backup_timeout,
        retry=RetryPolicy(retries=configuration.backup_retries),
        compression_level=configuration.backup_compression_level if database.compress else 0,
        max_size_bytes=configuration.max_size_bytes,
    )
    history.record(
        RunRecord(
            backup_id=request.backup_id,
            database_id=database.id,
            tenant_id=database.tenant_id,
            database_name=database.name,
            database_type=database.type.value,
            trigger=request.trigger,
            requested_by=request.requested_by,
            status=RunStatus.IN_PROGRESS,
            due_at=request.due_at,
            started_at=begin.now,
            expires_at=begin.now + timedelta(days=database.retention_days),
        )
    )
    return plan
