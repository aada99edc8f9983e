"""A run as a plan: its good end, each bad end, retries, breaker, slots, claims; each replayed over its history."""

from collections.abc import Callable
from typing import Any

import azure.durable_functions as df
import pytest

from entities.circuit_breaker import OPEN_SECONDS
from local.servers import DatabaseServer
from local.taskhub.clock import FakeClock
from shared import claims, history, manifest, progress
from shared.models.database import DatabaseConfig
from shared.models.run import RunRecord, RunStatus, Trigger
from shared.storage.blobs import list_blobs, tags_of
from tests.support.cloud import forget_settings
from tests.support.databases import fresh_database, mariadb_server, postgresql_server, run_sql
from tests.support.loopback_ports import closed_port
from tests.support.plans import Life, Scenario, register


def row(backup_id: str) -> RunRecord:
    found = history.get(backup_id, tenant=None)
    assert found is not None
    return found


def blobs(database: DatabaseConfig) -> list[str]:
    return [blob.address.name for blob in list_blobs(database.storage_container)]


@pytest.mark.parametrize("family", ["mysql", "postgresql"])
def test_a_run_leaves_a_verified_blob_its_manifest_and_its_row(
    live: Callable[[Scenario], None], family: str, plans: df.DFApp
) -> None:
    server = mariadb_server() if family == "mysql" else postgresql_server()
    with fresh_database(server) as name:
        run_sql(server, ["CREATE TABLE t (a varchar(9))", "INSERT INTO t VALUES ('ñandú 🚀')"], database=name)
        database = register(server, name)

        async def scenario(life: Life) -> None:
            life.asked.append(await life.back_up(database))
            await life.live(seconds=1)
            assert life.output(life.asked[0])["status"] == "completed"
            assert life.hub.status(life.asked[0])["customStatus"] == {"phase": "done"}  # type: ignore[index]  # it is there

        asked: list[str] = []

        async def noting(life: Life) -> None:
            await scenario(life)
            asked.extend(life.asked)

        live(noting)

    run = row(asked[0])
    assert run.blob is not None
    assert run.is_verified
    assert run.tables == 1
    assert run.attempts == 1
    assert run.notified_at is not None
    assert blobs(database) == sorted([run.blob.name.partition(".")[0] + ".manifest.json", run.blob.name])
    assert tags_of(run.blob)["verdict"] == "verified"
    assert manifest.read_manifest(run.blob).dump.sha256_stored == run.sha256_stored
    assert claims.holder(database.id) is None
    shown = progress.read(asked[0])
    assert shown is not None
    assert shown.percent == 100


