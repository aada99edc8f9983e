"""A run of a backup: what is asked, what each step found, and the row that history keeps."""

from enum import StrEnum

from pydantic import AwareDatetime

from shared.errors import ErrorValue
from shared.models import Value
from shared.models.database import DatabaseConfig, Rung, Server
from shared.models.inventory import Probe, ServerFacts


class RunStatus(StrEnum):
    """Where a run stands. The last five are final."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    VERIFYING = "verifying"
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def is_final(self) -> bool:
        """True when nothing more happens to the run."""
        return self not in (RunStatus.QUEUED, RunStatus.IN_PROGRESS, RunStatus.VERIFYING)


class Trigger(StrEnum):
    """Why a run was made."""

    SCHEDULED = "scheduled"
    CATCH_UP = "catch_up"
    MANUAL = "manual"


class RetryPolicy(Value):
    """How often a run tries again after a transient error, and how long it waits (seconds)."""

    retries: int = 5
    first_delay_seconds: int = 2
    longest_delay_seconds: int = 300


class BackupRequest(Value):
    """Asks for one run. The backup id is the plan's instance id and keys every side effect."""

    backup_id: str
    database_id: str
    tenant_id: str
    trigger: Trigger
    requested_by: str = ""
    due_at: AwareDatetime | None = None
    """The due time that this run answers; None for a manual run."""


class ProtectRequest(Value):
    """What the eternal plan of a database carries from one generation to the next."""

    database_id: str
    tenant_id: str
    handled_until: AwareDatetime | None = None
    """The latest due time that was answered, by a run or by skipping it; None in the first generation."""


class RunPlan(Value):
    """What one run works with: configuration as it was when the run began, so that a later change cannot split it."""

    request: BackupRequest
    database: DatabaseConfig
    started_at: AwareDatetime
    deadline_at: AwareDatetime
    retry: RetryPolicy
    compression_level: int
    max_size_bytes: int


class AttemptRequest(Value):
    """Asks for one attempt of a run; `number` counts from 1. Each attempt writes a blob of its own name."""

    run: RunPlan
    number: int


class Tool(Value):
    """A client tool on this machine."""

    path: str
    vendor: str
    """`mariadb`, `mysql` or `postgresql`."""
    version: str
    version_number: tuple[int, ...]


class BlobAddress(Value):
    """A blob of the backup account."""

    container: str
    name: str

    @property
    def path(self) -> str:
        """Container and name, as people write it."""
        return f"{self.container}/{self.name}"


class Inspection(Value):
    """What `inspect_database` gives: the probe, the tool that will dump the database, and the blob it will fill."""

    probe: Probe
    tool: Tool
    blob: BlobAddress


class DumpRequest(Value):
    """Asks to stream one dump into uncommitted blocks of one blob."""

    backup_id: str
    database_id: str
    server: Server
    database: str
    options: tuple[str, ...]
    tool: Tool
    probe: Probe
    blob: BlobAddress
    compression_level: int
    deadline_at: AwareDatetime
    max_size_bytes: int


class Dump(Value):
    """What was streamed: all that is needed to commit the blob and to check it. Sizes in bytes, hashes in hex."""

    blob: BlobAddress
    execution: str
    """Eight characters that begin every block id of this execution."""
    blocks: int
    bytes_read: int
    """Of the tool's output."""
    bytes_stored: int
    sha256_source: str
    sha256_stored: str
    md5_stored: str
    seconds: float
    warnings: tuple[str, ...] = ()
    """What the tool said on stderr although it ended well; head and tail, redacted."""
    log_blob: BlobAddress | None = None


class UploadRequest(Value):
    """Asks to commit the staged blocks of a dump, so that its blob appears whole."""

    backup_id: str
    database_id: str
    tenant_id: str
    dump: Dump
    tool: Tool
    server: ServerFacts


class Evidence(Value):
    """What one check of the ladder found; `error` is set when it failed."""

    rung: Rung
    check: str
    detail: str
    seconds: float = 0.0
    error: ErrorValue | None = None


class Attempt(Value):
    """How one attempt ended: with a verified blob, or with an error."""

    inspection: Inspection | None = None
    dump: Dump | None = None
    evidence: tuple[Evidence, ...] = ()
    error: ErrorValue | None = None


class RunRecord(Value):
    """One row of `BackupHistory`."""

    backup_id: str
    database_id: str
    tenant_id: str
    database_name: str = ""
    database_type: str = ""
    trigger: Trigger
    requested_by: str = ""
    status: RunStatus
    due_at: AwareDatetime | None = None
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    attempts: int = 0
    blob: BlobAddress | None = None
    bytes_read: int = 0
    bytes_stored: int = 0
    sha256_source: str = ""
    sha256_stored: str = ""
    md5_stored: str = ""
    rung: Rung | None = None
    """The highest rung that was reached."""
    verified_at: AwareDatetime | None = None
    evidence: tuple[Evidence, ...] = ()
    warnings: tuple[str, ...] = ()
    error: ErrorValue | None = None
    log_blob: BlobAddress | None = None
    tables: int = 0
    expires_at: AwareDatetime | None = None
    """When retention may delete the blob."""
    deleted_at: AwareDatetime | None = None
    """When retention or an administrator deleted the blob."""
    notified_at: AwareDatetime | None = None

    @property
    def is_verified(self) -> bool:
        """True for a proven backup that is still there: what retention and health go by."""
        return self.status is RunStatus.COMPLETED and self.verified_at is not None and self.deleted_at is None


class Progress(Value):
    """How far a run or an operation is: one row of `RunProgress`. It never goes back."""

    id: str
    """A backup id or an operation id."""
    phase: str
    percent: int = 0
    bytes_read: int = 0
    bytes_stored: int = 0
    bytes_per_second: int = 0
    eta_at: AwareDatetime | None = None
    logs: tuple[str, ...] = ()
    """The last lines, oldest first, at most 50 of at most 200 characters."""
    updated_at: AwareDatetime
