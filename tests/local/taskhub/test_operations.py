"""What a client may do to an instance, and what it is told when it may not."""

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from local.taskhub.errors import BadRequest, InstanceExists, InstanceGone, NoSuchInstance, WrongState
from local.taskhub.status import Detail, InstanceFilter
from tests.local.taskhub.still_hub import BEGINNING, still_hub
from tests.local.taskhub.tallies import gate
from tests.support.in_process import advance, encoded, start, status_of, until


async def test_a_second_start_under_an_id_that_is_under_way_is_refused(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        await start(hub, "approval", instance_id="one")
        with pytest.raises(InstanceExists, match="with the status Pending already exists"):
            await start(hub, "approval", instance_id="one")
        await hub.run_until_idle()
        with pytest.raises(InstanceExists, match="with the status Running already exists"):
            await start(hub, "approval", instance_id="one")


async def test_a_finished_instance_is_replaced_by_a_new_start_under_its_id(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        for city in ("Lima", "Oslo"):
            await start(hub, "chain", [city], instance_id="one")
            await hub.run_until_idle()

        assert status_of(hub, "one")["output"] == ["Hello Oslo!"]


@pytest.mark.parametrize("instance_id", ["@entity@like", "a/b", "a#b", "a?b", "a\\b", "x" * 101, "line\nbreak"])
async def test_an_id_that_cannot_stand_in_a_link_is_refused(tmp_path: Path, instance_id: str) -> None:
    async with still_hub(tmp_path) as (hub, _):
        with pytest.raises(BadRequest):
            await start(hub, "chain", [], instance_id=instance_id)


async def test_a_terminated_instance_keeps_the_reason_and_hears_nothing_more(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, clock):
        await start(hub, "approval", instance_id="one")
        await hub.run_until_idle()
        await hub.terminate("one", "enough")
        await advance(hub, clock, timedelta(hours=2))

        status = status_of(hub, "one")
        assert (status["runtimeStatus"], status["output"]) == ("Terminated", "enough")
        assert hub.next_due() is None
        for refused in (hub.terminate("one"), hub.raise_event("one", "answer"), hub.suspend("one"), hub.resume("one")):
            with pytest.raises(InstanceGone):
                await refused


async def test_an_instance_that_has_not_begun_can_be_terminated(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        await start(hub, "approval", instance_id="one")
        await hub.terminate("one", "never mind")
        await hub.run_until_idle()

        assert status_of(hub, "one")["runtimeStatus"] == "Terminated"


async def test_a_parent_hears_that_its_child_was_terminated(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        await start(hub, "wait_for_child", instance_id="family")
        await hub.run_until_idle()
        await hub.terminate("family-child", "no more")
        await hub.run_until_idle()

        assert status_of(hub, "family")["output"].startswith("caught: no more")


async def test_terminating_does_not_wait_for_an_activity_and_drops_its_answer(tmp_path: Path) -> None:
    gate.clear()
    async with still_hub(tmp_path) as (hub, _):
        await start(hub, "gated", "terminated", instance_id="one")
        await until(lambda: status_of(hub, "one")["runtimeStatus"] == "Running")
        await hub.terminate("one", "now")
        assert status_of(hub, "one")["runtimeStatus"] == "Terminated"
        gate.set()
        await hub.run_until_idle()

        assert status_of(hub, "one")["output"] == "now"


async def test_a_suspended_instance_goes_on_with_all_that_came_meanwhile(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, clock):
        await start(hub, "collect", "b", instance_id="one")
        await hub.run_until_idle()
        await hub.suspend("one", "wait")
        await hub.raise_event("one", "a", "1")
        await hub.raise_event("one", "b", "2")
        await advance(hub, clock, timedelta(hours=1))
        suspended = status_of(hub, "one")
        await hub.resume("one", "go on")
        resumed = status_of(hub, "one")
        await hub.run_until_idle()

        assert suspended["runtimeStatus"] == "Suspended"
        assert resumed["runtimeStatus"] == "Running"
        assert status_of(hub, "one")["output"] == [1, 2]


async def test_suspending_twice_and_resuming_what_runs_are_refused(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        await start(hub, "approval", instance_id="one")
        with pytest.raises(WrongState, match="not suspended but Pending"):
            await hub.resume("one")
        await hub.suspend("one")
        with pytest.raises(WrongState, match="suspended already"):
            await hub.suspend("one")


async def test_what_does_not_exist_is_refused_by_every_operation(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        assert hub.status("nobody") is None
        operations = [
            hub.terminate("nobody"),
            hub.suspend("nobody"),
            hub.resume("nobody"),
            hub.rewind("nobody"),
            hub.restart("nobody"),
            hub.purge("nobody"),
            hub.raise_event("nobody", "any"),
        ]
        for refused in operations:
            with pytest.raises(NoSuchInstance, match="No instance with ID 'nobody' found"):
                await refused


async def test_a_restart_takes_the_same_input_under_a_new_or_the_same_id(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        await start(hub, "chain", ["Lima"], instance_id="one")
        with pytest.raises(InstanceExists):
            await hub.restart("one", with_new_id=False)
        await hub.run_until_idle()
        another = await hub.restart("one")
        same = await hub.restart("one", with_new_id=False)
        await hub.run_until_idle()

        assert same == "one" != another
        assert [status_of(hub, id)["output"] for id in (same, another)] == [["Hello Lima!"]] * 2


async def test_a_purged_instance_leaves_nothing_behind(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        await start(hub, "chain", ["a city nobody knows"], instance_id="one")
        with pytest.raises(WrongState, match="only finished instances"):
            await hub.purge("one")
        await hub.run_until_idle()
        await hub.purge("one")

        assert hub.status("one") is None
    with sqlite3.connect(tmp_path / "hub.sqlite") as file:
        rows = sum(
            file.execute(f"SELECT COUNT(*) FROM {t}").fetchone()[0] for t in ("instances", "history", "messages")
        )
    file.close()
    assert rows == 0


async def test_purging_by_filter_takes_only_finished_instances_and_shrinks_the_file(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, clock):
        for number in range(120):
            await start(hub, "large_output", 40_000, instance_id=f"large-{number}")
        await start(hub, "approval", instance_id="waiting")
        await hub.run_until_idle()
        await advance(hub, clock, timedelta(days=1))
        await start(hub, "chain", [], instance_id="younger")
        await hub.run_until_idle()

        purged = await hub.purge_by(InstanceFilter(created_to=BEGINNING + timedelta(hours=12)))
        left = [status["instanceId"] for status in hub.query(InstanceFilter()).statuses]
        none = await hub.purge_by(InstanceFilter(statuses=frozenset({"Running"})))

    assert purged == 121
    assert (left, none) == (["younger"], 0)
    assert (tmp_path / "hub.sqlite").stat().st_size < 1_000_000


async def test_a_purged_instance_does_not_hear_of_an_activity_that_still_ran(tmp_path: Path) -> None:
    gate.clear()
    async with still_hub(tmp_path) as (hub, _):
        await start(hub, "gated", "purged", instance_id="one")
        await until(lambda: status_of(hub, "one")["runtimeStatus"] == "Running")
        await hub.terminate("one", "now")
        await hub.purge("one")
        gate.set()
        await hub.run_until_idle()

        assert hub.status("one") is None


async def test_statuses_are_filtered_by_time_status_and_prefix(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, clock):
        await start(hub, "approval", instance_id="b-old")
        await advance(hub, clock, timedelta(minutes=5))
        await start(hub, "chain", [], instance_id="a-new")
        await start(hub, "approval", instance_id="b-new")
        await hub.run_until_idle()

        def ids(wanted: InstanceFilter) -> list[str]:
            return [status["instanceId"] for status in hub.query(wanted).statuses]

        assert ids(InstanceFilter()) == ["a-new", "b-new", "b-old"]
        assert ids(InstanceFilter(id_prefix="b-")) == ["b-new", "b-old"]
        assert ids(InstanceFilter(statuses=frozenset({"Completed", "Failed"}))) == ["a-new"]
        assert ids(InstanceFilter(created_from=BEGINNING + timedelta(minutes=1))) == ["a-new", "b-new"]
        assert ids(InstanceFilter(created_to=BEGINNING + timedelta(minutes=1))) == ["b-old"]


async def test_statuses_come_in_pages_that_hold_everything_once(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        for number in range(7):
            await start(hub, "chain", [], instance_id=f"number-{number}")
        pages, after = [], ""
        while True:
            page = hub.query(InstanceFilter(), after=after, size=3)
            pages.append([status["instanceId"] for status in page.statuses])
            if page.continue_after is None:
                break
            after = page.continue_after

    assert [len(page) for page in pages] == [3, 3, 1]
    assert [id for page in pages for id in page] == [f"number-{number}" for number in range(7)]


async def test_a_status_tells_input_and_history_only_when_asked(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, clock):
        await start(hub, "retry", {"key": "history", "failures": 1}, instance_id="one")
        await advance(hub, clock, timedelta(seconds=5))
        plain = hub.status("one", Detail(input=False)) or {}
        full = hub.status("one", Detail(history=True, history_output=True)) or {}

    assert plain["input"] is None
    assert "historyEvents" not in plain
    assert full["input"] == '{"key": "history", "failures": 1}'
    assert [entry["EventType"] for entry in full["historyEvents"]] == [
        "ExecutionStarted",
        "TaskFailed",
        "TimerFired",
        "TaskCompleted",
        "ExecutionCompleted",
    ]
    completed = full["historyEvents"][3]
    assert (completed["FunctionName"], completed["Result"]) == ("fail_at_first", 2)
    assert completed["ScheduledTime"].startswith("2026-01-31T12:00:05")


async def test_suspensions_and_termination_stand_in_the_history(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        await start(hub, "use_counter_and_wait", "c", instance_id="one")
        await hub.run_until_idle()
        await hub.suspend("one", "pause")
        await hub.resume("one", "play")
        await hub.terminate("one", "stop")
        history = (hub.status("one", Detail(history=True)) or {})["historyEvents"]

    kinds = [entry["EventType"] for entry in history]
    assert kinds[-3:] == ["ExecutionSuspended", "ExecutionResumed", "ExecutionTerminated"]
    assert history[-1]["Reason"] == "stop"
    assert "EventSent" in kinds


async def test_times_of_a_status_are_those_of_the_hubs_clock(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, clock):
        await start(hub, "nap", 90, instance_id="one")
        await advance(hub, clock, timedelta(seconds=90))

        status = status_of(hub, "one")
        assert (status["createdTime"], status["lastUpdatedTime"]) == ("2026-01-31T12:00:00Z", "2026-01-31T12:01:30Z")


async def test_an_event_that_is_raised_twice_in_json_arrives_as_the_sdk_sends_it(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, clock):
        await start(hub, "collect", "b", instance_id="one")
        await hub.raise_event("one", "a", encoded([1]))
        await hub.raise_event("one", "b")
        await advance(hub, clock, timedelta(minutes=1))

        assert status_of(hub, "one")["output"] == ["[1]", None]
