"""The typed seam, run through the SDK's own executor and converters on a task hub."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import pytest

from local.taskhub.clock import FakeClock
from shared.durable import Context, Entity, Steps, activity, orchestrator, together
from shared.errors import (
    BackupError,
    DatabaseLocked,
    ErrorValue,
    InternalError,
    InvalidCredentials,
    PermanentError,
    TransientError,
    WorkerLost,
    error_from,
)
from shared.models import Value
from tests.support.in_process import finished, running_hub, start

pytestmark = pytest.mark.unit

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Number(Value):
    value: int


class Names(Value):
    names: tuple[str, ...] = ()


@activity
def double(request: Number) -> Number:
    if request.value == 13:
        raise InvalidCredentials("13 is refused")
    if request.value == 17:
        raise DatabaseLocked("17 is locked")
    if request.value == 19:
        raise KeyError("a secret that must not travel")
    return Number(value=request.value * 2)


@activity
def count(request: Names) -> int:
    return len(request.names)


@orchestrator
def double_twice(context: Context, request: Number) -> Steps[Number]:
    context.tell("doubling")
    once = yield from double.call(context, request)
    return (yield from double.call(context, once))


@orchestrator
def double_all(context: Context, request: Names) -> Steps[list[str]]:
    results = yield from double.map(context, [Number(value=int(name)) for name in request.names])
    return [result.code if isinstance(result, BackupError) else str(result.value) for result in results]


@orchestrator
def mixed(context: Context, request: Number) -> Steps[list[str]]:
    work: list[tuple[Any, Value]] = [(double, request), (count, Names(names=("a", "b")))]
    results = yield from together(context, work)
    return [str(result) for result in results]


@orchestrator
def parent(context: Context, request: Number) -> Steps[str]:
    try:
        result = yield from double_twice.call(context, request, instance_id=f"{context.instance_id}-child")
    except BackupError as error:
        return f"{type(error).__name__}: {error.message}"
    return str(result.value)


@orchestrator
def broken(context: Context, request: Number) -> Steps[Number]:
    yield from double.call(context, request)
    raise ZeroDivisionError("a fault in a plan")


@orchestrator
def parent_of_broken(context: Context, request: Number) -> Steps[str]:
    try:
        yield from broken.call(context, request, instance_id=f"{context.instance_id}-child")
    except InternalError as error:
        return error.message
    return "no error"


@orchestrator
def waiter(context: Context, request: Number) -> Steps[str]:
    before = context.now
    woken = yield from context.sleep_until(datetime(2026, 3, 1, 13, tzinfo=UTC), wake_event="wake")
    waited = int((context.now - before).total_seconds())
    if request.value:
        context.continue_as_new(Number(value=request.value - 1))
    return f"{'woken' if woken else 'due'} after {waited}"


@orchestrator
def napper(context: Context, request: Number) -> Steps[str]:
    yield from context.sleep(90)
    return f"{context.now.isoformat()} {context.six('a')} {context.six('b')} {context.is_replaying}"


tally = Entity("tally", Names())


@tally.operation
def add(names: Names, request: Names) -> tuple[Names, int]:
    after = Names(names=names.names + request.names)
    return after, len(after.names)


@orchestrator
def teller(context: Context, request: Names) -> Steps[int]:
    yield from add.call(context, "one", request)
    return (yield from add.call(context, "one", request))


@orchestrator
def misused(context: Context, request: Names) -> Steps[str]:
    try:
        yield context._inner.call_entity(df.EntityId("tally", "one"), "subtract", {})
    except Exception as failure:
        return str(failure)
    return "no error"


TRIGGERS = (double, count, double_twice, double_all, mixed, parent, broken, parent_of_broken, waiter, napper)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    """Runs a plan to its end and gives the instance's status."""

    def run_plan(name: str, request: Value) -> dict[str, Any]:
        async def work() -> dict[str, Any]:
            app = df.DFApp()
            for trigger in (*TRIGGERS, tally, teller, misused):
                trigger.register(app)
            async with running_hub(tmp_path / "hub.sqlite", app) as hub:
                instance = await start(hub, name, request.model_dump(mode="json"))
                return await finished(hub, instance)

        return asyncio.run(work())

    return run_plan


def test_a_plan_gets_its_activities_results_as_values(run: Callable[..., Any]) -> None:
    status = run("double_twice", Number(value=4))

    assert status["output"] == {"value": {"value": 16}}
    assert status["customStatus"] == {"phase": "doubling"}
    assert double_twice.result_of(status["output"]) == Number(value=16)


def test_an_error_of_an_activity_ends_the_plan_as_a_value_with_its_code(run: Callable[..., Any]) -> None:
    status = run("double_twice", Number(value=13))

    assert status["runtimeStatus"] == "Completed"
    assert status["output"]["error"]["code"] == "invalid_credentials"
    assert isinstance(double_twice.result_of(status["output"]), InvalidCredentials)


