"""What ends early is done again: workers that die, a hub that stops, a turn that comes too late."""

import asyncio
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from local.taskhub.clock import FakeClock
from local.taskhub.dispatcher import NotRunning
from local.taskhub.entity_id import EntityId
from local.taskhub.errors import BadRequest
from local.taskhub.hub import TaskHub
from local.taskhub.invocation import Patience, WorkerLost
from local.taskhub.status import InstanceFilter
from tests.local.taskhub.app import app
from tests.local.taskhub.still_hub import BEGINNING, still_hub
from tests.local.taskhub.tallies import counts, gate
from tests.support.in_process import InProcessInvoker, encoded, start, status_of, until

NO_PAUSE = Patience(first_pause_seconds=0)


class DyingWorkers(InProcessInvoker):
    """Dies so often over each of the functions named before it answers."""

    def __init__(self, **deaths: int) -> None:
        super().__init__(app)
        self.deaths = deaths
        self.calls: Counter[str] = Counter()
        self.fifth_call = asyncio.Event()

    def _die_first(self, name: str) -> None:
        self.calls[name] += 1
        if self.calls[name] == 5:
            self.fifth_call.set()
        if self.calls[name] <= self.deaths.get(name, 0):
            raise WorkerLost

    async def orchestrator(self, name: str, body: str) -> str:
        self._die_first(name)
        return await super().orchestrator(name, body)

    async def entity(self, name: str, body: str) -> str:
        self._die_first(name)
        return await super().entity(name, body)

    async def activity(self, name: str, data: str, *, instance_id: str) -> str:
        self._die_first(name)
        return await super().activity(name, data, instance_id=instance_id)


async def end_with(invoker: InProcessInvoker, path: Path, orchestrator: str, value: object = None) -> dict[str, object]:
    hub = TaskHub(path / "hub", invoker, invoker.table(), clock=FakeClock(BEGINNING), strict=True, patience=NO_PAUSE)
    await hub.start()
    instance_id = await start(hub, orchestrator, value)
    await hub.run_until_idle()
    status = hub.status(instance_id)
    await hub.stop()
    invoker.close()
    return status or {}


async def test_invocations_whose_worker_died_are_made_again(tmp_path: Path) -> None:
    invoker = DyingWorkers(use_counter=9, Counter=9)

    assert (await end_with(invoker, tmp_path, "use_counter", "c"))["output"] == [7, "entity boom"]


@pytest.mark.parametrize(
    ("orchestrator", "value", "dies"),
    [("family_name", None, "family_name"), ("family_name", None, "double"), ("use_counter", "c", "Counter")],
)
async def test_a_function_that_kills_every_worker_fails_with_the_reason(
    tmp_path: Path, orchestrator: str, value: object, dies: str
) -> None:
    invoker = DyingWorkers(**{dies: 99})
    status = await end_with(invoker, tmp_path, orchestrator, value)

    assert "WorkerLost: the worker process died 10 times over this invocation" in str(status["output"])
    assert invoker.calls[dies] == 10


async def test_the_workers_that_died_over_an_activity_are_counted_over_restarts(tmp_path: Path) -> None:
    patience = Patience(most_losses=6, first_pause_seconds=0.001)
    before, after = DyingWorkers(double=99), DyingWorkers(double=99)
    hub = TaskHub(tmp_path / "hub", before, before.table(), patience=patience)
    await hub.start()
    instance_id = await start(hub, "family_name")
    await before.fifth_call.wait()
    await hub.stop()
    hub = TaskHub(tmp_path / "hub", after, after.table(), patience=patience)
    await hub.start()
    await hub.run_until_idle()
    status = status_of(hub, instance_id)
    await hub.stop()
    before.close()
    after.close()

    assert "WorkerLost" in status["output"]
    assert before.calls["double"] + after.calls["double"] <= 7


async def test_an_activity_that_ran_when_the_hub_stopped_runs_again(tmp_path: Path) -> None:
    gate.clear()
    async with still_hub(tmp_path) as (hub, _):
        instance_id = await start(hub, "gated", "ran again")
        await until(lambda: "ran again" in counts.of)
        await hub.stop()
        gate.set()
    async with still_hub(tmp_path) as (hub, _):
        await hub.run_until_idle()

        assert status_of(hub, instance_id)["output"] == "through"
    assert counts.of["ran again"] == 2


