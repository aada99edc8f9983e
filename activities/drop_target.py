"""Drops a scratch database."""

from activities.prepare_target import target_for
from shared.durable import activity
from shared.engines.registry import restorer_for
from shared.logins import login_for
from shared.models.plan import Done, TargetRequest


@activity
def drop_target(request: TargetRequest) -> Done:
    """Repeatable; a database that is gone already is fine."""
    target = target_for(request.target_id, request.tenant_id, request.facts.database.type)
    restorer_for(target.type).drop_database(login_for(target.server), request.database)
    return Done()
