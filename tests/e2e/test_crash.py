"""The host is killed at named points of a run and started again: every run ends well, and nothing is left over."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from local.servers import DatabaseServer
from tests.support.bulk import fill
from tests.support.crash import POINTS, RETENTION_DAYS, CrashingInstallation, crashing_installation
from tests.support.databases import fresh_database, mariadb_server, postgresql_server
from tests.support.stored_state import stored_state

MEGABYTES = 24
DUMP_TOOLS = ("mariadb-dump", "pg_dump")


@pytest.fixture(scope="module")
def sources() -> Iterator[Mapping[str, DatabaseServer]]:
    """A database on each of the two servers, under one name, large enough that a kill falls into its dump."""
    servers = {"mysql": mariadb_server(), "postgresql": postgresql_server()}
    with fresh_database(servers["mysql"], "crash"), fresh_database(servers["postgresql"], "crash"):
        for server in servers.values():
            fill(server, "crash", MEGABYTES)
        yield servers


@pytest.fixture(scope="module")
def crashing(sources: Mapping[str, DatabaseServer]) -> Iterator[CrashingInstallation]:
    """One installation for all kills, its servers outside of the host's process group."""
    folder = Path(tempfile.mkdtemp(prefix="dilux-crash-"))
    try:
        with crashing_installation(folder) as made:
            yield made
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def databases(crashing: CrashingInstallation, sources: Mapping[str, DatabaseServer]) -> list[str]:
    """The ids of both databases, each with a good backup."""
    made = [crashing.installed.register(server, "crash", retention_days=RETENTION_DAYS) for server in sources.values()]
    runs = [crashing.installed.trigger(database) for database in made]
    assert ended(crashing, runs) == ["completed", "completed"]
    return made


def ended(crashing: CrashingInstallation, runs: list[str]) -> list[str]:
    """How runs that go on at the same time have ended."""
    return [crashing.installed.ended(f"/backups/{run}/status")["status"] for run in runs]


@pytest.mark.parametrize("point", POINTS)
def test_a_host_killed_at_a_point_of_a_run_goes_on_and_leaves_nothing_over(
    crashing: CrashingInstallation, sources: Mapping[str, DatabaseServer], databases: list[str], point: str
) -> None:
    crashing.expire_backups()
    crashing.stop_at(point)
    runs = [crashing.installed.trigger(database) for database in databases]

    died = crashing.kill_at(point)
    crashing.start()

    assert crashing.count_hits() == {point: 1}
    assert point != "in_dump" or any(tool in command for tool in DUMP_TOOLS for command in died)
    assert ended(crashing, runs) == ["completed", "completed"]
    crashing.assert_in_order([*sources.values()])
    with stored_state(crashing.home) as state:
        recorded = [run.backup_id for run in state.runs()]
    assert [recorded.count(run) for run in runs] == [1, 1]
    assert ended(crashing, [crashing.installed.trigger(database) for database in databases]) == ["completed"] * 2
