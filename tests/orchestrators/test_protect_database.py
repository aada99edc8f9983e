"""The eternal plan of one database: what it does when something is in its way, gone, changed or silent."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from entities.backup_slots import INSTALLATION
from local.cloud.cloud import LocalCloud
from local.servers import DatabaseServer
from local.taskhub.entity_id import EntityId
from shared import claims, config, history
from shared.config import store
from shared.models.database import DatabaseConfig
from shared.models.run import RunRecord, RunStatus, Trigger
from shared.storage.blobs import list_blobs
from tests.support.cloud import forget_settings
from tests.support.loopback_ports import closed_port
from tests.support.plans import NOON, Life, Scenario, new_backup_id, register

DAY = timedelta(days=1)
Live = Callable[[Scenario], None]


def due_at_noon(server: DatabaseServer, database: str, **fields: Any) -> DatabaseConfig:
    """A database that is due now, at noon, and then every day."""
    return register(server, database, **{"created_at": NOON - DAY, **fields})


def runs(database: DatabaseConfig) -> list[RunRecord]:
    return history.recent(database.id, 10, tenant=None)


def phase(life: Life, database: DatabaseConfig) -> str:
    status = life.hub.status(f"protect-{database.id}")
    assert status is not None
    return str(status["customStatus"]["phase"])


def slots_held(life: Life) -> list[str]:
    state = life.hub.read_entity(EntityId("backup_slots", INSTALLATION))
    return [] if state is None else [owner for owner in state.split('"') if owner.startswith("backup-")]


@contextmanager
def silent_configuration(cloud: LocalCloud) -> Iterator[None]:
    """App Configuration answers 503 to everything, and the product does not wait long for it."""
    url = f"{cloud.environment()['AZURE_APPCONFIG_ENDPOINT']}/local/faults"
    trusted = ssl.create_default_context(cafile=cloud.ca_certificate)
    with pytest.MonkeyPatch.context() as patch, httpx.Client(verify=trusted) as switch:
        patch.setattr("shared.config.store.PATIENCE_SECONDS", 0.1)
        store._client_of.cache_clear()
        switch.put(url, json={"count": 10_000, "status": 503}).raise_for_status()
        try:
            yield
        finally:
            switch.put(url, json={"count": 0}).raise_for_status()
            store._client_of.cache_clear()


@contextmanager
def silent_tables() -> Iterator[None]:
    """Nobody listens where the tables were."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKUP_TABLES_ACCOUNT", f"https://127.0.0.1:{closed_port()}/devstoreaccount1")
        forget_settings()
        yield
    forget_settings()


