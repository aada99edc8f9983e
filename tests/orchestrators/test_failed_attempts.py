"""What a failed attempt leaves: nothing in storage, whatever was lost on the way, and a history that stays short."""

from collections.abc import Callable
from typing import Any

import pytest

from activities.apply_retention import apply_retention
from activities.begin_run import begin_run
from activities.check_content import check_content
from activities.keep_claim import keep_claim
from activities.notify import notify
from activities.record_run import record_run
from activities.reject_backup import reject_backup
from activities.upload_backup import upload_backup
from activities.write_manifest import write_manifest
from local.servers import DatabaseServer
from orchestrators.insist import PATIENCE
from shared import claims, history
from shared.durable import Activity
from shared.errors import ConfigurationUnavailable, StorageDenied, StorageUnavailable
from shared.models.run import BackupRequest, RunRecord, RunStatus, Trigger
from shared.storage.blobs import list_blobs
from tests.support.cloud import forget_settings
from tests.support.failing import Failing
from tests.support.in_process import start
from tests.support.plans import LONGEST, Life, Scenario, new_backup_id, register

Live = Callable[[Scenario], None]


def row(backup_id: str) -> RunRecord:
    found = history.get(backup_id, tenant=None)
    assert found is not None
    return found


def test_a_commit_whose_answers_are_lost_leaves_no_blob(
    live: Live, postgresql: DatabaseServer, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKUP_RETRIES", "0")
    forget_settings()
    Failing(monkeypatch, upload_backup, StorageUnavailable("No answer."), works_before=True)
    database = register(postgresql, source)
    asked: list[str] = []

    async def scenario(life: Life) -> None:
        asked.append(await life.back_up(database))
        await life.live(minutes=20)

    live(scenario)

    run = row(asked[0])
    assert (run.status, run.error and run.error.code, run.blob) == (RunStatus.FAILED, "storage_unavailable", None)
    assert not list(list_blobs(database.storage_container))


def test_a_run_cancelled_after_its_commit_leaves_no_blob(
    live: Live, postgresql: DatabaseServer, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Failing(monkeypatch, upload_backup, StorageUnavailable("No answer."), times=1, works_before=True)
    database = register(postgresql, source)
    asked: list[str] = []

    async def scenario(life: Life) -> None:
        asked.append(await life.back_up(database))
        await life.live(seconds=1)
        assert len(list(list_blobs(database.storage_container))) == 1
        claims.cancel(database.id, asked[0])
        await life.live(minutes=20)

    live(scenario)

    assert row(asked[0]).status is RunStatus.CANCELLED
    assert not list(list_blobs(database.storage_container))


def test_an_attempt_whose_plan_is_ended_from_outside_leaves_no_blob(
    live: Live, postgresql: DatabaseServer, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Failing(monkeypatch, check_content, StorageUnavailable("No answer."))
    database = register(postgresql, source)
    asked: list[str] = []

    async def scenario(life: Life) -> None:
        asked.append(await life.back_up(database))
        await life.live(seconds=1)
        assert len(list(list_blobs(database.storage_container))) == 1
        await life.hub.terminate(f"{asked[0]}-1", "by hand")
        await life.live(minutes=5)

    live(scenario)

    assert (row(asked[0]).status, row(asked[0]).blob) == (RunStatus.FAILED, None)
    assert not list(list_blobs(database.storage_container))


def test_a_blob_that_cannot_be_taken_back_is_told_in_the_error(
    live: Live, postgresql: DatabaseServer, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Failing(monkeypatch, write_manifest, StorageDenied("No right to write."))
    Failing(monkeypatch, reject_backup, StorageDenied("No right to delete."))
    database = register(postgresql, source)
    asked: list[str] = []

    async def scenario(life: Life) -> None:
        asked.append(await life.back_up(database))
        await life.live(seconds=1)

    live(scenario)

    error = row(asked[0]).error
    assert error is not None
    assert error.message == ("No right to write. What the attempt had stored could not be deleted: No right to delete.")


def test_no_history_grows_long_when_every_step_fails_as_often_as_it_may(
    live: Live, postgresql: DatabaseServer, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    down = ConfigurationUnavailable("The tables are silent.")
    for_a_while: list[Activity[Any, Any]] = [
        keep_claim, begin_run, upload_backup, check_content, record_run, apply_retention,
    ]  # fmt: skip
    for_ever: list[Activity[Any, Any]] = [write_manifest, reject_backup, notify]
    for step in for_a_while:
        Failing(monkeypatch, step, down, times=PATIENCE.retries)
    for step in for_ever:
        Failing(monkeypatch, step, down)
    database = register(postgresql, source)
    asked: list[str] = []
    seen: dict[str, int] = {}

    async def scenario(life: Life) -> None:
        asked.append(await life.back_up(database))
        await life.live(hours=3)
        seen.update(life.hub.longest_history)

    live(scenario)

    assert row(asked[0]).attempts == 6
    assert max(seen.values()) <= LONGEST, seen


def test_a_run_waits_for_a_slot_through_silent_tables_and_then_says_so(
    live: Live, postgresql: DatabaseServer, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Failing(monkeypatch, keep_claim, ConfigurationUnavailable("The tables are silent."))
    database = register(postgresql, source)
    asked: list[str] = []

    async def scenario(life: Life) -> None:
        asked.append(await life.back_up(database))
        await life.live(minutes=11)
        assert max(life.hub.longest_history.values()) <= LONGEST

    live(scenario)

    assert (row(asked[0]).error or pytest.fail("no error")).code == "configuration_unavailable"


def test_a_run_that_begins_although_its_start_was_told_to_have_failed_makes_no_backup(
    live: Live, postgresql: DatabaseServer, source: str
) -> None:
    database = register(postgresql, source)
    asked: list[str] = []
    given_up = ConfigurationUnavailable("The durable engine did not start it.").value()

    async def scenario(life: Life) -> None:
        backup_id = new_backup_id(life.clock.now())
        request = BackupRequest(
            backup_id=backup_id, database_id=database.id, tenant_id=database.tenant_id, trigger=Trigger.MANUAL
        )
        history.record(
            RunRecord(**request.model_dump(), status=RunStatus.FAILED, started_at=life.clock.now(), error=given_up)
        )
        await start(life.hub, "backup_database", request.model_dump(mode="json"), instance_id=backup_id)
        await life.live(seconds=1)
        asked.append(backup_id)

    live(scenario)

    assert (row(asked[0]).status, row(asked[0]).error) == (RunStatus.FAILED, given_up)
    assert not list(list_blobs(database.storage_container))
    assert claims.holder(database.id) is None


def test_an_option_that_was_written_past_the_api_never_reaches_the_tool(
    live: Live, postgresql: DatabaseServer, source: str
) -> None:
    """BR-12."""
    database = register(postgresql, source, options=("--file=/tmp/elsewhere",))
    asked: list[str] = []

    async def scenario(life: Life) -> None:
        asked.append(await life.back_up(database))
        await life.live(seconds=1)

    live(scenario)

    error = row(asked[0]).error
    assert error is not None
    assert (error.code, "--file" in error.message) == ("invalid_request", True)
    assert not list(list_blobs(database.storage_container))
