"""What an id in a request stands for in the caller's tenant; NotFound for anything else, whatever its form."""

from shared import config, history, operations
from shared.errors import NotFound
from shared.models.database import DatabaseConfig, TargetConfig
from shared.models.operation import OperationRecord
from shared.models.run import RunRecord
from shared.tokens import Caller


def database_of(caller: Caller, database_id: str) -> DatabaseConfig:
    """The database."""
    return config.databases.get(database_id, tenant=caller.tenant_id)


def target_of(caller: Caller, target_id: str) -> TargetConfig:
    """The target."""
    return config.targets.get(target_id, tenant=caller.tenant_id)


def run_of(caller: Caller, backup_id: str) -> RunRecord:
    """The run, looked up by its id: nothing of a request is ever a path."""
    found = history.get(backup_id, tenant=caller.tenant_id)
    if found is None:
        raise NotFound(f"There is no backup {backup_id[:100]!r}.")
    return found


def operation_of(caller: Caller, operation_id: str) -> OperationRecord:
    """The operation."""
    found = operations.get(operation_id, caller.tenant_id)
    if found is None:
        raise NotFound(f"There is no operation {operation_id[:100]!r}.")
    return found
