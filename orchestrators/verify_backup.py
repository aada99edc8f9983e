"""Proves an existing backup again (instance id = operation id), up to the rung that is asked for."""

from activities.describe_backup import describe_backup
from activities.record_operation import record_operation
from orchestrators.insist import insist
from orchestrators.prove_restore import prove_restore
from orchestrators.run_checks import content_request, failure_among, run_checks
from shared.durable import Context, Steps, orchestrator
from shared.errors import BackupError, ErrorValue, InvalidRequest
from shared.models.database import Rung
from shared.models.operation import Comparison, OperationKind, OperationRecord, OperationStatus, VerifyRequest
from shared.models.plan import BackupFacts, BackupReference, OperationEnd, ProofRequest
from shared.models.run import Evidence


@orchestrator
def verify_backup(context: Context, request: VerifyRequest) -> Steps[OperationRecord]:
    """The operation's record as it ended."""
    record = OperationRecord(
        **request.model_dump(include={"backup_id", "database_id", "tenant_id", "requested_by", "target_id"}),
        id=request.operation_id,
        kind=OperationKind.VERIFY,
        status=OperationStatus.IN_PROGRESS,
        started_at=context.now,
    )
    yield from insist(context, record_operation, OperationEnd(record=record))
    evidence: list[Evidence] = []
    comparison: Comparison | None = None
    reference = BackupReference(backup_id=request.backup_id, tenant_id=request.tenant_id)
    facts = yield from insist(context, describe_backup, reference)
    if isinstance(facts, BackupError):
        error: ErrorValue | None = facts.value()
    else:
        context.tell("verifying")
        evidence = yield from run_checks(context, content_request(facts, request))
        error = failure_among(evidence)
        if error is None and request.rung is Rung.RESTORED:
            comparison, error = yield from prove(context, facts, request)
    ended = record.model_copy(
        update={
            "status": OperationStatus.FAILED if error else OperationStatus.COMPLETED,
            "ended_at": context.now,
            "error": error,
            "evidence": tuple(evidence),
            "comparison": comparison,
        }
    )
    yield from insist(context, record_operation, OperationEnd(record=ended, rung=None if error else request.rung))
    context.tell("done")
    return ended


def prove(
    context: Context, facts: BackupFacts, request: VerifyRequest
) -> Steps[tuple[Comparison | None, ErrorValue | None]]:
    """The comparison of a restore into a scratch database, and the error if there is one."""
    if request.target_id is None:
        return None, InvalidRequest("The rung `restored` needs a target_id to restore into.").value()
    proof_request = ProofRequest(
        operation_id=request.operation_id,
        tenant_id=request.tenant_id,
        target_id=request.target_id,
        facts=facts,
        deadline_at=request.deadline_at(context.now),
    )
    try:
        proof = yield from prove_restore.call(context, proof_request, instance_id=f"{request.operation_id}-proof")
    except BackupError as broken:  # the proof's plan itself broke or was terminated
        return None, broken.value()
    return proof.comparison, proof.error
