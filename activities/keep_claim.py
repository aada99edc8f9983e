"""Prolongs the claim of a run that waits, and learns whether it is cancelled."""

from shared import claims, config
from shared.durable import activity
from shared.models.plan import ClaimRequest, Kept
from shared.settings import settings


@activity
def keep_claim(request: ClaimRequest) -> Kept:
    """What the installation allows. Raises Cancelled, or Conflict when another run took over."""
    claims.take(request.database_id, request.backup_id, request.seconds)
    claims.keep(request.database_id, request.backup_id, seconds=request.seconds)
    return Kept(slot_limit=config.backup_slots(), slot_seconds=int(settings().backup_timeout.total_seconds()))
