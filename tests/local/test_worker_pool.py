"""Worker processes: how they call functions, how many at once, and what a function sees of its worker."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from local.taskhub.invocation import FunctionFailed
from tests.support.sources import ROOT
from tests.support.worker_pools import EMPTY_APP, FOREIGN_APP, ask, pool_of, seen_by_worker, until, write_app


class Output:
    """What the workers of a pool printed."""

    def __init__(self) -> None:
        self.text = b""

    def __call__(self, chunk: bytes) -> None:
        self.text += chunk


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
    assert str(ROOT) not in seen["path"]
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
