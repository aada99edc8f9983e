"""What callers send to verify or restore a backup, and what they are told of it."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.backup_answers import ErrorAnswer
from api.fields import DatabaseName, Flag, Identifier
from api.times import Moment
from shared.models.database import Rung
from shared.models.operation import Comparison, OperationKind, OperationStatus
from shared.models.run import Evidence
from shared.problems import bad_field


def _rung_of_an_operation(rung: Rung) -> Rung:
    if rung is Rung.COMPLETE:
        raise bad_field("Give `stored`, `readable` or `restored`.")
    return rung


class VerifyBody(BaseModel):
    """How much to prove."""

    model_config = ConfigDict(extra="forbid")

    rung: Annotated[Rung, AfterValidator(_rung_of_an_operation)] = Rung.READABLE
    target_id: Identifier | None = Field(
        None, description="For `restored`: the target for the scratch database; by default that of the database."
    )


class RestoreTarget(BaseModel):
    """Where to load a backup."""

    model_config = ConfigDict(extra="forbid")

    target_id: Identifier
    database: DatabaseName


class RestoreBody(BaseModel):
    """Where to load a backup, and whether what is there may be dropped."""

    model_config = ConfigDict(extra="forbid")

    target: RestoreTarget
    overwrite: Flag = False
    confirm_name: str | None = Field(None, description="With `overwrite`: the target database's name once more.")


class StartedOperation(BaseModel):
    """An operation that has begun."""

    operation_id: str


class OperationAnswer(BaseModel):
    """How an operation goes. Progress in percent, sizes in bytes."""

    id: str
    kind: OperationKind
    status: OperationStatus
    backup_id: str
    database_id: str
    target_id: str | None
    target_database: str | None
    requested_by: str
    started_at: Moment
    ended_at: Moment | None
    phase: str
    progress: int
    bytes_read: int
    logs: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    comparison: Comparison | None
    error: ErrorAnswer | None
