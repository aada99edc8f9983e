"""One installation and one pair of database servers for all end-to-end tests that leave them in order."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.servers import DatabaseServer
from tests.support.databases import mariadb_server, postgresql_server
from tests.support.installation import Installation, installation


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A host with our app, ready to be asked."""
    home: Path = tmp_path_factory.mktemp("installation") / "home"
    with installation(home) as running:
        yield running


@pytest.fixture(scope="session", params=["mysql", "postgresql"])
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    """Each of the two real servers in turn."""
    return mariadb_server() if request.param == "mysql" else postgresql_server()