def test_an_error_below_is_raised_again_in_the_plan_above_as_the_same_class(run: Callable[..., Any]) -> None:
    assert run("parent", Number(value=17))["output"] == {"value": "DatabaseLocked: 17 is locked"}
    assert run("parent", Number(value=2))["output"] == {"value": "8"}


def test_results_and_errors_of_a_map_stand_in_the_order_of_the_requests(run: Callable[..., Any]) -> None:
    status = run("double_all", Names(names=("1", "13", "2", "17", "19")))

    assert status["output"] == {"value": ["2", "invalid_credentials", "4", "database_locked", "internal_error"]}


def test_a_map_over_nothing_gives_nothing(run: Callable[..., Any]) -> None:
    assert run("double_all", Names())["output"] == {"value": []}


def test_a_fault_in_an_activity_travels_without_its_text() -> None:
    answer = double.answer({"value": 19})

    assert answer["error"]["code"] == "internal_error"
    assert "secret" not in answer["error"]["message"]


def test_different_activities_run_together(run: Callable[..., Any]) -> None:
    assert run("mixed", Number(value=3))["output"] == {"value": ["value=6", "2"]}


def test_a_fault_in_a_plan_reaches_the_plan_above_as_an_internal_error(run: Callable[..., Any]) -> None:
    assert "The plan broken ended" in run("parent_of_broken", Number(value=1))["output"]["value"]


def test_an_entity_keeps_its_state_and_answers(run: Callable[..., Any]) -> None:
    assert run("teller", Names(names=("a", "b")))["output"] == {"value": 4}


def test_an_unknown_operation_of_an_entity_is_an_error(run: Callable[..., Any]) -> None:
    assert "tally has no operation 'subtract'" in run("misused", Names())["output"]["value"]


def clocked(path: Path, work: Callable[..., Coroutine[Any, Any, Any]]) -> Any:
    async def live() -> Any:
        app = df.DFApp()
        for trigger in TRIGGERS:
            trigger.register(app)
        clock = FakeClock(NOON)
        async with running_hub(path / "hub.sqlite", app, clock=clock) as hub:
            return await work(hub, clock)

    return asyncio.run(live())


def test_a_plan_sleeps_until_the_moment_it_names(tmp_path: Path) -> None:
    async def work(hub: Any, clock: FakeClock) -> Any:
        instance = await start(hub, "waiter", {"value": 0})
        await hub.run_until_idle()
        clock.move_to(hub.next_due())
        await hub.run_until_idle()
        return hub.status(instance)["output"]

    assert clocked(tmp_path, work) == {"value": "due after 3600"}


def test_a_sleeping_plan_is_woken_by_its_event(tmp_path: Path) -> None:
    async def work(hub: Any, clock: FakeClock) -> Any:
        instance = await start(hub, "waiter", {"value": 0})
        await hub.run_until_idle()
        clock.move_to(datetime(2026, 3, 1, 12, 10, tzinfo=UTC))
        await hub.raise_event(instance, "wake", json.dumps({}))
        await hub.run_until_idle()
        return hub.status(instance)["output"]

    assert clocked(tmp_path, work) == {"value": "woken after 600"}


def test_a_generation_that_continues_as_new_starts_with_its_new_request(tmp_path: Path) -> None:
    async def work(hub: Any, clock: FakeClock) -> Any:
        instance = await start(hub, "waiter", {"value": 1})
        await hub.run_until_idle()
        clock.move_to(hub.next_due())
        await hub.run_until_idle()
        return hub.status(instance)["output"]

    assert clocked(tmp_path, work) == {"value": "due after 0"}


def test_six_signs_differ_by_salt_and_time_moves_with_the_timer(tmp_path: Path) -> None:
    async def work(hub: Any, clock: FakeClock) -> Any:
        instance = await start(hub, "napper", {"value": 0})
        await hub.run_until_idle()
        clock.move_to(hub.next_due())
        await hub.run_until_idle()
        return hub.status(instance)["output"]["value"]

    moment, first, second, replaying = clocked(tmp_path, work).split()

    assert moment == "2026-03-01T12:01:30+00:00"
    assert len(first) == len(second) == 6
    assert first != second
    assert replaying == "False"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (WorkerLost("gone").value(), WorkerLost),
        (ErrorValue(code="from_a_newer_version", message="?", retry=True), TransientError),
        (ErrorValue(code="from_a_newer_version", message="?", retry=False), PermanentError),
        (ErrorValue(code="too_many_requests", message="?", retry=False), PermanentError),
    ],
)
def test_an_error_survives_its_journey_as_a_value(value: ErrorValue, kind: type[BackupError]) -> None:
    assert type(error_from(value)) is kind
