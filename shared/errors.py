"""Every error of the product, as one tree.

    BackupError                          code, message, origin; never a secret
    |-- TransientError                   another try may help
    |   |-- ConnectionFailed             the server does not answer, or dropped us
    |   |-- ConnectionLost               the connection ended while a tool was reading
    |   |-- DatabaseLocked               a lock was not given in time
    |   |-- SourceChanged                a table's definition changed while it was read
    |   |-- RateLimitExceeded            the database or its platform asked us to slow down
    |   |-- ToolKilled                   the tool was ended by a signal
    |   |-- Stalled                      no byte moved for two minutes
    |   |-- StorageUnavailable           Blob Storage throttled, timed out or failed
    |   |-- ConfigurationUnavailable     App Configuration, Key Vault or the tables do not answer
    |   `-- WorkerLost                   the process that did the work is gone
    `-- PermanentError                   the same try fails again until somebody acts
        |-- InvalidCredentials, UnknownHost, UnknownDatabase, PermissionDenied, TlsFailed
        |-- ToolMissing, ClientTooOld, UnsupportedServer, DumpFailed, DiskFull, BrokenObject
        |-- StorageDenied, StorageFull, InvalidContainer, BlobExists, BlobMissing
        |-- BackupCorrupted              the blob is not what was streamed, or cannot be restored
        |-- RestoreFailed, TargetNotEmpty
        |-- BreakerOpen, NoSlot, Timeout, Cancelled, Replaced
        |-- SettingInvalid               a setting of the installation is missing or cannot be read
        |-- InternalError                a fault of ours
        `-- RequestRefused               the caller's mistake: InvalidRequest, Unauthenticated, Forbidden, NotFound,
                                         Conflict, TooManyRequests

Foreign errors are mapped where they are met. Errors travel through plans as the value `ErrorValue`.
"""

from enum import StrEnum
from typing import ClassVar, NamedTuple

from pydantic import BaseModel


class Origin(StrEnum):
    """Whose failure it is. Only failures of the database count for its circuit breaker."""

    DATABASE = "database"
    STORAGE = "storage"
    PRODUCT = "product"
    CALLER = "caller"


class ErrorValue(BaseModel, frozen=True):
    """An error as it travels on the wire and stands in tables: a stable code and a text without secrets."""

    code: str
    message: str
    retry: bool
    origin: Origin = Origin.PRODUCT


class BackupError(Exception):
    """What failed, on what, and what to do."""

    code: ClassVar[str] = "backup_error"
    retry: ClassVar[bool] = False
    origin: ClassVar[Origin] = Origin.PRODUCT
    by_code: ClassVar[dict[str, type["BackupError"]]] = {}

    def __init_subclass__(cls) -> None:
        cls.by_code[cls.code] = cls

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def value(self) -> ErrorValue:
        """This error as a value."""
        return ErrorValue(code=self.code, message=self.message, retry=self.retry, origin=self.origin)


class TransientError(BackupError):
    """Another try may help."""

    code = "temporary_failure"
    retry = True


class PermanentError(BackupError):
    """The same try fails again until somebody acts."""

    code = "permanent_failure"


class ConnectionFailed(TransientError):
    """The server does not answer."""

    code = "connection_failed"
    origin = Origin.DATABASE


class ConnectionLost(TransientError):
    """The connection ended while a tool was reading."""

    code = "connection_lost"
    origin = Origin.DATABASE


class DatabaseLocked(TransientError):
    """A lock was not given in time."""

    code = "database_locked"
    origin = Origin.DATABASE


class SourceChanged(TransientError):
    """A table's definition changed while it was read."""

    code = "source_changed"
    origin = Origin.DATABASE


class RateLimitExceeded(TransientError):
    """The database or its platform asked us to slow down."""

    code = "rate_limit_exceeded"
    origin = Origin.DATABASE


class ToolKilled(TransientError):
    """The tool was ended by a signal that was not ours."""

    code = "tool_killed"


class Stalled(TransientError):
    """No byte moved for the stall limit."""

    code = "stalled"
    origin = Origin.DATABASE


class StorageUnavailable(TransientError):
    """Blob Storage throttled, timed out or failed."""

    code = "storage_unavailable"
    origin = Origin.STORAGE


class ConfigurationUnavailable(TransientError):
    """App Configuration, Key Vault or the tables do not answer."""

    code = "configuration_unavailable"


class WorkerLost(TransientError):
    """The process that did the work is gone."""

    code = "worker_lost"


class InvalidCredentials(PermanentError):
    """The server refused the user name or the password."""

    code = "invalid_credentials"
    origin = Origin.DATABASE


class UnknownHost(PermanentError):
    """The host name does not exist."""

    code = "unknown_host"
    origin = Origin.DATABASE


class UnknownDatabase(PermanentError):
    """The server has no database of that name."""

    code = "unknown_database"
    origin = Origin.DATABASE


