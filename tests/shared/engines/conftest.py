from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from local.servers import DatabaseServer, start_mariadb, start_postgresql
from tests.support.certificates import certificate_for
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


@pytest.fixture(scope="session")
def certificate() -> Iterator[tuple[Path, Path]]:
    """Certificate and key of `localhost`; the certificate is its own authority."""
    with TemporaryDirectory(prefix="dilux-test-tls-") as folder:
        yield certificate_for("localhost", Path(folder))


@pytest.fixture(scope="session")
def tls_mariadb(certificate: tuple[Path, Path]) -> Iterator[DatabaseServer]:
    """A MariaDB that speaks TLS."""
    yield from _tls_server(start_mariadb, certificate)


@pytest.fixture(scope="session")
def tls_postgresql(certificate: tuple[Path, Path]) -> Iterator[DatabaseServer]:
    """A PostgreSQL that speaks TLS."""
    yield from _tls_server(start_postgresql, certificate)


def _tls_server(start: Callable[..., DatabaseServer], certificate: tuple[Path, Path]) -> Iterator[DatabaseServer]:
    with TemporaryDirectory(prefix="dilux-test-tls-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = start(Path(folder) / "server", certificate=certificate)
        try:
            yield server
        finally:
            server.stop()
