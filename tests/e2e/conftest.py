"""One installation and one pair of database servers for all end-to-end tests that leave them in order."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.servers import DatabaseServer
from tests.support.awkward_installation import AwkwardInstallation, awkward_installation
from tests.support.databases import mariadb_server, postgresql_server
from tests.support.installation import Installation, installation


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A host with our app, ready to be asked."""
    home: Path = tmp_path_factory.mktemp("installation") / "home"
    with installation(home) as running:
        yield running


@pytest.fixture(scope="session")
def awkward_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwkwardInstallation]:
    """The installation made for bad input."""
    with awkward_installation(tmp_path_factory.mktemp("awkward")) as running:
        yield running


@pytest.fixture
def awkward(awkward_one: AwkwardInstallation) -> Iterator[AwkwardInstallation]:
    """It, in order at the beginning and at the end of each test."""
    yield awkward_one
    awkward_one.proxy.heal()


@pytest.fixture(scope="session", params=["mysql", "postgresql"])
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    """Each of the two real servers in turn."""
    return mariadb_server() if request.param == "mysql" else postgresql_server()
