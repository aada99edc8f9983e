"""The clients of the backup account: one that the whole process shares, and fresh ones for verification."""

from functools import lru_cache
from typing import Any

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobClient, BlobServiceClient

from shared.models.run import BlobAddress
from shared.settings import is_url, settings
from shared.storage.access import credential
from shared.storage.errors import code_of, storage_errors
from shared.storage.retry import DeadlineRetry

# Per connection attempt and per piece sent.
CONNECT_SECONDS = 10
# Until the next bytes of an answer. Together with the retries an unanswered request ends before the stall limit.
READ_SECONDS = 45


@lru_cache(maxsize=1)
def blob_service() -> BlobServiceClient:
    """The client that this process shares; its connections are used again."""
    return fresh_client()


def fresh_client() -> BlobServiceClient:
    """A client with connections of its own, so that what it reads was not left over from writing. Close it."""
    account = settings().blob_account
    options: dict[str, Any] = {
        "retry_policy": DeadlineRetry(),
        "connection_timeout": CONNECT_SECONDS,
        "read_timeout": READ_SECONDS,
    }
    if is_url(account):
        return BlobServiceClient(account, credential=credential(), **options)
    return BlobServiceClient.from_connection_string(account, **options)


def blob_client(address: BlobAddress, service: BlobServiceClient | None = None) -> BlobClient:
    """The client of one blob."""
    return (service or blob_service()).get_blob_client(address.container, address.name)


def ensure_container(name: str) -> None:
    """Creates the container unless it is there. Raises InvalidContainer and the other errors of storage."""
    container = blob_service().get_container_client(name)
    with storage_errors(name):
        # Looked for first: an identity without the right to create may still use a container that is there.
        if container.exists():
            return
        try:
            container.create_container()
        except ResourceExistsError as error:  # made by somebody else meanwhile, unless it is being deleted
            if code_of(error) != "ContainerAlreadyExists":
                raise
