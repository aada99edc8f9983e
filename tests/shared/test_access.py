"""Every error of the SDKs of tables, App Configuration and Key Vault has a place in our tree."""

import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ResourceExistsError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.identity import CredentialUnavailableError

from shared.errors import BackupError, ConfigurationUnavailable, InternalError
from shared.storage.access import error_for, service_errors

pytestmark = pytest.mark.unit


def answered(status: int, kind: type[HttpResponseError] = HttpResponseError) -> HttpResponseError:
    error = kind("S3cr3t-canary-77 as the service repeats it")
    error.status_code = status
    return error


@pytest.mark.parametrize(
    ("failure", "kind", "told"),
    [
        (answered(401), ConfigurationUnavailable, "refused this installation's identity (401)"),
        (answered(403), ConfigurationUnavailable, "refused this installation's identity (403)"),
        (ClientAuthenticationError("S3cr3t-canary-77"), ConfigurationUnavailable, "(no token)"),
        (CredentialUnavailableError("S3cr3t-canary-77"), ConfigurationUnavailable, "(no token)"),
        (answered(408), ConfigurationUnavailable, "does not answer (408)"),
        (answered(409, ResourceExistsError), ConfigurationUnavailable, "does not answer (409)"),
        (answered(429), ConfigurationUnavailable, "does not answer (429)"),
        (answered(500), ConfigurationUnavailable, "does not answer (500)"),
        (answered(503), ConfigurationUnavailable, "does not answer (503)"),
        (ServiceRequestError("x"), ConfigurationUnavailable, "(ServiceRequestError)"),
        (ServiceRequestTimeoutError("x"), ConfigurationUnavailable, "(ServiceRequestTimeoutError)"),
        (ServiceResponseError("x"), ConfigurationUnavailable, "(ServiceResponseError)"),
        (ServiceResponseTimeoutError("x"), ConfigurationUnavailable, "(ServiceResponseTimeoutError)"),
        (IncompleteReadError("x"), ConfigurationUnavailable, "(IncompleteReadError)"),
        (AzureError("x"), ConfigurationUnavailable, "(AzureError)"),
        (answered(400), InternalError, "did not take a request of ours (400)"),
        (answered(404), InternalError, "did not take a request of ours (404)"),
        (answered(413), InternalError, "did not take a request of ours (413)"),
    ],
    ids=lambda value: (
        getattr(value, "__name__", None) or str(getattr(value, "status_code", None) or type(value).__name__)
    ),
)
def test_a_failure_of_a_service_is_told_without_its_own_words(
    failure: AzureError, kind: type[BackupError], told: str
) -> None:
    error = error_for(failure, "Table X")

    assert type(error) is kind
    assert told in error.message
    assert error.message.startswith("Table X")
    assert "canary" not in error.message


def test_errors_of_our_own_pass_as_they_are() -> None:
    with pytest.raises(ZeroDivisionError), service_errors("Table X"):
        _ = 1 / 0
