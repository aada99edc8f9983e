"""The product's plans on a task hub in this process, with the real activities, cloud and servers behind them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import azure.durable_functions as df
import pytest

from local.cloud.cloud import LocalCloud
from local.servers import DatabaseServer
from local.taskhub.clock import FakeClock
from shared.config import store
from tests.support.cloud import forget_settings
from tests.support.databases import fresh_database, postgresql_server, run_sql
from tests.support.plans import NOON, Scenario, live_through


@pytest.fixture
def plans(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[df.DFApp]:
    """An app with everything that the rooms offer to the durable engine; databases on this machine are allowed.

    The test's configuration goes with it: an installation holds so many databases and no more.
    """
    from function_app import triggers  # after the settings are there: the module reads them

    monkeypatch.setenv("ALLOWED_NETWORKS", "127.0.0.0/8")
    forget_settings()
    app = df.DFApp()
    for trigger in triggers().values():
        trigger.register(app)
    yield app
    for setting in store.read_all(""):
        store.erase(setting.key)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The product's clock, at noon."""
    made = FakeClock(NOON)
    monkeypatch.setattr("shared.clock.now", made.now)
    return made


@pytest.fixture
def live(plans: df.DFApp, clock: FakeClock, tmp_path: Path) -> Callable[[Scenario], None]:
    """Runs a scenario on a hub of its own."""
    return lambda scenario: live_through(tmp_path / "hub.sqlite", plans, clock, scenario)


@pytest.fixture
def postgresql() -> DatabaseServer:
    """Debian's PostgreSQL."""
    return postgresql_server()


@pytest.fixture
def source(postgresql: DatabaseServer) -> Iterator[str]:
    """A small database."""
    with fresh_database(postgresql) as name:
        run_sql(postgresql, ["CREATE TABLE t (a text)", "INSERT INTO t VALUES ('ñandú 🚀')"], database=name)
        yield name
