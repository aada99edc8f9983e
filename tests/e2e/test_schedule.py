"""A schedule from the outside: a run when it is due, changes that take effect at once, an end with its database."""

import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from local.api_client import ApiRefused
from local.taskhub.client_links import RPC_PREFIX
from tests.support.databases import fresh_database, postgresql_server, run_sql
from tests.support.installation import FINAL, Installation
from tests.support.interference import until

SOON = timedelta(seconds=3)


@pytest.fixture(scope="module")
def source() -> Iterator[str]:
    """A small database."""
    with fresh_database(postgresql_server()) as name:
        run_sql(postgresql_server(), ["CREATE TABLE t (a int)"], database=name)
        yield name


def moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def soon() -> datetime:
    return (datetime.now(UTC) + SOON).replace(microsecond=0)


def plan_of(installed: Installation, database_id: str) -> dict[str, Any]:
    """The eternal plan of a database, as the durable engine tells of it."""
    url = f"{installed.host.url}{RPC_PREFIX}/instances/protect-{database_id}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def waits(installed: Installation, database_id: str) -> None:
    until(lambda: plan_of(installed, database_id)["customStatus"] == {"phase": "waiting"}, "the plan to wait")


def first_run(installed: Installation, database_id: str) -> dict[str, Any]:
    """The only run of a database, once it has ended."""
    until(lambda: any(run["status"] in FINAL for run in installed.history(database_id)), "a scheduled run")
    [run] = installed.history(database_id)
    return run


def test_a_database_is_backed_up_when_it_is_due(installed: Installation, source: str) -> None:
    due = soon()

    database_id = installed.register(postgresql_server(), source, frequency="15m", starts_at=moment(due))

    run = first_run(installed, database_id)
    assert (run["status"], run["trigger"]) == ("completed", "scheduled")
    assert timedelta(0) <= datetime.fromisoformat(run["timestamp"]) - due <= timedelta(seconds=20)


def test_a_changed_schedule_takes_effect_at_once(installed: Installation, source: str) -> None:
    database_id = installed.register(postgresql_server(), source, frequency="1d")
    waits(installed, database_id)

    installed.admin.put(f"/databases/{database_id}", {"frequency": "15m", "starts_at": moment(soon())})

    assert first_run(installed, database_id)["status"] == "completed"


def test_a_database_that_is_disabled_in_time_is_not_backed_up_until_somebody_asks(
    installed: Installation, source: str
) -> None:
    due = soon()
    database_id = installed.register(postgresql_server(), source, frequency="15m", starts_at=moment(due))
    installed.admin.put(f"/databases/{database_id}", {"enabled": False})

    until(lambda: datetime.now(UTC) > due + SOON, "the due time to pass")
    assert installed.history(database_id) == []

    assert installed.backed_up(database_id)["status"] == "completed"


def test_the_plan_of_a_deleted_database_ends_and_its_backups_stay(installed: Installation, source: str) -> None:
    database_id = installed.register(postgresql_server(), source)
    assert installed.backed_up(database_id)["status"] == "completed"
    waits(installed, database_id)

    with httpx.Client(base_url=f"{installed.host.url}/api") as client:
        headers = {"Authorization": f"Bearer {installed.host.token(['Backup.Admin'])}"}
        assert client.delete(f"/databases/{database_id}", headers=headers).status_code == 200

    until(lambda: plan_of(installed, database_id)["runtimeStatus"] == "Completed", "the plan to end")
    [kept] = installed.reader.get(f"/backups?database_id={database_id}")["backups"]
    assert kept["status"] == "completed"
    with pytest.raises(ApiRefused) as refusal:
        installed.trigger(database_id)
    assert refusal.value.status == 404
