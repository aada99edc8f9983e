"""Worker processes: how they call functions, and what happens when they die."""

import asyncio
import json
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.taskhub.invocation import FunctionFailed, WorkerLost
from local.worker_pool import PoolLimits, WorkerPool
from local.worker_process import WorkerSettings, WorkerStartError

FOREIGN_APP = Path(__file__).parent / "foreign_app"

EMPTY_APP = """
import azure.functions as func
app = func.FunctionApp()
"""


class Output:
    """What the workers of a pool printed."""

    def __init__(self) -> None:
        self.text = b""

    def __call__(self, chunk: bytes) -> None:
        self.text += chunk


@asynccontextmanager
async def pool_of(
    workers: int = 1,
    *,
    app: Path = FOREIGN_APP,
    traces: Path | None = None,
    function_timeout: timedelta | None = None,
    output: Callable[[bytes], None] = lambda chunk: None,
    **environment: str,
) -> AsyncIterator[WorkerPool]:
    settings = WorkerSettings(app, app, {**os.environ, "TRACES": str(traces), **environment})
    pool = WorkerPool(settings, PoolLimits(workers, 2, function_timeout), [output] * workers)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.stop()


def request(**query: str) -> dict[str, Any]:
    value = {"method": "GET", "url": "http://127.0.0.1/", "headers": {}, "query": query, "params": {}}
    return {"req": {"type": "http", "value": value}}


async def ask(pool: WorkerPool, function: str, **query: str) -> str:
    answer = await pool.invoke(function, request(**query))
    return str(answer.head["result"]["value"])


async def seen_by_worker(pool: WorkerPool, **query: str) -> dict[str, Any]:
    seen: dict[str, Any] = json.loads(await ask(pool, "worker", **query))
    return seen


async def until(claim: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not claim():
            await asyncio.sleep(0.01)


def write_app(folder: Path, text: str) -> Path:
    (folder / "function_app.py").write_text(text)
    return folder


def test_the_apps_folder_comes_last_and_hides_nothing_of_python() -> None:
    async def scenario() -> dict[str, Any]:
        async with pool_of() as pool:
            return await seen_by_worker(pool)

    seen = asyncio.run(scenario())

    assert seen["path"][-1] == str(FOREIGN_APP)
    assert (FOREIGN_APP / "http" / "client.py").exists()
    assert not seen["http"].startswith(str(FOREIGN_APP))


def test_the_worker_runs_in_the_apps_folder_and_our_own_is_not_on_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/usr/lib/somewhere")

    async def scenario() -> dict[str, Any]:
        async with pool_of() as pool:
            return await seen_by_worker(pool)

    seen = asyncio.run(scenario())

    assert seen["folder"] == str(FOREIGN_APP)
    assert str(Path(__file__).parents[2]) not in seen["path"]
    assert seen["python_path"] == "/usr/lib/somewhere"


def test_settings_reach_the_functions() -> None:
    async def scenario() -> Any:
        async with pool_of(FLAVOUR="salt") as pool:
            return (await seen_by_worker(pool, setting="FLAVOUR"))["setting"]

    assert asyncio.run(scenario()) == "salt"


def test_what_functions_print_and_log_reaches_the_log() -> None:
    output = Output()

    async def scenario() -> None:
        async with pool_of(output=output) as pool:
            await ask(pool, "worker")

    asyncio.run(scenario())

    assert b"printed by a function" in output.text
    assert b"INFO foreign logged by a function" in output.text


def test_whatever_a_function_raises_is_its_answer_and_the_worker_goes_on() -> None:
    calls = [("fail", "ValueError"), ("fail", "StopIteration"), ("fail", "SystemExit"), ("fail_async", "")]

    async def scenario() -> list[FunctionFailed]:
        failures = []
        async with pool_of() as pool:
            before = await seen_by_worker(pool)
            for function, error in calls:
                with pytest.raises(FunctionFailed) as caught:
                    await ask(pool, function, **{"with": error})
                failures.append(caught.value)
            assert await seen_by_worker(pool) == before
        return failures

    failures = asyncio.run(scenario())

    assert [str(failure) for failure in failures] == [
        "ValueError: why",
        "RuntimeError: coroutine raised StopIteration",
        "SystemExit: why",
        "CancelledError: ",
    ]
    assert all("function_app.py" in failure.__notes__[0] for failure in failures)


def test_a_function_that_the_worker_does_not_have_fails() -> None:
    async def scenario() -> None:
        async with pool_of() as pool:
            await ask(pool, "no_such_function")

    with pytest.raises(FunctionFailed, match="KeyError: 'no_such_function'"):
        asyncio.run(scenario())


def test_a_result_without_a_binding_fails(tmp_path: Path) -> None:
    app = write_app(
        tmp_path,
        EMPTY_APP + '@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")\ndef chatty(timer): return 1\n',
    )

    async def scenario() -> None:
        async with pool_of(app=app) as pool:
            await pool.invoke("chatty", {"timer": {"type": "json", "value": "{}"}})

    with pytest.raises(FunctionFailed, match="has no output binding but returned int"):
        asyncio.run(scenario())


def test_a_slow_function_does_not_keep_others() -> None:
    async def scenario() -> float:
        async with pool_of() as pool:
            slow = asyncio.create_task(ask(pool, "slow", seconds="600"))
            started = time.monotonic()
            for _ in range(10):
                await ask(pool, "worker")
            took = time.monotonic() - started
            slow.cancel()
            return took

    assert asyncio.run(scenario()) < 5


def test_twenty_slow_coroutines_run_at_once() -> None:
    async def scenario() -> float:
        async with pool_of() as pool:
            started = time.monotonic()
            await asyncio.gather(*(ask(pool, "slow_async", seconds="1") for _ in range(20)))
            return time.monotonic() - started

    assert asyncio.run(scenario()) < 5


def test_the_thread_count_is_a_setting() -> None:
    async def scenario() -> float:
        async with pool_of(PYTHON_THREADPOOL_THREAD_COUNT="1") as pool:
            started = time.monotonic()
            await asyncio.gather(*(ask(pool, "slow", seconds="0.3") for _ in range(3)))
            return time.monotonic() - started

    assert asyncio.run(scenario()) >= 0.9


def test_calls_go_to_the_least_busy_worker() -> None:
    async def scenario() -> set[int]:
        async with pool_of(2) as pool:
            slow = asyncio.create_task(ask(pool, "slow", seconds="600"))
            await asyncio.sleep(0)
            pids = {(await seen_by_worker(pool))["pid"] for _ in range(5)}
            slow.cancel()
            return pids

    assert len(asyncio.run(scenario())) == 1


def test_a_worker_takes_no_more_activities_than_it_may(tmp_path: Path) -> None:
    def running() -> int:
        lines = (tmp_path / "steps").read_text().splitlines()
        return sum(1 if "begins" in line else -1 for line in lines)

    async def scenario() -> int:
        most = 0
        async with pool_of(traces=tmp_path) as pool:
            order = {"order": {"type": "string", "value": json.dumps({"run": "r", "step": 1})}}
            calls = [asyncio.create_task(pool.invoke("slow_step", order, is_activity=True)) for _ in range(5)]
            await until((tmp_path / "steps").exists)
            while not all(call.done() for call in calls):
                most = max(most, running())
                await asyncio.sleep(0.02)
        return most

    assert asyncio.run(scenario()) == 2


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