@pytest.mark.parametrize(
    ("fields", "password", "code", "attempts"),
    [
        ({}, "not the password", "invalid_credentials", 1),
        ({"database": "nowhere"}, None, "unknown_database", 1),
        ({"host": "no-such-host.invalid"}, None, "unknown_host", 1),
        ({"port": closed_port()}, None, "connection_failed", 6),
        ({"storage_container": "Not-A-Container"}, None, "invalid_container", 1),
        ({"ssl_mode": "require"}, None, "tls_failed", 1),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_run_that_cannot_succeed_fails_with_its_reason_and_leaves_nothing(
    live: Callable[[Scenario], None],
    postgresql: DatabaseServer,
    source: str,
    fields: dict[str, Any],
    password: str | None,
    code: str,
    attempts: int,
) -> None:
    database = register(postgresql, password=password, **{"database": source, **fields})
    asked: list[str] = []

    async def scenario(life: Life) -> None:
        asked.append(await life.back_up(database))
        await life.live(minutes=5)
        assert life.output(asked[0])["error"]["code"] == code

    live(scenario)

    run = row(asked[0])
    assert (run.status, run.error and run.error.code, run.attempts) == (RunStatus.FAILED, code, attempts)
    assert run.blob is None
    assert not run.is_verified
    if code != "invalid_container":
        assert blobs(database) == []
    assert claims.holder(database.id) is None


def test_waits_between_attempts_double_from_two_seconds(
    live: Callable[[Scenario], None], postgresql: DatabaseServer, source: str, clock: FakeClock
) -> None:
    database = register(postgresql, source, port=closed_port())
    asked: list[str] = []

    async def scenario(life: Life) -> None:
        asked.append(await life.back_up(database))
        await life.live(minutes=5)

    live(scenario)

    run = row(asked[0])
    assert run.ended_at is not None
    assert 62 * 0.75 <= (run.ended_at - run.started_at).total_seconds() <= 62 * 1.25


def test_five_failed_runs_open_the_breaker_and_a_probe_is_let_through_later(
    live: Callable[[Scenario], None], postgresql: DatabaseServer, source: str
) -> None:
    database = register(postgresql, "nowhere")
    asked: list[str] = []

    async def scenario(life: Life) -> None:
        for _ in range(6):
            asked.append(await life.back_up(database))
            await life.live(seconds=1)
        await life.live(seconds=OPEN_SECONDS)
        asked.append(await life.back_up(database))
        await life.live(seconds=1)

    live(scenario)

    codes = [run.error.code for run in map(row, asked) if run.error]
    assert codes == ["unknown_database"] * 5 + ["breaker_open", "unknown_database"]
    assert row(asked[5]).attempts == 0


def test_a_run_waits_for_a_slot_and_takes_it_when_it_is_free(
    live: Callable[[Scenario], None], postgresql: DatabaseServer, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKUP_MAX_CONCURRENT", "1")
    forget_settings()
    database = register(postgresql, source)
    asked: list[str] = []

    async def scenario(life: Life) -> None:
        await life.hold_slot(minutes=4)
        asked.append(await life.back_up(database))
        await life.live(minutes=3)
        assert life.hub.status(asked[0])["customStatus"] == {"phase": "queued"}  # type: ignore[index]  # it is there
        await life.live(minutes=3)
        assert life.output(asked[0])["status"] == "completed"

    live(scenario)


def test_a_run_gives_up_after_ten_minutes_without_a_slot(
    live: Callable[[Scenario], None], postgresql: DatabaseServer, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKUP_MAX_CONCURRENT", "1")
    forget_settings()
    database = register(postgresql, source)
    asked: list[str] = []

    async def scenario(life: Life) -> None:
        await life.hold_slot(minutes=60)
        asked.append(await life.back_up(database))
        await life.live(minutes=11)

    live(scenario)

    assert (row(asked[0]).error or pytest.fail("no error")).code == "no_slot"
    assert claims.holder(database.id) is None


def test_a_run_that_is_cancelled_while_it_waits_ends_cancelled(
    live: Callable[[Scenario], None], postgresql: DatabaseServer, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKUP_MAX_CONCURRENT", "1")
    forget_settings()
    database = register(postgresql, source)
    asked: list[str] = []

    async def scenario(life: Life) -> None:
        await life.hold_slot(minutes=60)
        asked.append(await life.back_up(database))
        await life.live(seconds=10)
        assert claims.cancel(database.id, asked[0])
        await life.live(minutes=3)

    live(scenario)

    assert row(asked[0]).status is RunStatus.CANCELLED


def test_a_run_whose_claim_another_one_holds_fails_without_touching_it(
    live: Callable[[Scenario], None], postgresql: DatabaseServer, source: str, clock: FakeClock
) -> None:
    database = register(postgresql, source)
    claims.take(database.id, "backup-20260301-110000-other1", seconds=86_400)
    asked: list[str] = []

    async def scenario(life: Life) -> None:
        asked.append(await life.back_up(database, trigger=Trigger.SCHEDULED))
        await life.live(seconds=1)

    live(scenario)

    assert (row(asked[0]).error or pytest.fail("no error")).code == "conflict"
    held = claims.holder(database.id)
    assert held is not None
    assert held.backup_id == "backup-20260301-110000-other1"


def test_a_run_past_its_deadline_stops_trying(
    live: Callable[[Scenario], None], postgresql: DatabaseServer, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKUP_TIMEOUT", "10s")
    forget_settings()
    database = register(postgresql, source, port=closed_port())
    asked: list[str] = []

    async def scenario(life: Life) -> None:
        asked.append(await life.back_up(database))
        await life.live(minutes=5)

    live(scenario)

    error = row(asked[0]).error
    assert error is not None
    assert error.code == "timeout"
    assert "last error" in error.message
