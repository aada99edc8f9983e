import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.identity import CredentialUnavailableError
from azure.storage.blob import StorageErrorCode

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
from shared.storage.errors import ADVICE, CLASS_OF_CODE, CLASS_OF_STATUS, error_for, storage_errors

pytestmark = pytest.mark.unit


def refusal(status: int, code: str) -> HttpResponseError:
    failure = HttpResponseError("the service's own words, with a signature")
    failure.status_code = status
    known = code in {known.value for known in StorageErrorCode}
    vars(failure)["error_code"] = StorageErrorCode(code) if known else code
    return failure


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (401, "NoAuthenticationInformation", StorageDenied),
        (403, "AuthenticationFailed", StorageDenied),
        (403, "AuthorizationPermissionMismatch", StorageDenied),
        (409, "BlobImmutableDueToPolicy", StorageDenied),
        (412, "LeaseIdMissing", StorageDenied),
        (409, "BlobArchived", StorageDenied),
        (404, "BlobNotFound", BlobMissing),
        (404, "ContainerNotFound", BlobMissing),
        (404, "", BlobMissing),
        (409, "BlobAlreadyExists", BlobExists),
        (412, "ConditionNotMet", BlobExists),
        (409, "UnauthorizedBlobOverwrite", BlobExists),
        (409, "MemoryExtentStoreAtSizeLimit", StorageFull),
        (409, "BlockCountExceedsLimit", StorageFull),
        (413, "RequestBodyTooLarge", StorageFull),
        (507, "", StorageFull),
        (400, "InvalidResourceName", InvalidContainer),
        (400, "OutOfRangeInput", InvalidContainer),
        (400, "Md5Mismatch", StorageUnavailable),
        (400, "InvalidBlockList", StorageUnavailable),
        (409, "ContainerBeingDeleted", StorageUnavailable),
        (408, "", StorageUnavailable),
        (429, "", StorageUnavailable),
        (500, "InternalError", StorageUnavailable),
        (503, "ServerBusy", StorageUnavailable),
        (400, "InvalidHeaderValue", InternalError),
        (416, "InvalidRange", InternalError),
    ],
)
def test_a_refusal_becomes_one_of_our_errors(status: int, code: str, expected: type[BackupError]) -> None:
    error = error_for(refusal(status, code), "backups/x")

    assert type(error) is expected
    assert "backups/x" in error.message
    assert str(status) in error.message
    assert "signature" not in error.message


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (ServiceRequestError("refused"), StorageUnavailable),
        (ServiceRequestTimeoutError("connecting took too long"), StorageUnavailable),
        (ServiceResponseError("reset"), StorageUnavailable),
        (ServiceResponseTimeoutError("silence"), StorageUnavailable),
        (IncompleteReadError("cut"), StorageUnavailable),
        (DecodeError("not XML"), StorageUnavailable),
        (AzureError("MD5 mismatch"), StorageUnavailable),
        (ClientAuthenticationError("no token"), StorageUnavailable),
        (CredentialUnavailableError("the identity's endpoint is silent"), StorageUnavailable),
    ],
)
def test_a_failure_without_an_answer_becomes_one_of_our_errors(
    failure: AzureError, expected: type[BackupError]
) -> None:
    with pytest.raises(expected, match="backups/x"), storage_errors("backups/x"):
        raise failure


def test_a_refused_identity_is_denied() -> None:
    failure = ClientAuthenticationError("AADSTS700016")
    failure.status_code = 400

    assert type(error_for(failure, "backups/x")) is StorageDenied


def test_every_class_of_the_map_has_its_advice() -> None:
    assert {*CLASS_OF_CODE.values(), *CLASS_OF_STATUS.values(), InternalError} == set(ADVICE)


def test_our_own_errors_pass_unchanged() -> None:
    ours = StorageFull("the limit")

    with pytest.raises(StorageFull) as raised, storage_errors("backups/x"):
        raise ours

    assert raised.value is ours
