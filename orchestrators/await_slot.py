"""Waits, for at most ten minutes, until a manual run has a backup slot; its questions are its own short history."""

from datetime import timedelta

from activities.keep_claim import keep_claim
from entities.backup_slots import INSTALLATION, SlotRequest, acquire
from shared.durable import Context, Steps, orchestrator
from shared.errors import BackupError, NoSlot
from shared.models.plan import ClaimRequest, Done
from shared.models.run import BackupRequest

PAUSES_SECONDS = (5, 10, 20, 40, 60, 90, 120, 120, 120)
"""Ten questions in 585 seconds."""
CLAIM_SECONDS = 600


@orchestrator
def await_slot(context: Context, request: BackupRequest) -> Steps[Done]:
    """Returns with a slot held. Raises NoSlot when none became free, Cancelled when the run was cancelled meanwhile.

    A question that the tables did not answer is asked again with the next one.
    """
    claim = ClaimRequest(database_id=request.database_id, backup_id=request.backup_id, seconds=CLAIM_SECONDS)
    refusal: BackupError = NoSlot(
        f"No backup slot became free in {sum(PAUSES_SECONDS) // 60} minutes; try again when fewer runs work."
    )
    for pause in (*PAUSES_SECONDS, 0):
        kept = yield from keep_claim.attempt(context, claim)
        if not isinstance(kept, BackupError):
            slot = SlotRequest(
                owner=request.backup_id,
                now=context.now,
                expires_at=context.now + timedelta(seconds=kept.slot_seconds),
                limit=kept.slot_limit,
            )
            if (yield from acquire.call(context, INSTALLATION, slot)):
                return Done()
        elif not kept.retry:
            raise kept
        elif not pause:
            refusal = kept
        if pause:
            yield from context.sleep(pause)
    raise refusal
