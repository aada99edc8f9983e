"""Ends a run that is not recorded although its own plan is over: somebody ended that one, or the tables were silent."""

from orchestrators.backup_database import finish
from shared.durable import Context, Steps, orchestrator
from shared.models.plan import Done, RunEnd


@orchestrator
def end_lost_run(context: Context, request: RunEnd) -> Steps[Done]:
    """Writes the row, frees claim and slot, sends the notice. Repeatable."""
    yield from finish(context, request)
    return Done()
