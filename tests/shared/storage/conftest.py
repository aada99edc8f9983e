from collections.abc import Iterator

import pytest

from shared.models.run import BlobAddress
from shared.storage.account import ensure_container
from tests.support.azurite import end_plain_azurite, fresh_container, plain_azurite
from tests.support.fault_proxy import FaultProxy
from tests.support.storage import storage_account


@pytest.fixture(scope="session", autouse=True)
def azurite_ends_with_the_tests() -> Iterator[None]:
    yield
    end_plain_azurite()


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    """The way to the storage account of this test; it plays faults when told to."""
    azurite = plain_azurite()
    with (
        FaultProxy(azurite.blob_port) as proxy,
        storage_account(azurite.connection_string(blob_port=proxy.port)),
    ):
        yield proxy


@pytest.fixture
def address(proxy: FaultProxy) -> BlobAddress:
    """A blob's name in a container of this test."""
    container = fresh_container()
    ensure_container(container)
    return BlobAddress(container=container, name="2026/11/25/backup-orders-20261125093000-abc123.sql.gz")