async def test_what_was_started_before_a_stop_goes_on_after_it(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        ids = [await start(hub, "parent", instance_id=f"family-{number}") for number in range(10)]
    async with still_hub(tmp_path) as (hub, _):
        await hub.run_until_idle()

        assert {status_of(hub, id)["runtimeStatus"] for id in ids} == {"Completed"}


async def test_a_turn_whose_instance_was_changed_meanwhile_is_void(tmp_path: Path) -> None:
    class SlowOrchestrators(InProcessInvoker):
        begun, may_end = asyncio.Event(), asyncio.Event()

        async def orchestrator(self, name: str, body: str) -> str:
            self.begun.set()
            await self.may_end.wait()
            return await super().orchestrator(name, body)

    invoker = SlowOrchestrators(app)
    hub = TaskHub(tmp_path / "hub", invoker, invoker.table(), clock=FakeClock(BEGINNING))
    await hub.start()
    await start(hub, "use_counter_and_wait", "void", instance_id="one")
    await invoker.begun.wait()
    await hub.terminate("one", "changed my mind")
    invoker.may_end.set()
    await hub.run_until_idle()
    status, state = status_of(hub, "one"), hub.read_entity(EntityId("Counter", "void"))
    await hub.stop()
    invoker.close()

    assert status["output"] == "changed my mind"
    assert state is None


async def test_an_error_inside_the_hub_is_raised_where_the_work_is_awaited_and_the_work_done_again(
    tmp_path: Path,
) -> None:
    class Faulty(InProcessInvoker):
        faults = 1

        async def orchestrator(self, name: str, body: str) -> str:
            if self.faults:
                self.faults -= 1
                raise LookupError("a fault of the invoker")
            return await super().orchestrator(name, body)

    invoker = Faulty(app)
    hub = TaskHub(tmp_path / "hub", invoker, invoker.table(), clock=FakeClock(BEGINNING))
    await hub.start()
    instance_id = await start(hub, "chain", ["Lima"])
    with pytest.raises(LookupError, match="a fault of the invoker"):
        await hub.run_until_idle()
    await hub.run_until_idle()
    status = status_of(hub, instance_id)
    await hub.stop()
    invoker.close()

    assert status["runtimeStatus"] == "Completed"


@pytest.mark.parametrize("answer", ["no json", "{}", '{"isDone": false, "actions": [[{"actionType": 99}]]}', "[]"])
async def test_an_answer_that_is_no_state_fails_the_instance(tmp_path: Path, answer: str) -> None:
    class Odd(InProcessInvoker):
        async def orchestrator(self, name: str, body: str) -> str:
            return answer

    invoker = Odd(app)
    hub = TaskHub(tmp_path / "hub", invoker, invoker.table(), clock=FakeClock(BEGINNING))
    await hub.start()
    instance_id = await start(hub, "chain", ["Lima"])
    await hub.run_until_idle()
    status = status_of(hub, instance_id)
    await hub.stop()
    invoker.close()

    assert status["output"].startswith("Orchestrator function 'chain' failed: ")


@pytest.mark.parametrize("answer", ["no json", "{}", '{"entityExists": false, "results": []}'])
async def test_an_answer_that_is_none_to_a_batch_fails_the_callers(tmp_path: Path, answer: str) -> None:
    class Odd(InProcessInvoker):
        async def entity(self, name: str, body: str) -> str:
            return answer

    status = await end_with(Odd(app), tmp_path, "call_counter", {"operation": "get", "input": 0})

    assert "Entity function 'Counter' failed: " in str(status["output"])


async def test_a_file_that_cannot_be_read_for_a_while_is_tried_again(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        instance_id = await start(hub, "chain", ["Lima"])
        other = sqlite3.connect(tmp_path / "hub.sqlite", isolation_level=None, timeout=10)
        other.execute("ALTER TABLE activities RENAME TO hidden")
        with pytest.raises(sqlite3.OperationalError, match="no such table: activities"):
            await hub.run_until_idle()
        other.execute("ALTER TABLE hidden RENAME TO activities")
        other.close()
        await until(lambda: status_of(hub, instance_id)["runtimeStatus"] == "Completed")


async def test_whoever_waits_for_a_hub_that_is_stopped_is_told(tmp_path: Path) -> None:
    gate.clear()
    async with still_hub(tmp_path) as (hub, _):
        await start(hub, "gated", "stopped")
        waiting = asyncio.create_task(hub.run_until_idle())
        await until(lambda: "stopped" in counts.of)
        await hub.stop()
        gate.set()
        with pytest.raises(NotRunning):
            await waiting


async def test_waiting_for_idleness_waits_for_writes_under_way(tmp_path: Path) -> None:
    async with still_hub(tmp_path, durability="FULL") as (hub, _):
        for number in range(20):
            starting = asyncio.create_task(start(hub, "chain", ["Lima"], instance_id=f"number-{number}"))
            await asyncio.sleep(0)
            await hub.run_until_idle()
            assert starting.done()
            assert status_of(hub, f"number-{number}")["runtimeStatus"] == "Completed"


async def test_a_hub_that_does_not_run_refuses_work(tmp_path: Path) -> None:
    invoker = InProcessInvoker(app)
    hub = TaskHub(tmp_path / "hub", invoker, invoker.table())
    with pytest.raises(NotRunning):
        await start(hub, "chain", [])
    with pytest.raises(NotRunning):
        await hub.run_until_idle()
    with pytest.raises(NotRunning):
        hub.query(InstanceFilter())
    with pytest.raises(NotRunning):
        hub.client_binding("http://127.0.0.1")
    with pytest.raises(BadRequest, match="record=True"):
        hub.recorded_histories()
    await hub.stop()
    invoker.close()


async def test_the_key_of_the_webhooks_stays_the_same(tmp_path: Path) -> None:
    keys = []
    for _ in range(2):
        async with still_hub(tmp_path) as (hub, _):
            keys.append(hub.key)

    assert keys[0] == keys[1]
    assert len(keys[0]) > 30


async def test_recorded_turns_replay_to_the_same_answers(tmp_path: Path) -> None:
    invoker = InProcessInvoker(app)
    async with still_hub(tmp_path, record=True) as (hub, _):
        await start(hub, "use_counter", "recorded")
        await start(hub, "chain", ["Lima", "Oslo"])
        await hub.signal_entity(EntityId("Counter", "x"), "add", encoded(1))
        await hub.run_until_idle()
        turns = hub.recorded_histories()

    answers = [await invoker.orchestrator(turn.name, turn.body) for turn in turns]
    invoker.close()
    assert answers == [turn.answer for turn in turns]
    assert {turn.name for turn in turns} == {"use_counter", "chain"}
    assert not any(turn.failed for turn in turns)
