"""Worker processes that die, run too long or do not listen: their calls are lost, and nothing of them runs on."""

import asyncio
import os
import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest

from local.taskhub.invocation import FunctionFailed, WorkerLost
from tests.support.worker_pools import EMPTY_APP, ask, pool_of, seen_by_worker, until, write_app


def test_a_worker_that_dies_loses_its_calls_and_another_takes_its_place() -> None:
    async def scenario() -> None:
        async with pool_of() as pool:
            first = (await seen_by_worker(pool))["pid"]
            slow = asyncio.create_task(ask(pool, "slow", seconds="600"))
            await asyncio.sleep(0)
            with pytest.raises(WorkerLost):
                await ask(pool, "die")
            with pytest.raises(WorkerLost):
                await slow
            assert (await seen_by_worker(pool))["pid"] != first

    asyncio.run(scenario())


def test_a_call_waits_while_the_only_worker_is_started_anew() -> None:
    async def scenario() -> None:
        async with pool_of() as pool:
            pid = (await seen_by_worker(pool))["pid"]
            os.kill(pid, signal.SIGKILL)
            await until(lambda: not pool._workers)
            await pool.any_worker()
            assert (await seen_by_worker(pool))["pid"] != pid

    asyncio.run(scenario())


def test_nothing_of_a_lost_worker_runs_any_more(tmp_path: Path) -> None:
    async def scenario() -> int:
        async with pool_of(traces=tmp_path) as pool:
            pid = int(await ask(pool, "child"))
            assert Path(f"/proc/{pid}").exists()
            with pytest.raises(WorkerLost):
                await ask(pool, "die")
            return pid

    assert not Path(f"/proc/{asyncio.run(scenario())}").exists()


def test_a_function_past_its_time_fails_and_its_worker_and_tools_are_killed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with pool_of(traces=tmp_path, function_timeout=timedelta(seconds=1)) as pool:
            first = (await seen_by_worker(pool))["pid"]
            nothing = {"nothing": {"type": "string", "value": "null"}}
            with pytest.raises(FunctionFailed, match="Timeout: function 'endless_step' ran past"):
                await pool.invoke("endless_step", nothing, is_activity=True)
            assert not Path(f"/proc/{(tmp_path / 'tools').read_text().strip()}").exists()
            assert (await seen_by_worker(pool))["pid"] != first

    asyncio.run(scenario())


def test_stops_at_once_though_functions_still_run() -> None:
    async def scenario() -> float:
        async with pool_of(2) as pool:
            calls = [asyncio.create_task(ask(pool, "slow", seconds="600")) for _ in range(4)]
            await asyncio.sleep(0)
            started = time.monotonic()
            await pool.stop()
            took = time.monotonic() - started
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(result, WorkerLost) for result in results)
            return took

    assert asyncio.run(scenario()) < 2


def test_a_worker_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.worker_process.STOP_SECONDS", 0.2)
    app = write_app(
        tmp_path,
        EMPTY_APP
        + 'import time\n@app.route(route="stuck")\nasync def stuck(req): open("stuck", "w").close(); time.sleep(600)\n',
    )

    async def scenario() -> None:
        async with pool_of(app=app) as pool:
            stuck = asyncio.create_task(ask(pool, "stuck"))
            await until((tmp_path / "stuck").exists)
            await pool.stop()
            with pytest.raises(WorkerLost):
                await stuck

    asyncio.run(scenario())


def test_a_worker_that_hangs_up_but_lives_on_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.worker_process.STOP_SECONDS", 0.2)

    async def scenario() -> None:
        async with pool_of() as pool:
            pid = (await seen_by_worker(pool))["pid"]
            with pytest.raises(WorkerLost):
                await ask(pool, "hang_up")
            assert not Path(f"/proc/{pid}").exists()

    asyncio.run(scenario())


def test_a_guard_that_hangs_is_killed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.worker_process.STOP_SECONDS", 0.2)
    monkeypatch.setattr("local.worker_process.GUARD_SECONDS", 0.2)

    async def scenario() -> None:
        async with pool_of() as pool:
            guard = pool._workers[0]._process.pid
            os.kill(guard, signal.SIGSTOP)
            with pytest.raises(WorkerLost):
                await ask(pool, "die")

    asyncio.run(scenario())
