"""Ends a run whose own plan is gone: somebody terminated or purged it, so nobody else records it."""

from entities.backup_slots import INSTALLATION, SlotRelease, release
from orchestrators.backup_database import finish
from shared.durable import Context, Steps, orchestrator
from shared.models.plan import Done, RunEnd


@orchestrator
def end_lost_run(context: Context, request: RunEnd) -> Steps[Done]:
    """Writes the row, frees claim and slot, sends the notice. Repeatable."""
    yield from finish(context, request, None)
    # The plan that asked for a scheduled run's slot may be gone too.
    yield from release.call(context, INSTALLATION, SlotRelease(owner=request.request.backup_id))
    return Done()
