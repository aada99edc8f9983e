"""The checks that every verification makes of a blob, at the same time: its properties, and its whole content."""

from activities.check_blob import check_blob
from activities.check_content import check_content
from shared.durable import Context, Steps, together
from shared.errors import BackupError, ErrorValue
from shared.models.database import Rung
from shared.models.operation import RestoreRequest, VerifyRequest
from shared.models.plan import BackupFacts, ContentRequest
from shared.models.run import Evidence, RetryPolicy
from shared.retries import retry_delay

PATIENCE = RetryPolicy(retries=3, first_delay_seconds=5, longest_delay_seconds=60)
"""A check may be made again: reading is safe, and a whole dump must not be lost to a moment's throttling."""


def run_checks(context: Context, request: ContentRequest) -> Steps[list[Evidence]]:
    """What each check found; a check that storage kept from its work is made again, and counts as failed in the end."""
    failures = 0
    while True:
        found = yield from together(context, [(check_blob, request), (check_content, request)])
        lost = [result for result in found if isinstance(result, BackupError)]
        if not any(error.retry for error in lost) or failures == PATIENCE.retries:
            return [_evidence(result) for result in found]
        failures += 1
        yield from context.sleep(retry_delay(PATIENCE, failures, salt=f"{context.instance_id}/checks"))


def failure_among(evidence: list[Evidence]) -> ErrorValue | None:
    """The first failure of the checks, or None when all passed."""
    return next((found.error for found in evidence if found.error is not None), None)


def content_request(facts: BackupFacts, request: VerifyRequest | RestoreRequest) -> ContentRequest:
    """What the checks of an existing backup are asked."""
    return ContentRequest(
        backup_id=request.backup_id,
        database_id=request.database_id,
        database=facts.database,
        dump=facts.dump,
        probe=facts.probe,
        tool=facts.tool,
        deadline_at=request.deadline_at(facts.read_at),
        progress_id=request.operation_id,
        holds_claim=False,
    )


def _evidence(result: Evidence | BackupError) -> Evidence:
    if isinstance(result, Evidence):
        return result
    return Evidence(rung=Rung.STORED, check="read back", detail="The check could not be made.", error=result.value())