def test_a_run_that_gets_no_slot_is_asked_for_again_each_minute(
    live: Live, postgresql: DatabaseServer, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKUP_MAX_CONCURRENT", "1")
    forget_settings()
    database = due_at_noon(postgresql, source)

    async def scenario(life: Life) -> None:
        await life.hold_slot(minutes=2.5)
        await life.protect(database)
        await life.live(seconds=179)
        assert phase(life, database) == "waiting for a slot"
        assert runs(database) == []
        await life.live(seconds=2)
        assert slots_held(life) == []

    live(scenario)

    [run] = runs(database)
    assert (run.status, run.due_at, run.started_at) == (RunStatus.COMPLETED, NOON, NOON + timedelta(minutes=3))


def test_a_due_run_is_skipped_while_another_one_runs(live: Live, postgresql: DatabaseServer, source: str) -> None:
    database = due_at_noon(postgresql, source)
    running = new_backup_id(NOON)
    claims.take(database.id, running, seconds=600)

    async def scenario(life: Life) -> None:
        await life.protect(database)
        await life.live(hours=23)
        assert slots_held(life) == []
        await life.live(hours=2)

    live(scenario)

    later, skipped = runs(database)
    assert (skipped.status, skipped.due_at, skipped.blob) == (RunStatus.SKIPPED, NOON, None)
    assert skipped.error is not None
    assert skipped.error.code == "conflict"
    assert running in skipped.error.message
    assert (later.status, later.due_at, later.trigger) == (RunStatus.COMPLETED, NOON + DAY, Trigger.SCHEDULED)


def test_the_slot_of_a_run_is_free_again_although_the_plan_that_took_it_was_terminated(
    live: Live, postgresql: DatabaseServer, source: str
) -> None:
    database = due_at_noon(postgresql, source, port=closed_port())

    async def scenario(life: Life) -> None:
        plan = await life.protect(database)
        await life.live(seconds=1)
        assert len(slots_held(life)) == 1
        await life.hub.terminate(plan, "by hand")
        await life.live(minutes=5)
        assert slots_held(life) == []

    live(scenario)

    [run] = runs(database)
    assert run.status is RunStatus.FAILED


def test_the_plan_ends_when_its_configuration_is_gone(live: Live, postgresql: DatabaseServer, source: str) -> None:
    database = register(postgresql, source)

    async def scenario(life: Life) -> None:
        plan = await life.protect(database)
        config.databases.delete(database.id, tenant=None)
        await life.live(minutes=15)
        assert phase(life, database) == "ended"
        assert life.output(plan) is None

    live(scenario)

    assert runs(database) == []


def test_a_disabled_database_is_left_alone_and_misses_nothing(
    live: Live, postgresql: DatabaseServer, source: str
) -> None:
    database = due_at_noon(postgresql, source, enabled=False)

    async def scenario(life: Life) -> None:
        await life.protect(database)
        await life.live(hours=30)
        assert runs(database) == []
        config.databases.update(database.id, lambda old: old.model_copy(update={"enabled": True}), tenant=None)
        await life.live(hours=17)
        assert runs(database) == []
        await life.live(hours=2)

    live(scenario)

    assert [(run.due_at, run.trigger) for run in runs(database)] == [(NOON + 2 * DAY, Trigger.SCHEDULED)]


@pytest.mark.parametrize(("woken", "started_after_minutes"), [(True, 5), (False, 15)], ids=["woken", "not woken"])
def test_wake_shortens_the_wait_and_nothing_depends_on_it(
    live: Live, postgresql: DatabaseServer, source: str, woken: bool, started_after_minutes: int
) -> None:
    database = register(postgresql, source)

    def due_in_five_minutes(old: DatabaseConfig) -> DatabaseConfig:
        return old.model_copy(update={"starts_at": NOON + timedelta(minutes=5), "frequency": "1h"})

    async def scenario(life: Life) -> None:
        plan = await life.protect(database)
        await life.live(minutes=1)
        config.databases.update(database.id, due_in_five_minutes, tenant=None)
        if woken:
            await life.hub.raise_event(plan, "wake", "{}")
        await life.live(minutes=20)

    live(scenario)

    [run] = runs(database)
    assert run.due_at == NOON + timedelta(minutes=5)
    assert run.started_at == NOON + timedelta(minutes=started_after_minutes)


def test_the_plan_goes_on_from_the_last_known_copy_while_app_configuration_is_silent(
    live: Live, cloud: LocalCloud, postgresql: DatabaseServer, source: str
) -> None:
    database = register(postgresql, source, frequency="1h")

    async def scenario(life: Life) -> None:
        await life.protect(database)
        await life.live(minutes=1)  # read once, or there is no copy
        with silent_configuration(cloud):
            await life.live(hours=1.5)

    live(scenario)

    assert [(run.status, run.due_at) for run in runs(database)] == [(RunStatus.COMPLETED, NOON + timedelta(hours=1))]


def test_the_plan_waits_while_nothing_answers_and_then_catches_up_once(
    live: Live, cloud: LocalCloud, postgresql: DatabaseServer, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHEDULER_INTERVAL", "5m")
    forget_settings()
    database = register(postgresql, source, frequency="15m")

    async def scenario(life: Life) -> None:
        await life.protect(database)
        await life.live(minutes=14)
        life.clock.move_to(NOON + timedelta(minutes=31))
        with silent_configuration(cloud), silent_tables():
            await life.hub.run_until_idle()
            assert phase(life, database) == "waiting for configuration"
        await life.live(minutes=2)

    live(scenario)

    [run] = runs(database)
    assert (run.status, run.trigger) == (RunStatus.COMPLETED, Trigger.CATCH_UP)
    assert (run.due_at, run.started_at) == (NOON + timedelta(minutes=30), NOON + timedelta(minutes=32))


def test_a_claim_that_cannot_be_asked_for_is_asked_for_again_and_gives_its_slot_back(
    live: Live, postgresql: DatabaseServer, source: str
) -> None:
    database = register(postgresql, source, frequency="1h")

    async def scenario(life: Life) -> None:
        await life.protect(database)
        await life.live(minutes=59)
        with silent_tables():
            await life.live(minutes=1)
            assert phase(life, database) == "waiting for a slot"
            assert slots_held(life) == []
        await life.live(minutes=2)

    live(scenario)

    [run] = runs(database)
    assert (run.status, run.due_at) == (RunStatus.COMPLETED, NOON + timedelta(hours=1))
    assert run.started_at == NOON + timedelta(minutes=61)


def test_a_run_whose_plan_is_terminated_gets_its_row_its_notice_and_frees_claim_and_slot(
    live: Live, postgresql: DatabaseServer, source: str, caplog: pytest.LogCaptureFixture
) -> None:
    database = due_at_noon(postgresql, source, port=closed_port())

    async def scenario(life: Life) -> None:
        await life.protect(database)
        await life.live(seconds=1)  # the first attempt has failed, and the run waits for the next one
        [running] = runs(database)
        assert slots_held(life) == [running.backup_id]
        await life.hub.terminate(running.backup_id, "by hand")
        await life.live(seconds=1)
        assert slots_held(life) == []
        assert phase(life, database) == "waiting"

    live(scenario)

    [run] = runs(database)
    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert "by hand" in run.error.message
    assert run.notified_at is not None
    assert f"backup failed: {run.backup_id}" in caplog.text
    assert claims.holder(database.id) is None
    assert list(list_blobs(database.storage_container)) == []
