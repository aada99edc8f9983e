"""Worker processes that cannot start: what is said of them, and how often it is tried again."""

import asyncio
import shutil
from pathlib import Path

import pytest

from local.taskhub.invocation import WorkerLost
from local.worker_process import WorkerStartError
from tests.support.worker_pools import EMPTY_APP, FOREIGN_APP, ask, pool_of, seen_by_worker, until, write_app


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("import sys; sys.exit('no')", "SystemExit: no"),
        ("import os; os._exit(3)", "ended with code 3"),
        ("", "must hold one function app, it holds 0"),
        (EMPTY_APP + "other = func.FunctionApp()", "must hold one function app, it holds 2"),
    ],
)
def test_says_why_an_app_cannot_be_loaded(tmp_path: Path, text: str, reason: str) -> None:
    async def scenario() -> None:
        async with pool_of(2, app=write_app(tmp_path, text)):
            pass

    with pytest.raises(WorkerStartError, match=reason):
        asyncio.run(scenario())


def test_a_place_stays_open_until_the_machine_has_room_for_a_worker(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with pool_of() as pool:
            with monkeypatch.context() as patch:
                patch.setattr("local.worker_process.sys.executable", "/no/such/program")
                with pytest.raises(WorkerLost):
                    await ask(pool, "die")
                await until(lambda: "did not start" in caplog.text)
            await seen_by_worker(pool)

    asyncio.run(scenario())


def test_says_that_a_folder_holds_no_app(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with pool_of(app=tmp_path):
            pass

    with pytest.raises(WorkerStartError, match=rf"There is no function_app\.py in {tmp_path}"):
        asyncio.run(scenario())


def test_an_app_that_takes_too_long_to_load_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.worker_process.START_SECONDS", 0.5)

    async def scenario() -> None:
        async with pool_of(app=write_app(tmp_path, "import time; time.sleep(600)")):
            pass

    with pytest.raises(WorkerStartError, match="was not loaded within"):
        asyncio.run(scenario())


def test_leaves_no_worker_when_it_is_stopped_while_it_starts(tmp_path: Path) -> None:
    app = write_app(tmp_path, "import time; open('began', 'w').close(); time.sleep(600)")

    async def scenario() -> None:
        async with pool_of(2, app=app):
            pass

    async def interrupted() -> None:
        starting = asyncio.create_task(scenario())
        await until((tmp_path / "began").exists)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting

    asyncio.run(interrupted())  # the session's own check finds what is left


def test_tries_again_until_a_broken_app_is_repaired(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = Path(shutil.copytree(FOREIGN_APP, tmp_path / "app"))

    async def scenario() -> None:
        async with pool_of(app=app) as pool:
            whole = (app / "function_app.py").read_text()
            write_app(app, "import no_such_module")
            with pytest.raises(WorkerLost):
                await ask(pool, "die")
            await until(lambda: "did not start" in caplog.text)
            write_app(app, whole)
            await seen_by_worker(pool)

    asyncio.run(scenario())

    assert "No module named 'no_such_module'" in caplog.text
