"""What plans hand to their activities, and what those give back, beside the run's own values."""

from pydantic import AwareDatetime

from shared.errors import ErrorValue
from shared.models import Value
from shared.models.database import EPOCH, DatabaseConfig, Rung, Server
from shared.models.inventory import Probe
from shared.models.operation import Comparison, OperationRecord
from shared.models.run import Attempt, BackupRequest, Dump, RunPlan, RunRecord, RunStatus, Tool, Trigger


class PlanRequest(Value):
    """Asks what the eternal plan of a database should do next."""

    database_id: str
    tenant_id: str
    now: AwareDatetime
    handled_until: AwareDatetime | None = None


class DueRun(Value):
    """A run that is due: the latest due time not answered yet, and whether earlier ones were missed."""

    due_at: AwareDatetime
    trigger: Trigger
    slot_limit: int
    slot_seconds: int
    """How long the run may hold its slot."""


class NextStep(Value):
    """What the eternal plan should do next."""

    exists: bool
    """False when the configuration is gone: the plan ends itself."""
    due: DueRun | None = None
    check_at: AwareDatetime
    """When to look again, at the latest: the next due time, or the scheduler's interval from now."""
    handled_until: AwareDatetime
    """What to carry into the next generation when nothing is due."""


class BeginRequest(Value):
    """Asks to begin a run: configuration is read once, here."""

    request: BackupRequest
    now: AwareDatetime


class Kept(Value):
    """A claim that was prolonged, and what the installation allows."""

    slot_limit: int
    slot_seconds: int


class ClaimRequest(Value):
    """Asks for the claim of a database for one run."""

    database_id: str
    backup_id: str
    seconds: int


class RunEnd(Value):
    """How a run ended, to be recorded. `plan` is None when the run could not even begin."""

    request: BackupRequest
    plan: RunPlan | None
    status: RunStatus
    started_at: AwareDatetime
    ended_at: AwareDatetime
    attempts: int = 0
    attempt: Attempt | None = None
    error: ErrorValue | None = None


class ContentRequest(Value):
    """Asks to read a blob back and to hold it against what was streamed."""

    backup_id: str
    database_id: str
    database: DatabaseConfig
    dump: Dump
    probe: Probe
    tool: Tool
    deadline_at: AwareDatetime
    progress_id: str
    """Where to write progress: the backup id, or an operation's id."""
    holds_claim: bool
    """True within a run, whose claim the check renews; False for a later verification."""


class ManifestRequest(Value):
    """Asks to write the manifest of a verified backup."""

    run: RunPlan
    attempt: Attempt
    number: int


class RetentionRequest(Value):
    """Asks to delete what the policy no longer keeps."""

    database_id: str
    tenant_id: str
    created_at: AwareDatetime = EPOCH
    """When the database was configured: backups of an earlier one that had its id are not ours to delete."""
    retention_days: int
    now: AwareDatetime


class RetentionReport(Value):
    """What retention did: ids of backups."""

    deleted: tuple[str, ...] = ()
    kept_locked: tuple[str, ...] = ()


class Notice(Value):
    """Tells people how a run ended."""

    backup_id: str
    database_id: str
    tenant_id: str
    status: RunStatus
    error: ErrorValue | None = None


class BackupReference(Value):
    """Names one backup of one tenant."""

    backup_id: str
    tenant_id: str


class BackupFacts(Value):
    """All that a later verification or restore needs, read from the backup's row and manifest."""

    record: RunRecord
    database: DatabaseConfig
    dump: Dump
    probe: Probe
    tool: Tool
    read_at: AwareDatetime


class TargetRequest(Value):
    """Asks to make a database on a target server ready for a restore, or to drop a scratch database."""

    operation_id: str
    tenant_id: str
    target_id: str
    database: str
    overwrite: bool
    facts: BackupFacts


class LoadRequest(Value):
    """Asks to stream a backup into a database of a target server."""

    operation_id: str
    tenant_id: str
    target_id: str
    database: str
    facts: BackupFacts
    deadline_at: AwareDatetime


class Loaded(Value):
    """What was loaded. Sizes in bytes."""

    bytes_read: int
    seconds: float
    server: Server


class CompareRequest(Value):
    """Asks to compare a restored database with its source."""

    operation_id: str
    tenant_id: str
    target_id: str
    database: str
    facts: BackupFacts
    source_may_be_gone: bool = False
    """True where a source that cannot be read is no failure: people restore because they lost it."""


class ProofRequest(Value):
    """Asks to prove a backup by restoring it into a scratch database."""

    operation_id: str
    tenant_id: str
    target_id: str
    facts: BackupFacts
    deadline_at: AwareDatetime


class Proof(Value):
    """What the restore into a scratch database showed."""

    comparison: Comparison | None = None
    error: ErrorValue | None = None


class OperationEnd(Value):
    """How an operation ended, to be recorded in its row, and in the backup's own where it concerns it."""

    record: OperationRecord
    rung: Rung | None = None
    """The highest rung that was reached."""


class Done(Value):
    """The answer of a step that has nothing to tell."""
