"""Drops a scratch database and frees its name."""

from activities.prepare_target import target_for, target_key
from shared import claims
from shared.durable import activity
from shared.engines.registry import restorer_for
from shared.logins import login_for
from shared.models.plan import Done, TargetRequest


@activity
def drop_target(request: TargetRequest) -> Done:
    """Repeatable; a database that is gone already is fine."""
    target = target_for(request.target_id, request.tenant_id, request.facts.database.type)
    restorer_for(target.type).drop_database(login_for(target.server), request.database)
    claims.release(target_key(request.target_id, request.database), request.operation_id)
    return Done()
