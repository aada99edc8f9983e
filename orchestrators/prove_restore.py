"""The rung `restored`: loads a backup into a scratch database, compares it with its source, drops what it made."""

from activities.compare_restored import compare_restored
from activities.drop_target import drop_target
from activities.load_backup import load_backup
from activities.prepare_target import prepare_target
from orchestrators.insist import insist
from shared.durable import Context, Steps, orchestrator
from shared.errors import BackupError, Conflict, RestoreFailed, TargetNotEmpty
from shared.models.operation import Comparison
from shared.models.plan import CompareRequest, LoadRequest, Proof, ProofRequest, TargetRequest

SCRATCH_PREFIX = "dilux_verify_"


@orchestrator
def prove_restore(context: Context, request: ProofRequest) -> Steps[Proof]:
    """Gives the comparison, or the error that kept it from being made; a difference is an error too."""
    scratch = TargetRequest(
        operation_id=request.operation_id,
        tenant_id=request.tenant_id,
        target_id=request.target_id,
        database=f"{SCRATCH_PREFIX}{context.six()}",
        overwrite=False,
        facts=request.facts,
    )
    context.tell("restoring")
    result = yield from load_and_compare(context, scratch, request)
    if isinstance(result, TargetNotEmpty | Conflict):  # the database of this name is not ours to drop
        return Proof(error=result.value())
    context.tell("dropping the scratch database")
    dropped = yield from insist(context, drop_target, scratch)
    error = next((found for found in (result, dropped) if isinstance(found, BackupError)), None)
    if isinstance(result, BackupError):
        return Proof(error=error.value() if error else None)
    if error is None and not result.is_equal:
        error = RestoreFailed(f"The restored database differs from its source: {'; '.join(result.differences[:3])}")
    return Proof(comparison=result, error=error.value() if error else None)


def load_and_compare(context: Context, target: TargetRequest, request: ProofRequest) -> Steps[Comparison | BackupError]:
    """Prepares the target, loads the backup into it and compares; the first error ends it."""
    prepared = yield from insist(context, prepare_target, target)
    if isinstance(prepared, BackupError):
        return prepared
    where = target.model_dump(include={"operation_id", "tenant_id", "target_id", "database"})
    load = LoadRequest(**where, facts=request.facts, deadline_at=request.deadline_at)
    loaded = yield from insist(context, load_backup, load)
    if isinstance(loaded, BackupError):
        return loaded
    context.tell("comparing")
    return (yield from insist(context, compare_restored, CompareRequest(**where, facts=request.facts)))
