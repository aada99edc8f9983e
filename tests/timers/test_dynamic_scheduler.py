"""DynamicScheduler over the SDK's own client: starts what is missing, ends what is lost, and stops at no fault."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import azure.durable_functions as df
import pytest
import uvicorn
from azure.durable_functions.models.utils import http_utils
from starlette.applications import Starlette
from starlette.routing import Mount

from activities.record_run import record_run
from local.servers import DatabaseServer
from local.taskhub.client_links import RPC_PREFIX, WEBHOOK_PREFIX
from local.taskhub.management import management_routes
from orchestrators.insist import PATIENCE
from shared import claims, history, naming
from shared.durable_client import DurableClient
from shared.errors import ConfigurationUnavailable
from shared.models.database import DatabaseConfig
from shared.models.run import RunRecord, RunStatus, Trigger
from tests.support.configuration import set_key
from tests.support.failing import Failing
from tests.support.loopback_ports import closed_port
from tests.support.plans import NOON, TENANT, Life, Scenario, register
from timers.dynamic_scheduler import dynamic_scheduler

Live = Callable[[Scenario], None]
QUARTER = timedelta(minutes=15)


@asynccontextmanager
async def client_of(life: Life) -> AsyncIterator[DurableClient]:
    """The durable client as a timer is handed it, on a real server before the hub."""
    routes = management_routes(life.hub)
    front = Starlette(routes=[Mount(WEBHOOK_PREFIX, routes=routes), Mount(RPC_PREFIX, routes=routes)])
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(front, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        binding = life.hub.client_binding(f"http://127.0.0.1:{listener.getsockname()[1]}")
        yield DurableClient(df.DurableOrchestrationClient(binding), asyncio.get_running_loop())
    finally:
        await http_utils._close_session()  # the SDK keeps one for the whole process
        server.should_exit = True
        await serving
        listener.close()


async def tick(life: Life) -> None:
    """The timer goes off, and what it started runs."""
    async with client_of(life) as client:
        await asyncio.to_thread(dynamic_scheduler.run, client)
    await life.live(seconds=1)


def state_of(life: Life, database: DatabaseConfig) -> str:
    status = life.hub.status(f"protect-{database.id}")
    return "missing" if status is None else str(status["runtimeStatus"])


def run_without_plan(database: DatabaseConfig, started_ago: timedelta, **fields: Any) -> RunRecord:
    """The row and the claim of a run that nobody works on."""
    started_at = NOON - started_ago
    run = RunRecord(
        backup_id=naming.backup_id(started_at, naming.random_six()),
        database_id=database.id,
        tenant_id=TENANT,
        database_name=database.name,
        trigger=Trigger.MANUAL,
        status=RunStatus.IN_PROGRESS,
        started_at=started_at,
        **fields,
    )
    history.record(run)
    claims.take(database.id, run.backup_id, seconds=3600)
    return run


def test_a_database_without_a_plan_gets_one_and_only_one(live: Live, postgresql: DatabaseServer, source: str) -> None:
    database = register(postgresql, source)

    async def scenario(life: Life) -> None:
        await tick(life)
        created = life.hub.status(f"protect-{database.id}")
        await tick(life)
        assert state_of(life, database) in ("Running", "Pending")
        assert created is not None
        assert (life.hub.status(f"protect-{database.id}") or {})["createdTime"] == created["createdTime"]

    live(scenario)


def test_a_plan_that_was_ended_by_hand_is_started_again(live: Live, postgresql: DatabaseServer, source: str) -> None:
    database = register(postgresql, source)

    async def scenario(life: Life) -> None:
        plan = await life.protect(database)
        await life.live(seconds=1)
        await life.hub.terminate(plan, "by hand")
        await tick(life)
        assert state_of(life, database) in ("Running", "Pending")

    live(scenario)


def test_a_document_that_cannot_be_read_and_one_that_cannot_be_planned_keep_no_other_waiting(
    live: Live, postgresql: DatabaseServer, source: str, caplog: pytest.LogCaptureFixture
) -> None:
    set_key("databases:aaa_broken", "{not JSON")
    unplanned = register(postgresql, source, id="aaa_unplanned", schedule="not a schedule", frequency=None)
    database = register(postgresql, source)

    async def scenario(life: Life) -> None:
        await tick(life)
        assert state_of(life, database) in ("Running", "Pending")
        assert (life.hub.status(f"protect-{unplanned.id}") or {})["customStatus"] == {
            "phase": "waiting for configuration"
        }

    live(scenario)

    assert "configuration cannot be read" in caplog.text


def test_a_durable_engine_that_does_not_answer_is_told_for_each_database(
    live: Live, postgresql: DatabaseServer, source: str, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = register(postgresql, source), register(postgresql, source)

    async def scenario(life: Life) -> None:
        binding = life.hub.client_binding(f"http://127.0.0.1:{closed_port()}")
        client = DurableClient(df.DurableOrchestrationClient(binding), asyncio.get_running_loop())
        try:
            await asyncio.to_thread(dynamic_scheduler.run, client)
        finally:
            await http_utils._close_session()  # the SDK keeps one for the whole process
        await tick(life)

    live(scenario)

    told = [line for line in caplog.records if line.message == "database not reconciled"]
    assert {getattr(line, "database_id", "") for line in told} == {first.id, second.id}


def test_a_run_without_a_plan_is_ended_told_and_its_claim_freed(
    live: Live, postgresql: DatabaseServer, source: str, caplog: pytest.LogCaptureFixture
) -> None:
    database = register(postgresql, source)
    lost = run_without_plan(database, QUARTER)

    async def scenario(life: Life) -> None:
        await tick(life)
        await tick(life)

    live(scenario)

    run = history.get(lost.backup_id, tenant=None)
    assert run is not None
    assert (run.status, run.error and run.error.code, run.database_name) == (
        RunStatus.FAILED,
        "worker_lost",
        database.name,
    )
    assert run.notified_at is not None
    assert caplog.text.count(f"backup failed: {lost.backup_id}") == 1
    assert claims.holder(database.id) is None


def test_a_proven_backup_that_silent_tables_did_not_note_is_not_lost(
    live: Live, postgresql: DatabaseServer, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BR-89."""
    database = register(postgresql, source)
    Failing(monkeypatch, record_run, ConfigurationUnavailable("Silence."), times=PATIENCE.retries + 1)

    async def scenario(life: Life) -> None:
        life.asked.append(await life.back_up(database))
        await life.live(minutes=15)
        row = history.get(life.asked[0], tenant=None)
        assert row is not None
        assert row.status is RunStatus.IN_PROGRESS
        await tick(life)
        row = history.get(life.asked[0], tenant=None)
        assert row is not None
        assert row.is_verified
        assert row.blob is not None

    live(scenario)

    assert claims.holder(database.id) is None


def test_a_run_that_was_asked_for_a_moment_ago_is_left_alone(
    live: Live, postgresql: DatabaseServer, source: str
) -> None:
    database = register(postgresql, source)
    young = run_without_plan(database, QUARTER - timedelta(seconds=1))

    live(tick)

    run = history.get(young.backup_id, tenant=None)
    assert run is not None
    assert run.status is RunStatus.IN_PROGRESS


def test_a_run_whose_plan_works_is_left_alone(live: Live, postgresql: DatabaseServer, source: str) -> None:
    database = register(postgresql, source, port=closed_port())

    async def scenario(life: Life) -> None:
        life.asked.append(await life.back_up(database))
        await life.live(seconds=1)
        row = history.get(life.asked[0], tenant=None)
        assert row is not None
        history.record(row.model_copy(update={"started_at": NOON - 2 * QUARTER}))
        await tick(life)
        row = history.get(life.asked[0], tenant=None)
        assert row is not None
        assert row.status is RunStatus.IN_PROGRESS

    live(scenario)
