import socket
import time

import pytest
from azure.storage.blob import BlobServiceClient

from shared.errors import InvalidContainer, StorageUnavailable
from shared.models.run import BlobAddress
from shared.storage.account import (
    CONNECT_SECONDS,
    READ_SECONDS,
    blob_client,
    blob_service,
    ensure_container,
    fresh_client,
)
from shared.storage.blobs import stored_blob
from shared.storage.errors import storage_errors
from shared.storage.retry import TOTAL_SECONDS, DeadlineRetry
from tests.support.azurite import fresh_container
from tests.support.fault_proxy import FaultProxy


@pytest.mark.usefixtures("proxy")
def test_the_process_shares_one_client_and_a_fresh_one_is_another() -> None:
    with fresh_client() as fresh:
        assert blob_service() is blob_service()
        assert fresh is not blob_service()


@pytest.mark.usefixtures("proxy")
def test_a_container_is_made_once_and_found_afterwards() -> None:
    name = fresh_container()
    ensure_container(name)
    ensure_container(name)

    assert blob_service().get_container_client(name).exists()


@pytest.mark.usefixtures("proxy")
@pytest.mark.parametrize(
    "name", ["My-Backups", "my_backups", "ab", "a--b", "-a", "a-", "a" * 64], ids=lambda name: str(name)[:10]
)
def test_a_bad_container_name_is_refused_with_the_rule(name: str) -> None:
    """BR-63."""
    with pytest.raises(InvalidContainer, match="3 to 63"):
        ensure_container(name)


def test_a_container_that_is_made_by_somebody_else_meanwhile_will_do(proxy: FaultProxy) -> None:
    name = fresh_container()
    blob_service().create_container(name)
    proxy.answer(404, "ContainerNotFound", to="container")  # what was true a moment ago

    ensure_container(name)


def test_a_container_that_is_being_deleted_cannot_be_used_yet(proxy: FaultProxy) -> None:
    proxy.answer(404, "ContainerNotFound", to="container")
    proxy.answer(409, "ContainerBeingDeleted", to="container")

    with pytest.raises(StorageUnavailable, match="ContainerBeingDeleted"):
        ensure_container(fresh_container())


def test_the_patience_with_a_store_that_is_down_has_an_end() -> None:
    with socket.socket() as taken:  # bound, not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/account"
        with BlobServiceClient(url, credential=None, retry_policy=DeadlineRetry(total_seconds=1)) as service:
            started = time.monotonic()
            with pytest.raises(StorageUnavailable), storage_errors("c/b"):
                service.get_blob_client("c", "b").get_blob_properties()

    assert 0.2 < time.monotonic() - started < 5


def test_503_is_tried_again_until_it_works(address: BlobAddress, proxy: FaultProxy) -> None:
    blob_client(address).upload_blob(b"x")
    proxy.answer(503, "ServerBusy", to="properties", times=2)

    assert stored_blob(address).size == 1
    assert proxy.seen["properties"] == 3


def test_an_asked_for_delay_is_honoured(address: BlobAddress, proxy: FaultProxy) -> None:
    blob_client(address).upload_blob(b"x")
    proxy.answer(503, "ServerBusy", to="properties", retry_after=1)
    started = time.monotonic()

    stored_blob(address)

    assert time.monotonic() - started >= 1


def test_an_asked_for_delay_beyond_the_patience_is_not_waited_for(address: BlobAddress, proxy: FaultProxy) -> None:
    """BR-62: the first retry after twenty hours."""
    blob_client(address).upload_blob(b"x")
    proxy.answer(503, "ServerBusy", to="properties", retry_after=72_000)
    started = time.monotonic()

    with pytest.raises(StorageUnavailable):
        stored_blob(address)

    assert time.monotonic() - started < 5


def test_a_refusal_is_not_tried_again(address: BlobAddress, proxy: FaultProxy) -> None:
    proxy.answer(403, "AuthorizationFailure", to="properties", times=10)

    with pytest.raises(Exception, match="403"):
        stored_blob(address)

    assert proxy.seen["properties"] == 1


def test_an_unanswered_request_ends_before_the_stall_limit() -> None:
    assert TOTAL_SECONDS + CONNECT_SECONDS + READ_SECONDS < 120
