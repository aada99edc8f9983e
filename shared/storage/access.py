"""One identity, short patience and one map of errors for the clients of tables, App Configuration and Key Vault."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.identity import DefaultAzureCredential

from shared.errors import BackupError, ConfigurationUnavailable, InternalError
from shared.settings import settings

PATIENCE_SECONDS = 15
"""No further try begins later than this; callers repeat what failed for longer."""
# A request that gets no answer is given up long before a claim of the run that made it expires.
TIMEOUTS: dict[str, Any] = {"connection_timeout": 5, "read_timeout": 10}
DENIED = (401, 403)
THROTTLED_OR_BUSY = (408, 409, 429)


@lru_cache(maxsize=1)
def credential() -> DefaultAzureCredential:
    """The identity of this installation, shared by the clients of the process so that tokens are fetched once."""
    # Given even when there is none: otherwise the SDK would take AZURE_CLIENT_ID, which names the API's registration.
    return DefaultAzureCredential(managed_identity_client_id=settings().managed_identity_client_id)


@contextmanager
def service_errors(service: str) -> Iterator[None]:
    """Raises the error of this product for every error of an SDK; `service` says who was asked, for the message.

    Catch what has a meaning of its own (not found, exists, modified) inside.
    """
    try:
        yield
    except AzureError as failure:
        raise error_for(failure, service) from failure


def error_for(failure: AzureError, service: str) -> BackupError:
    """The error of this product; the service's own text is left out, because it may repeat what was sent."""
    status = failure.status_code if isinstance(failure, HttpResponseError) else None
    if isinstance(failure, ClientAuthenticationError) or status in DENIED:
        # A role takes minutes to be known everywhere, so another try may help.
        return ConfigurationUnavailable(
            f"{service} refused this installation's identity ({status or 'no token'}). Give it its role there."
        )
    if status is None or status >= 500 or status in THROTTLED_OR_BUSY:
        told = status or type(failure).__name__
        return ConfigurationUnavailable(f"{service} does not answer ({told}), also when it is asked again.")
    return InternalError(f"{service} did not take a request of ours ({status}); this is a fault of the product.")
