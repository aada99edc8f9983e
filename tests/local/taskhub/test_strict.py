"""Strict mode names the trap; without it the hub does as Azure does."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.local.taskhub.still_hub import outcome, still_hub
from tests.support.in_process import advance, start, status_of


async def test_a_task_that_fails_inside_a_compound_is_a_trap(tmp_path: Path) -> None:
    status = await outcome(tmp_path, "fail_in_fan_out")

    assert status["runtimeStatus"] == "Failed"
    assert status["output"].startswith("strict: a task failed inside task_all or task_any")


async def test_without_strict_mode_a_failed_fan_out_fails_when_all_have_ended(tmp_path: Path) -> None:
    output = (await outcome(tmp_path, "fail_in_fan_out", strict=False))["output"]

    assert output.startswith("Orchestrator function 'fail_in_fan_out' failed: Activity function 'fail' failed: ")


async def test_a_wait_that_two_events_came_before_is_a_trap(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, clock):
        await start(hub, "collect", "a", instance_id="one")
        await hub.raise_event("one", "a", "1")
        await hub.raise_event("one", "a", "2")
        await advance(hub, clock, timedelta(minutes=1))

        assert status_of(hub, "one")["output"].startswith("strict: 2 events 'a' came before the wait for them")


async def test_a_second_wait_for_an_event_that_came_early_is_a_trap(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, clock):
        await start(hub, "collect", "a", instance_id="one")
        await hub.raise_event("one", "a", "1")
        await advance(hub, clock, timedelta(minutes=1))

        assert "the SDK gives it to this wait too" in status_of(hub, "one")["output"]


async def test_two_early_events_that_nobody_waits_for_are_no_trap(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, clock):
        await start(hub, "nap", 60, instance_id="one")
        await hub.raise_event("one", "wake")
        await hub.raise_event("one", "wake")
        await advance(hub, clock, timedelta(minutes=1))

        assert status_of(hub, "one")["runtimeStatus"] == "Completed"


async def test_a_generation_with_too_many_events_is_a_trap(tmp_path: Path) -> None:
    async with still_hub(tmp_path, history_limit=60) as (hub, _):
        short = await start(hub, "long_history", 10)
        long = await start(hub, "long_history", 20)
        await hub.run_until_idle()

        assert status_of(hub, short)["runtimeStatus"] == "Completed"
        assert "events of history in one generation, 60 allowed" in status_of(hub, long)["output"]
        assert hub.longest_history["long_history"] > 60


@pytest.mark.parametrize("orchestrator", ["call_not_a_number", "give_not_a_number"])
async def test_a_result_that_is_not_json_is_a_trap(tmp_path: Path, orchestrator: str) -> None:
    output = (await outcome(tmp_path, orchestrator))["output"]

    assert output.startswith("strict: ")
    assert "not JSON" in output


async def test_without_strict_mode_a_result_that_is_not_json_passes(tmp_path: Path) -> None:
    assert (await outcome(tmp_path, "give_not_a_number", strict=False))["runtimeStatus"] == "Completed"


async def test_an_entity_state_that_is_not_json_is_refused_and_not_kept(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        instance_id = await start(hub, "call_counter", {"operation": "spoil", "input": 0})
        await hub.run_until_idle()

        output = status_of(hub, instance_id)["output"]
        assert "strict: the state of entity @counter@c is not JSON" in output


async def test_an_answer_that_the_sdk_has_no_task_for_is_a_trap(tmp_path: Path) -> None:
    output = (await outcome(tmp_path, "change_of_mind"))["output"]

    assert output.startswith("strict: UserWarning: Potential duplicate Task completion for TaskId: 0")
