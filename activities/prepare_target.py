"""Makes an empty database on a target server, ready to take a backup."""

from shared import config
from shared.durable import activity
from shared.engines.engine import Login
from shared.engines.registry import engine_for, restorer_for
from shared.errors import TargetNotEmpty, UnknownDatabase, UnsupportedServer
from shared.logins import login_for
from shared.models.database import DatabaseType, TargetConfig
from shared.models.plan import Done, TargetRequest


@activity
def prepare_target(request: TargetRequest) -> Done:
    """Repeatable. Raises TargetNotEmpty when the database holds something and overwriting was not asked for."""
    target = target_for(request.target_id, request.tenant_id, request.facts.database.type)
    login = login_for(target.server)
    restorer = restorer_for(target.type)
    if is_there(login, target.type, request.database):
        if restorer.is_empty(login, request.database):
            return Done()
        if not request.overwrite:
            raise TargetNotEmpty(
                f"The database {request.database} on {target.host} holds objects. Restore into an empty database, "
                "or ask to overwrite this one."
            )
        restorer.drop_database(login, request.database)
    restorer.create_database(login, request.database, request.facts.probe.server)
    return Done()


def target_for(target_id: str, tenant_id: str, source: DatabaseType) -> TargetConfig:
    """The target server. Raises NotFound, or UnsupportedServer when it cannot take a backup of `source`."""
    target = config.targets.get(target_id, tenant=tenant_id)
    if engine_for(target.type).family != engine_for(source).family:
        raise UnsupportedServer(f"A backup of {source} cannot be restored on {target_id}, which is {target.type}.")
    return target


def is_there(login: Login, kind: DatabaseType, database: str) -> bool:
    """Whether the server has the database."""
    try:
        restorer_for(kind).is_empty(login, database)
    except UnknownDatabase:
        return False
    return True
