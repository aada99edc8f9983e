"""Work on a backup that is not a run: a verification or a restore, asked for by somebody or by the schedule."""

from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import AwareDatetime

from shared.errors import ErrorValue
from shared.models import Value
from shared.models.database import Rung
from shared.models.run import Evidence

TIME_LIMIT = timedelta(hours=12)
"""How long an operation may take."""


class OperationKind(StrEnum):
    """What an operation does."""

    VERIFY = "verify"
    RESTORE = "restore"


class OperationStatus(StrEnum):
    """Where an operation stands. The last two are final."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"


class VerifyRequest(Value):
    """Asks to prove a backup again, up to `rung`. The operation id is the plan's instance id."""

    operation_id: str
    backup_id: str
    database_id: str
    tenant_id: str
    rung: Rung
    target_id: str | None = None
    """The server for the scratch database; needed for the rung `restored`."""
    requested_by: str = ""

    def deadline_at(self, now: datetime) -> datetime:
        """When an operation that begins `now` must be done."""
        return now + TIME_LIMIT


class RestoreRequest(Value):
    """Asks to load a backup into a database of a target server."""

    operation_id: str
    backup_id: str
    database_id: str
    tenant_id: str
    target_id: str
    database: str
    overwrite: bool = False
    """Drop the target database first if it holds objects; without it that is an error."""
    requested_by: str = ""

    def deadline_at(self, now: datetime) -> datetime:
        """When an operation that begins `now` must be done."""
        return now + TIME_LIMIT


class Comparison(Value):
    """What a restored database showed beside its source."""

    tables: int = 0
    rows: int = 0
    objects: int = 0
    differences: tuple[str, ...] = ()
    compared_with: str = ""
    """`source` when the live database was read again, `inventory` when only what the run had noted."""
    seconds: float = 0.0

    @property
    def is_equal(self) -> bool:
        """True when nothing differs."""
        return not self.differences


class OperationRecord(Value):
    """One row of `Operations`."""

    id: str
    kind: OperationKind
    tenant_id: str
    backup_id: str
    database_id: str
    requested_by: str = ""
    status: OperationStatus
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    error: ErrorValue | None = None
    evidence: tuple[Evidence, ...] = ()
    comparison: Comparison | None = None
    target_id: str | None = None
    target_database: str | None = None
