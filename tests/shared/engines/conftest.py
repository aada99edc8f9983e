from collections.abc import Iterator

import pytest

from local.servers import DatabaseServer
from tests.support.databases import (
    drop_database,
    mariadb_server,
    postgresql_17_server,
    postgresql_server,
    sample_database,
)
from tests.support.engines import SAMPLE


@pytest.fixture(scope="session")
def mariadb() -> Iterator[DatabaseServer]:
    """Debian's MariaDB with the sample database."""
    yield from _with_sample(mariadb_server())


@pytest.fixture(scope="session")
def postgresql() -> Iterator[DatabaseServer]:
    """Debian's PostgreSQL with the sample database."""
    yield from _with_sample(postgresql_server())


@pytest.fixture(scope="session")
def postgresql_17() -> Iterator[DatabaseServer]:
    """A newer PostgreSQL with the sample database."""
    yield from _with_sample(postgresql_17_server())


@pytest.fixture(params=["mariadb", "postgresql"])
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    """One server of each family in turn, with the sample database."""
    server: DatabaseServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture(params=["mariadb", "postgresql", "postgresql_17"])
def every_server(request: pytest.FixtureRequest) -> DatabaseServer:
    """Each of the servers in turn, with the sample database."""
    server: DatabaseServer = request.getfixturevalue(request.param)
    return server


def _with_sample(server: DatabaseServer) -> Iterator[DatabaseServer]:
    sample_database(server, SAMPLE)
    yield server
    drop_database(server, SAMPLE)
