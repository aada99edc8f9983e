"""Turns what the Azure SDK raises into the errors of this product, at the one place that meets it."""

from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from shared.errors import (
    BackupError,
    BlobExists,
    BlobMissing,
    InternalError,
    InvalidContainer,
    StorageDenied,
    StorageFull,
    StorageUnavailable,
)

# Error codes of Blob Storage whose meaning their HTTP status does not tell.
# https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
CLASS_OF_CODE: dict[str, type[BackupError]] = {
    "BlobAlreadyExists": BlobExists,
    "UnauthorizedBlobOverwrite": BlobExists,
    "BlobArchived": StorageDenied,
    "BlobBeingRehydrated": StorageDenied,
    "BlobImmutableDueToPolicy": StorageDenied,
    "LeaseIdMissing": StorageDenied,
    "LeaseIdMismatchWithBlobOperation": StorageDenied,
    "AccountQuotaExceeded": StorageFull,
    "BlockCountExceedsLimit": StorageFull,
    "BlockListTooLong": StorageFull,
    "RequestBodyTooLarge": StorageFull,
    "MemoryExtentStoreAtSizeLimit": StorageFull,  # Azurite's memory is full
    "InvalidResourceName": InvalidContainer,
    "OutOfRangeInput": InvalidContainer,  # a name too short or too long
    "ContainerBeingDeleted": StorageUnavailable,
    "InvalidBlockList": StorageUnavailable,  # staged blocks are gone; a new dump stages new ones
    "Md5Mismatch": StorageUnavailable,  # damaged on its way
    "InvalidOperation": StorageUnavailable,  # Azurite's word for Md5Mismatch
}
CLASS_OF_STATUS: dict[int, type[BackupError]] = {
    401: StorageDenied,
    403: StorageDenied,
    404: BlobMissing,
    408: StorageUnavailable,
    409: StorageUnavailable,
    412: BlobExists,  # the only condition that we leave to the service is "create only"
    413: StorageFull,
    429: StorageUnavailable,
    507: StorageFull,
}
ADVICE: dict[type[BackupError], str] = {
    BlobExists: "Another blob has this name; it is left as it is.",
    BlobMissing: "It is not there.",
    InternalError: "The request was not understood; this is a fault of ours.",
    InvalidContainer: "A container's name has 3 to 63 of a-z, 0-9 and single hyphens, none at its ends.",
    StorageDenied: "Give this installation's identity the role Storage Blob Data Owner (for the index tags), and see "
    "that the blob is neither archived, leased nor locked.",
    StorageFull: "The account, or the blob's 50,000 blocks, take no more.",
    StorageUnavailable: "Blob Storage did not take the request, also when it was repeated.",
}


class TransferStopped(Exception):
    """A transfer was given up; why is known to whoever stopped it."""


@contextmanager
def storage_errors(on: str) -> Iterator[None]:
    """Raises the error of this product for every error of the SDK; `on` names the blob or container."""
    try:
        yield
    except AzureError as failure:
        raise error_for(failure, on) from failure


def code_of(failure: AzureError) -> str:
    """The error code that the service gave; empty when it gave none."""
    code = getattr(failure, "error_code", None) or ""
    return str(getattr(code, "value", code))


def error_for(failure: AzureError, on: str) -> BackupError:
    """The error of this product. The service's own text is left out: it may repeat what was signed."""
    kind = _class_of(failure)
    status = getattr(failure, "status_code", None)
    told = " ".join(str(part) for part in (status, code_of(failure)) if part) or type(failure).__name__
    return kind(f"A request to Blob Storage for {on} failed ({told}). {ADVICE[kind]}")


def _class_of(failure: AzureError) -> type[BackupError]:
    by_code = CLASS_OF_CODE.get(code_of(failure))
    if by_code is not None:
        return by_code
    status = failure.status_code if isinstance(failure, HttpResponseError) else None
    if status is not None and isinstance(failure, ClientAuthenticationError):
        return StorageDenied
    # Without a status nobody answered: neither storage, nor, for a token, the identity's endpoint.
    if status is None or (status >= 500 and status != 507):
        return StorageUnavailable
    return CLASS_OF_STATUS.get(status, InternalError)
