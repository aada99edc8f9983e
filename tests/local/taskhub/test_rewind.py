"""A failed orchestration goes on from the moment before its failure, and nothing that worked is done twice."""

from datetime import timedelta
from pathlib import Path

import pytest

from local.taskhub.errors import WrongState
from tests.local.taskhub.still_hub import still_hub
from tests.local.taskhub.tallies import counts, gate
from tests.support.in_process import advance, encoded, start, status_of, until


async def test_a_failed_activity_is_run_again_and_those_before_it_are_not(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        await start(hub, "count_then_fail", {"key": "rewind-one", "failures": 2}, instance_id="one")
        await hub.run_until_idle()
        statuses = [status_of(hub, "one")["runtimeStatus"]]
        for _ in range(2):
            await hub.rewind("one", "try again")
            await hub.run_until_idle()
            statuses.append(status_of(hub, "one")["runtimeStatus"])

        assert statuses == ["Failed", "Failed", "Completed"]
        assert status_of(hub, "one")["output"] == [1, 3]


async def test_only_failed_instances_can_be_rewound(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        await start(hub, "chain", [], instance_id="one")
        await hub.run_until_idle()
        with pytest.raises(WrongState, match="only failed instances can be rewound; 'one' is Completed"):
            await hub.rewind("one")


async def test_all_that_failed_together_is_run_again(tmp_path: Path) -> None:
    async with still_hub(tmp_path, strict=False, max_activities=1) as (hub, _):
        await start(hub, "fan_out_flaky", ["rewind-a", "rewind-b", "rewind-c"], instance_id="one")
        await hub.run_until_idle()
        failed = status_of(hub, "one")["runtimeStatus"]
        await hub.rewind("one")
        await hub.run_until_idle()

        assert failed == "Failed"
        assert status_of(hub, "one")["output"] == [2, 2, 2]


async def test_a_failed_sub_orchestration_is_rewound_itself(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        await start(hub, "parent_of_flaky", {"key": "rewind-child", "failures": 1}, instance_id="one")
        await hub.run_until_idle()
        failed = [status_of(hub, id)["runtimeStatus"] for id in ("one", "one-child")]
        await hub.rewind("one")
        await hub.run_until_idle()

        assert failed == ["Failed", "Failed"]
        assert status_of(hub, "one-child")["output"] == [1, 2]
        assert status_of(hub, "one")["output"] == [1, 2]


async def test_a_failed_child_that_is_gone_is_started_anew(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        await start(hub, "parent_of_flaky", {"key": "rewind-gone", "failures": 1}, instance_id="one")
        await hub.run_until_idle()
        await hub.purge("one-child")
        await hub.rewind("one")
        await hub.run_until_idle()

        assert status_of(hub, "one")["output"] == [2, 2]


async def test_a_failed_entity_call_is_made_again(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        await start(hub, "call_counter", {"operation": "explode", "input": 0}, instance_id="one")
        await hub.run_until_idle()
        await hub.rewind("one")
        await hub.run_until_idle()

        assert "entity boom" in status_of(hub, "one")["output"]


async def test_code_that_failed_by_itself_takes_its_last_turn_again(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        await start(hub, "fail_once_by_itself", instance_id="one")
        await hub.run_until_idle()
        failed = status_of(hub, "one")["output"]
        await hub.rewind("one")
        await hub.run_until_idle()

        assert "the code itself" in failed
        assert status_of(hub, "one")["output"] == 42
        assert counts.of["itself"] == 2


async def test_code_that_failed_in_its_first_turn_starts_again(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        await start(hub, "fail_at_once", instance_id="one")
        await hub.run_until_idle()
        await hub.rewind("one")
        await hub.run_until_idle()

        assert status_of(hub, "one")["output"] == "started"


async def test_timers_and_events_that_were_open_at_the_failure_still_come(tmp_path: Path) -> None:
    async with still_hub(tmp_path, strict=False) as (hub, clock):
        await start(hub, "timer_beside_flaky", "rewind-timer", instance_id="one")
        await hub.run_until_idle()
        failed = status_of(hub, "one")["runtimeStatus"]
        await hub.rewind("one")
        await hub.run_until_idle()
        await hub.raise_event("one", "go", encoded("x"))
        await advance(hub, clock, timedelta(hours=1))

        assert failed == "Failed"
        assert status_of(hub, "one")["output"] == ["timer", '"x"']


async def test_the_last_attempt_of_a_retried_activity_is_made_again(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, clock):
        await start(hub, "retry_uncaught", {"key": "rewind-retry", "failures": 3}, instance_id="one")
        await advance(hub, clock, timedelta(minutes=1))
        failed = status_of(hub, "one")["runtimeStatus"]
        await hub.rewind("one")
        await advance(hub, clock, timedelta(minutes=1))

        assert failed == "Failed"
        assert status_of(hub, "one")["output"] == 4


async def test_an_activity_that_still_runs_at_the_rewind_is_waited_for_and_not_run_twice(tmp_path: Path) -> None:
    gate.clear()
    async with still_hub(tmp_path, strict=False) as (hub, _):
        await start(hub, "gate_beside_flaky", "rewind-gate", instance_id="one")
        await until(lambda: status_of(hub, "one")["runtimeStatus"] == "Failed")
        await hub.rewind("one")
        gate.set()
        await hub.run_until_idle()

        assert status_of(hub, "one")["output"] == ["through", 2]
        assert counts.of["gate of rewind-gate"] == 1
