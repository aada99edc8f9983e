"""The local cloud for records and secrets, and a storage account behind a proxy that plays faults."""

from collections.abc import Iterator

import pytest

from local.cloud.cloud import LocalCloud
from local.servers import DatabaseServer
from tests.support.azurite import end_plain_azurite, plain_azurite
from tests.support.cloud import forget_settings
from tests.support.databases import mariadb_server, postgresql_server
from tests.support.fault_proxy import FaultProxy
from tests.support.storage import storage_account


@pytest.fixture(scope="session")
def azurite_ends_with_the_tests() -> Iterator[None]:
    yield
    end_plain_azurite()


@pytest.fixture
def proxy(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch, azurite_ends_with_the_tests: None
) -> Iterator[FaultProxy]:
    """The way to this test's storage account. Databases on this machine are allowed."""
    monkeypatch.setenv("ALLOWED_NETWORKS", "127.0.0.0/8")
    forget_settings()
    azurite = plain_azurite()
    with (
        FaultProxy(azurite.blob_port) as proxy,
        storage_account(azurite.connection_string(blob_port=proxy.port)),
    ):
        yield proxy


@pytest.fixture(params=["mysql", "postgresql"])
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    """Each of the two real servers in turn."""
    return mariadb_server() if request.param == "mysql" else postgresql_server()
