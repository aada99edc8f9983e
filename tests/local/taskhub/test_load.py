"""How much runs at once, how long schedules pass on a fake clock, and what idling costs."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path

from local.taskhub.clock import FakeClock
from local.taskhub.hub import TaskHub
from local.taskhub.status import InstanceFilter
from tests.local.taskhub.app import app
from tests.local.taskhub.still_hub import BEGINNING, still_hub
from tests.local.taskhub.tallies import counts, gate
from tests.support.in_process import InProcessInvoker, advance, finished, running_hub, start, status_of, until


async def test_no_more_activities_run_at_once_than_allowed(tmp_path: Path) -> None:
    gate.clear()
    async with still_hub(tmp_path, max_activities=3) as (hub, _):
        for number in range(9):
            await start(hub, "gated", f"gated {number}")
        await until(lambda: sum(key.startswith("gated") for key in counts.of) == 3)
        await hub.raise_event(await start(hub, "approval"), "answer")
        begun = sum(key.startswith("gated") for key in counts.of)
        gate.set()
        await hub.run_until_idle()

        assert begun == 3
        assert sum(key.startswith("gated") for key in counts.of) == 9


async def test_a_waiting_orchestrator_does_not_hold_the_others_up(tmp_path: Path) -> None:
    class OneIsSlow(InProcessInvoker):
        may_end = asyncio.Event()

        async def orchestrator(self, name: str, body: str) -> str:
            if name == "approval":
                await self.may_end.wait()
            return await super().orchestrator(name, body)

    invoker = OneIsSlow(app)
    hub = TaskHub(tmp_path / "hub", invoker, invoker.table(), max_turns=2)
    await hub.start()
    await start(hub, "approval", instance_id="slow")
    others = [await start(hub, "chain", ["Lima"]) for _ in range(5)]
    ends = [await finished(hub, other) for other in others]
    slow = status_of(hub, "slow")
    invoker.may_end.set()
    await hub.stop()
    invoker.close()

    assert slow["runtimeStatus"] == "Pending"
    assert {end["runtimeStatus"] for end in ends} == {"Completed"}


async def test_a_month_of_half_hours_passes_in_seconds(tmp_path: Path) -> None:
    begun = time.monotonic()
    async with still_hub(tmp_path) as (hub, clock):
        await start(hub, "eternal", {"every": 1800, "generation": 0, "last": 10**6}, instance_id="eternal")
        await advance(hub, clock, timedelta(days=30))
        state = status_of(hub, "eternal")["input"]

    assert '"generation": 1440' in state
    assert time.monotonic() - begun < 60


async def test_timers_whose_time_passed_while_the_hub_was_down_fire_once_at_the_start(tmp_path: Path) -> None:
    clock = FakeClock(BEGINNING)
    async with still_hub(tmp_path, clock=clock) as (hub, _):
        await start(hub, "eternal", {"every": 600, "generation": 0, "last": 10**6}, instance_id="eternal")
        await hub.run_until_idle()
    clock.advance(timedelta(days=3))
    async with still_hub(tmp_path, clock=clock) as (hub, _):
        await hub.run_until_idle()

        assert '"generation": 1' in status_of(hub, "eternal")["input"]
        assert hub.next_due() == clock.now() + timedelta(minutes=10)


async def test_a_thousand_eternal_orchestrations_cost_little_while_they_wait(tmp_path: Path) -> None:
    async with running_hub(tmp_path / "hub", app) as hub:
        every_minute = {"every": 60, "generation": 0, "last": 10**6}
        await asyncio.gather(*(start(hub, "eternal", every_minute) for _ in range(1000)))
        await hub.run_until_idle()
        before = time.process_time()
        await asyncio.sleep(1)  # the time that is measured
        spent = time.process_time() - before

        assert len(hub.query(InstanceFilter(statuses=frozenset({"Running"}))).statuses) == 1000
    assert spent < 0.3
