"""Makes an empty database on a target server, ready to take a backup."""

import hashlib

from shared import claims, config, progress
from shared.durable import activity
from shared.engines.engine import Login
from shared.engines.registry import engine_for, restorer_for
from shared.errors import Conflict, TargetNotEmpty, UnknownDatabase, UnsupportedServer
from shared.logins import login_for
from shared.models.database import DatabaseType, TargetConfig
from shared.models.plan import Done, TargetRequest

CLAIM_SECONDS = 600
RESTORING = "restoring"
"""The phase of an operation from the moment that the backup is being loaded."""


@activity
def prepare_target(request: TargetRequest) -> Done:
    """Repeatable. Holds the database for the operation, until that ends or does nothing with it for ten minutes.

    Raises TargetNotEmpty when the database holds something and overwriting was not asked for, Conflict while another
    operation restores into it.
    """
    target = target_for(request.target_id, request.tenant_id, request.facts.database.type)
    try:
        claims.take(target_key(request.target_id, request.database), request.operation_id, CLAIM_SECONDS)
    except Conflict as held:
        raise Conflict(
            f"The database {request.database} on {target.host} is being restored by {held.backup_id}. "
            "Wait until that has ended."
        ) from held
    shown = progress.read(request.operation_id)
    if shown is not None and shown.phase == RESTORING:
        return Done()  # this is a second execution that comes late: what is in the database is the backup
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
    try:
        restorer.create_database(login, request.database, request.facts.probe.server)
    except Conflict:  # another execution of this step made it meanwhile, unless somebody else did
        if not restorer.is_empty(login, request.database):
            raise
    return Done()


def target_key(target_id: str, database: str) -> str:
    """The key of the claim on a database of a target. Its name may hold signs that no key may."""
    return f"restore-{target_id}-{hashlib.sha256(database.encode()).hexdigest()[:32]}"


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
