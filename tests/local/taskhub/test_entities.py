"""Entities keep their state, take their operations one after the other, and answer those who call."""

import asyncio
from pathlib import Path

import pytest

from local.taskhub.entity_id import EntityId
from local.taskhub.errors import BadRequest
from tests.local.taskhub.still_hub import outcome, still_hub
from tests.support.in_process import encoded, start, status_of

COUNTER = EntityId("Counter", "c")


async def test_an_entity_that_nobody_has_used_does_not_exist(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        assert hub.read_entity(COUNTER) is None


async def test_a_thousand_signals_are_counted_exactly(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        await asyncio.gather(*(hub.signal_entity(COUNTER, "add", encoded(1)) for _ in range(1000)))
        await hub.run_until_idle()

        assert hub.read_entity(COUNTER) == "1000"


async def test_state_outlives_the_hub_and_its_name_is_found_in_any_case(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        await hub.signal_entity(COUNTER, "add", encoded(5))
        await hub.run_until_idle()
    async with still_hub(tmp_path) as (hub, _):
        assert hub.read_entity(EntityId("cOUNTER", "c")) == "5"
        assert hub.read_entity(EntityId("counter", "C")) is None


async def test_signals_that_were_not_delivered_before_the_hub_stopped_are_delivered_after(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        for _ in range(20):
            await hub.signal_entity(COUNTER, "add", encoded(1))
    async with still_hub(tmp_path) as (hub, _):
        await hub.run_until_idle()

        assert hub.read_entity(COUNTER) == "20"


async def test_a_deleted_entity_does_not_exist(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        await hub.signal_entity(COUNTER, "add", encoded(5))
        await hub.signal_entity(COUNTER, "delete")
        await hub.run_until_idle()

        assert hub.read_entity(COUNTER) is None


async def test_a_failed_operation_does_not_stop_those_after_it(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        for operation in ("add", "explode", "add"):
            await hub.signal_entity(COUNTER, operation, encoded(2))
        await hub.run_until_idle()

        assert hub.read_entity(COUNTER) == "4"


async def test_a_signal_to_an_unknown_entity_is_refused(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        with pytest.raises(BadRequest, match="The function 'nobody' doesn't exist"):
            await hub.signal_entity(EntityId("nobody", "c"), "add")


async def test_an_operation_without_input_fails_as_the_sdk_lets_it(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        await hub.signal_entity(COUNTER, "add")
        await hub.run_until_idle()

        assert hub.read_entity(COUNTER) is None


async def test_an_entity_function_that_cannot_answer_fails_its_callers(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        instance_id = await start(hub, "call_by_name", {"kind": "entity", "name": "broken"})
        await hub.run_until_idle()

        output = status_of(hub, instance_id)["output"]
        assert "Entity function 'broken' failed: " in output


async def test_the_result_of_a_call_is_the_entitys(tmp_path: Path) -> None:
    assert (await outcome(tmp_path, "call_counter", {"operation": "get", "input": 0}))["output"] == 0
