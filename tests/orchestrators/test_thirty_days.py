"""A database lives through thirty simulated days: changes of its schedule, downtime, a daylight-saving night."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import pytest
from pydantic import SecretStr

from local.cloud.cloud import LocalCloud
from local.taskhub.clock import FakeClock
from shared import config, history, secrets
from shared.models.database import DatabaseConfig, DatabaseType, SslMode
from shared.models.run import ProtectRequest, RunRecord, RunStatus, Trigger
from tests.support.cloud import fresh_id
from tests.support.databases import fresh_database, postgresql_server, run_sql
from tests.support.in_process import advance, running_hub, start

START = datetime(2026, 3, 15, 10, 7, 30, tzinfo=UTC)
DAYS = 30

# Made by hand, from a calendar. Madrid goes from +01:00 to +02:00 in the night to 29 March, at 02:00.
# 1. every day from the creation on, 15 to 19 March
# 2. every 12 hours from 20 March 12:00 on: the grid keeps the anchor of the creation
# 3. 23 March 20:00 to 25 March 08:00 disabled: nothing is due, nothing is missed
# 4. 26 March 12:00 on, a cron at 02:30 in Madrid: 01:30 UTC, in the short night 01:00 UTC (03:00), then 00:30 UTC
# 5. the host is down from 5 April 18:00 to 6 April 06:00: one catch-up, whatever was missed
# 6. 10 April 12:00 on, every 6 hours again: the grid keeps the anchor
DUE = [
    "2026-03-16T10:07:30", "2026-03-17T10:07:30", "2026-03-18T10:07:30", "2026-03-19T10:07:30", "2026-03-20T10:07:30",
    "2026-03-20T22:07:30", "2026-03-21T10:07:30", "2026-03-21T22:07:30", "2026-03-22T10:07:30", "2026-03-22T22:07:30",
    "2026-03-23T10:07:30",
    "2026-03-25T10:07:30", "2026-03-25T22:07:30", "2026-03-26T10:07:30",
    "2026-03-27T01:30:00", "2026-03-28T01:30:00", "2026-03-29T01:00:00", "2026-03-30T00:30:00", "2026-03-31T00:30:00",
    "2026-04-01T00:30:00", "2026-04-02T00:30:00", "2026-04-03T00:30:00", "2026-04-04T00:30:00", "2026-04-05T00:30:00",
    "2026-04-06T00:30:00",
    "2026-04-07T00:30:00", "2026-04-08T00:30:00", "2026-04-09T00:30:00", "2026-04-10T00:30:00",
    "2026-04-10T16:07:30", "2026-04-10T22:07:30", "2026-04-11T04:07:30", "2026-04-11T10:07:30", "2026-04-11T16:07:30",
    "2026-04-11T22:07:30", "2026-04-12T04:07:30", "2026-04-12T10:07:30", "2026-04-12T16:07:30", "2026-04-12T22:07:30",
    "2026-04-13T04:07:30", "2026-04-13T10:07:30", "2026-04-13T16:07:30", "2026-04-13T22:07:30", "2026-04-14T04:07:30",
    "2026-04-14T10:07:30",
]  # fmt: skip
CAUGHT_UP = "2026-04-06T00:30:00"

Change = Callable[[DatabaseConfig], DatabaseConfig]
EVENTS: list[tuple[datetime, dict[str, Any]]] = [
    (datetime(2026, 3, 20, 12, tzinfo=UTC), {"frequency": "12h"}),
    (datetime(2026, 3, 23, 20, tzinfo=UTC), {"enabled": False}),
    (datetime(2026, 3, 25, 8, tzinfo=UTC), {"enabled": True}),
    (
        datetime(2026, 3, 26, 12, tzinfo=UTC),
        {"frequency": None, "schedule": "30 2 * * *", "time_zone": "Europe/Madrid"},
    ),
    (datetime(2026, 4, 10, 12, tzinfo=UTC), {"frequency": "6h", "schedule": None}),
]
DOWN_FROM, DOWN_UNTIL = datetime(2026, 4, 5, 18, tzinfo=UTC), datetime(2026, 4, 6, 6, tzinfo=UTC)


def protected_database(database: str) -> DatabaseConfig:
    """The configuration and the secrets of a small PostgreSQL database."""
    server = postgresql_server()
    made = DatabaseConfig(
        id=fresh_id("thirty"),
        tenant_id="tenant",
        name="Thirty days",
        type=DatabaseType.POSTGRESQL_VM,
        host=server.host,
        port=server.port,
        username=server.admin_user,
        ssl_mode=SslMode.DISABLE,
        database=database,
        frequency="1d",
        created_at=START,
        storage_container="thirty-days",
        retention_days=7,
    )
    secrets.store(made.secret_slug, secrets.Credentials(server.admin_user, SecretStr(server.admin_password)))
    config.databases.create(made)
    return made


async def live(path: Path, app: df.DFApp, made: DatabaseConfig, clock: FakeClock) -> dict[str, Any]:
    """Lives the thirty days; gives what the hubs saw."""
    generations = 0
    longest: dict[str, int] = {}

    def count(hub: Any) -> None:
        nonlocal generations
        turns = [turn for turn in hub.recorded_histories() if turn.name == "protect_database"]
        generations += len({turn.execution_id for turn in turns})
        for name, events in hub.longest_history.items():
            longest[name] = max(longest.get(name, 0), events)

    changes = dict(EVENTS)
    moments = sorted([*changes, DOWN_FROM])
    async with running_hub(path, app, clock=clock, record=True) as hub:
        request = ProtectRequest(database_id=made.id, tenant_id=made.tenant_id)
        await start(hub, "protect_database", request.model_dump(mode="json"), instance_id=f"protect-{made.id}")
        for moment in [moment for moment in moments if moment <= DOWN_FROM]:
            await advance(hub, clock, moment - clock.now())
            if moment in changes:
                config.databases.update(made.id, lambda old: old.model_copy(update=changes[moment]), tenant=None)  # noqa: B023  # called at once
        count(hub)
    clock.move_to(DOWN_UNTIL)
    async with running_hub(path, app, clock=clock, record=True) as hub:
        for moment in [moment for moment in moments if moment > DOWN_FROM]:
            await advance(hub, clock, moment - clock.now())
            config.databases.update(made.id, lambda old: old.model_copy(update=changes[moment]), tenant=None)  # noqa: B023  # called at once
        await advance(hub, clock, START + timedelta(days=DAYS) - clock.now())
        count(hub)
        status = hub.status(f"protect-{made.id}")
    return {"generations": generations, "longest": longest, "status": status}


@pytest.fixture
def month(
    cloud: LocalCloud, plans: df.DFApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Any], list[RunRecord], DatabaseConfig]:
    """What the hubs saw, and the runs of the month, oldest first."""
    clock = FakeClock(START)
    monkeypatch.setattr("shared.clock.now", clock.now)
    with fresh_database(postgresql_server()) as database:
        run_sql(postgresql_server(), ["CREATE TABLE t (id int)", "INSERT INTO t VALUES (1)"], database=database)
        made = protected_database(database)
        seen = asyncio.run(live(tmp_path / "hub.sqlite", plans, made, clock))
    return seen, list(reversed(history.recent(made.id, 500, tenant=None))), made


def test_every_due_time_of_a_month_is_answered_once_and_no_generation_grows_long(
    month: tuple[dict[str, Any], list[RunRecord], DatabaseConfig],
) -> None:
    seen, runs, _ = month

    assert [run.due_at.strftime("%Y-%m-%dT%H:%M:%S") for run in runs if run.due_at] == DUE
    assert {run.status for run in runs} == {RunStatus.COMPLETED}
    caught_up = [run for run in runs if run.trigger is Trigger.CATCH_UP]
    assert [run.due_at and run.due_at.strftime("%Y-%m-%dT%H:%M:%S") for run in caught_up] == [CAUGHT_UP]
    assert caught_up[0].started_at == DOWN_UNTIL
    late = [(run.started_at - run.due_at).total_seconds() for run in runs if run.due_at and run not in caught_up]
    assert max(late) < 1
    assert seen["status"]["runtimeStatus"] in ("Running", "Pending")
    assert seen["generations"] >= 2800
    assert max(seen["longest"].values()) <= 150, seen["longest"]
    kept = [run for run in runs if run.deleted_at is None]
    assert min(run.started_at for run in kept) >= START + timedelta(days=DAYS - 7) - timedelta(hours=6)
    assert len(kept) < len(runs)