class PermissionDenied(PermanentError):
    """The backup user may not read something it must read."""

    code = "permission_denied"
    origin = Origin.DATABASE


class TlsFailed(PermanentError):
    """The connection could not be protected as `ssl_mode` demands."""

    code = "tls_failed"
    origin = Origin.DATABASE


class ToolMissing(PermanentError):
    """A client tool is not on this machine."""

    code = "tool_missing"


class ClientTooOld(PermanentError):
    """The server is newer than every client tool on this machine."""

    code = "client_too_old"


class UnsupportedServer(PermanentError):
    """The server is not of the kind that was configured."""

    code = "unsupported_server"
    origin = Origin.DATABASE


class DumpFailed(PermanentError):
    """The dump tool ended with an error that no other class names."""

    code = "dump_failed"
    origin = Origin.DATABASE


class DiskFull(PermanentError):
    """The server or the tool ran out of disk."""

    code = "disk_full"
    origin = Origin.DATABASE


class BrokenObject(PermanentError):
    """An object of the database cannot be dumped, such as a view over a table that is gone."""

    code = "broken_object"
    origin = Origin.DATABASE


class StorageDenied(PermanentError):
    """Blob Storage refused our identity."""

    code = "storage_denied"
    origin = Origin.STORAGE


class StorageFull(PermanentError):
    """The account, or the blob's own limit of blocks, takes no more."""

    code = "storage_full"
    origin = Origin.STORAGE


class InvalidContainer(PermanentError):
    """The container's name breaks Azure's rule."""

    code = "invalid_container"
    origin = Origin.STORAGE


class BlobExists(PermanentError):
    """Another blob has this name already."""

    code = "blob_exists"
    origin = Origin.STORAGE


class BlobMissing(PermanentError):
    """The blob that should be there is not."""

    code = "blob_missing"
    origin = Origin.STORAGE


class BackupCorrupted(PermanentError):
    """The blob is not what was streamed, or its content is not a whole dump."""

    code = "backup_corrupted"
    origin = Origin.STORAGE


class RestoreFailed(PermanentError):
    """The restore tool did not load the whole backup."""

    code = "restore_failed"


class TargetNotEmpty(PermanentError):
    """The database to restore into holds objects, and overwriting was not asked for."""

    code = "target_not_empty"


class BreakerOpen(PermanentError):
    """The database failed too often; no run is made until the breaker lets a probe through."""

    code = "breaker_open"


class NoSlot(PermanentError):
    """No backup slot became free in time."""

    code = "no_slot"


class Timeout(PermanentError):
    """The run passed its deadline."""

    code = "timeout"


class Cancelled(PermanentError):
    """Somebody asked to cancel the run."""

    code = "cancelled"


class Replaced(PermanentError):
    """The claim belongs to another run or to another execution of this one."""

    code = "replaced"


class SettingInvalid(PermanentError):
    """A setting of the installation is missing or cannot be read."""

    code = "setting_invalid"


class InternalError(PermanentError):
    """A fault of ours; the log has the stack."""

    code = "internal_error"


class FieldError(NamedTuple):
    """One bad field of a request."""

    field: str
    message: str


class RequestRefused(PermanentError):
    """The caller's mistake. `title` is the exact text that the specification gives for it."""

    code = "request_refused"
    origin = Origin.CALLER
    title: ClassVar[str] = "Request refused"

    def __init__(self, message: str, *, title: str | None = None, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(message)
        self.shown_title = title or self.title
        self.errors = errors


class InvalidRequest(RequestRefused):
    """The body, a parameter or a field is not as it must be."""

    code = "invalid_request"
    title = "Invalid request"


class Unauthenticated(RequestRefused):
    """No valid token."""

    code = "unauthenticated"
    title = "Unauthorized"


class Forbidden(RequestRefused):
    """A valid token without the role."""

    code = "forbidden"
    title = "Forbidden"


class NotFound(RequestRefused):
    """No such thing in this tenant."""

    code = "not_found"
    title = "Not found"


class Conflict(RequestRefused):
    """The thing exists already, is running, or changed meanwhile. `backup_id` names the run in the way, if one is."""

    code = "conflict"
    title = "Conflict"

    def __init__(self, message: str, *, title: str | None = None, backup_id: str | None = None) -> None:
        super().__init__(message, title=title)
        self.backup_id = backup_id


class TooManyRequests(RequestRefused):
    """A limit of the installation was reached."""

    code = "too_many_requests"
    title = "Too many requests"

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


def error_from(value: ErrorValue) -> BackupError:
    """The error that `value` stands for; a code this version does not know keeps its class Transient or Permanent."""
    known = BackupError.by_code.get(value.code)
    if known is None or issubclass(known, TooManyRequests):
        known = TransientError if value.retry else PermanentError
    return known(value.message)
