"""Takes the claim of a database for one run: of any number that ask at the same time, one gets it."""

from shared import claims
from shared.durable import activity
from shared.models.plan import ClaimRequest, Done


@activity
def claim_run(request: ClaimRequest) -> Done:
    """Repeatable by the run that holds the claim. Raises Conflict when another run holds it."""
    claims.take(request.database_id, request.backup_id, request.seconds)
    return Done()
