"""A small foreign function app: scenarios that users of Durable Functions rely on, none of them the product's."""

# The SDK ships no types:
# mypy: disallow-untyped-decorators=False

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import azure.durable_functions as df

from tests.local.taskhub import flaky_plans
from tests.local.taskhub.tallies import counts, gate

Plan = Generator[Any, Any, Any]


class Point:
    """An object that brings its own JSON, as the SDK lets users pass them."""

    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y

    @staticmethod
    def to_json(point: "Point") -> str:
        return f"{point.x},{point.y}"

    @staticmethod
    def from_json(text: str) -> "Point":
        return Point(*map(int, text.split(",")))


Context = Any
"""The SDK's contexts."""

app = df.DFApp()


# Activities


@app.activity_trigger(input_name="city")
def greet(city: str) -> str:
    return f"Hello {city}!"


@app.activity_trigger(input_name="number")
async def double(number: int) -> int:
    return number * 2


@app.activity_trigger(input_name="text")
def fail(text: str) -> None:
    raise ValueError(text)


@app.activity_trigger(input_name="times")
def fail_at_first(times: dict[str, Any]) -> int:
    """Fails so many times per key."""
    tries = counts.add(times["key"])
    if tries <= times["failures"]:
        raise RuntimeError(f"try {tries}")
    return tries


@app.activity_trigger(input_name="key")
def tally(key: str) -> int:
    return counts.add(f"tally of {key}")


@app.activity_trigger(input_name="key")
def wait_at_gate(key: str) -> str:
    counts.add(key)
    gate.wait(60)
    return "through"


@app.activity_trigger(input_name="nothing")
def not_a_number(nothing: None) -> float:
    return float("nan")


@app.activity_trigger(input_name="point")
def mirror(point: Point) -> Point:
    return Point(point.y, point.x)


# Orchestrators


@app.orchestration_trigger(context_name="context")
def carry_point(context: Context) -> Plan:
    point = yield context.call_activity("mirror", Point(4, 3))
    return [point.x, point.y]


@app.orchestration_trigger(context_name="context")
def relay(context: Context) -> Plan:
    state = context.get_input()
    yield context.wait_for_external_event("next")
    if state["left"] == 1:
        return "all relayed"
    context.continue_as_new({"left": state["left"] - 1})
    return None


@app.orchestration_trigger(context_name="context")
def chain(context: Context) -> Plan:
    greetings = []
    for city in context.get_input():
        greetings.append((yield context.call_activity("greet", city)))
    return greetings


@app.orchestration_trigger(context_name="context")
def fan_out(context: Context) -> Plan:
    numbers = yield context.task_all([context.call_activity("double", n) for n in range(context.get_input())])
    return sum(numbers or [])  # of no tasks the SDK makes None


@app.orchestration_trigger(context_name="context")
def parent(context: Context) -> Plan:
    child = yield context.call_sub_orchestrator("chain", ["Lima"], f"{context.instance_id}-child")
    unnamed = yield context.call_sub_orchestrator("family_name", None)
    return [child, unnamed]


@app.orchestration_trigger(context_name="context")
def start_child_as(context: Context) -> Plan:
    return (yield context.call_sub_orchestrator("family_name", None, context.get_input()))


@app.orchestration_trigger(context_name="context")
def family_name(context: Context) -> Plan:
    yield context.call_activity("double", 1)
    return context.parent_instance_id


@app.orchestration_trigger(context_name="context")
def nap(context: Context) -> Plan:
    before = context.current_utc_datetime
    yield context.create_timer(before + timedelta(seconds=context.get_input()))
    return (context.current_utc_datetime - before).total_seconds()


@app.orchestration_trigger(context_name="context")
def approval(context: Context) -> Plan:
    context.set_custom_status("waiting")
    answer = context.wait_for_external_event("answer")
    deadline = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    first = yield context.task_any([answer, deadline])
    if first == deadline:
        return "too late"
    deadline.cancel()
    context.set_custom_status("answered")
    return answer.result


@app.orchestration_trigger(context_name="context")
def eternal(context: Context) -> Plan:
    state = context.get_input()
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=state["every"]))
    state["generation"] += 1
    if state["generation"] == state["last"]:
        return state["generation"]
    context.continue_as_new(state)
    return None


@app.orchestration_trigger(context_name="context")
def countdown(context: Context) -> int | None:
    """Has no yield at all."""
    left = context.get_input()
    if left == 0:
        return 0
    context.continue_as_new(left - 1)
    return None


@app.orchestration_trigger(context_name="context")
def retry(context: Context) -> Plan:
    options = df.RetryOptions(first_retry_interval_in_milliseconds=5000, max_number_of_attempts=3)
    try:
        return (yield context.call_activity_with_retry("fail_at_first", options, context.get_input()))
    except Exception as error:  # the SDK raises nothing narrower
        return f"caught: {error}"


@app.orchestration_trigger(context_name="context")
def retry_child(context: Context) -> Plan:
    options = df.RetryOptions(first_retry_interval_in_milliseconds=5000, max_number_of_attempts=3)
    return (yield context.call_sub_orchestrator_with_retry("fail_at_first_child", options, context.get_input()))


@app.orchestration_trigger(context_name="context")
def fail_at_first_child(context: Context) -> Plan:
    return (yield context.call_activity("fail_at_first", context.get_input()))


@app.orchestration_trigger(context_name="context")
def call_failing(context: Context) -> Plan:
    yield context.call_activity("fail", context.get_input())


@app.orchestration_trigger(context_name="context")
def call_failing_child(context: Context) -> Plan:
    try:
        yield context.call_sub_orchestrator("call_failing", context.get_input())
    except Exception as error:  # the SDK raises nothing narrower
        return f"caught: {error}"


@app.orchestration_trigger(context_name="context")
def call_by_name(context: Context) -> Plan:
    wanted = context.get_input()
    if wanted["kind"] == "activity":
        return (yield context.call_activity(wanted["name"], None))
    if wanted["kind"] == "entity":
        return (yield context.call_entity(df.EntityId(wanted["name"], "k"), "get", 0))
    if wanted["kind"] == "signal":
        context.signal_entity(df.EntityId(wanted["name"], "k"), "add", 1)
        return (yield context.call_activity("double", 1))
    return (yield context.call_sub_orchestrator(wanted["name"], None))


@app.orchestration_trigger(context_name="context")
def use_counter(context: Context) -> Plan:
    counter = df.EntityId("Counter", context.get_input())
    context.signal_entity(counter, "add", 3)
    context.signal_entity(counter, "add", 4)
    total = yield context.call_entity(counter, "get", 0)
    try:
        yield context.call_entity(counter, "explode", 0)
    except Exception as error:  # the SDK raises nothing narrower
        return [total, str(error)]


@app.orchestration_trigger(context_name="context")
def call_counter(context: Context) -> Plan:
    call = context.get_input()
    return (yield context.call_entity(df.EntityId("Counter", "c"), call["operation"], call["input"]))


@app.orchestration_trigger(context_name="context")
def change_of_mind(context: Context) -> Plan:
    """Does something else in every replay, which code must never do."""
    if counts.add(f"minds of {context.instance_id}") == 1:
        yield context.call_activity("double", 1)
    else:
        yield context.wait_for_external_event("never")


@app.orchestration_trigger(context_name="context")
def change_of_function(context: Context) -> Plan:
    """Calls something else in every replay."""
    called = "double" if counts.add(f"functions of {context.instance_id}") == 1 else "greet"
    yield context.call_activity(called, 1)


@app.orchestration_trigger(context_name="context")
def use_counter_and_wait(context: Context) -> Plan:
    context.signal_entity(df.EntityId("Counter", context.get_input()), "add", 1)
    yield context.wait_for_external_event("never")


@app.orchestration_trigger(context_name="context")
def wait_for_child(context: Context) -> Plan:
    try:
        yield context.call_sub_orchestrator("approval", None, f"{context.instance_id}-child")
    except Exception as error:  # the SDK raises nothing narrower
        return f"caught: {error}"


@app.orchestration_trigger(context_name="context")
def identities(context: Context) -> Plan:
    before = [context.new_uuid(), str(context.new_guid()), context.current_utc_datetime.isoformat()]
    replaying = [context.is_replaying]
    yield context.call_activity("double", 1)
    replaying.append(context.is_replaying)
    return {"ids": before, "replaying": replaying, "version": context.version}


@app.orchestration_trigger(context_name="context")
def race(context: Context) -> Plan:
    slow = context.create_timer(context.current_utc_datetime + timedelta(days=10))
    quick = context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
    winner = yield context.task_any([slow, quick])
    return "quick" if winner == quick else "slow"


@app.orchestration_trigger(context_name="context")
def gated(context: Context) -> Plan:
    return (yield context.call_activity("wait_at_gate", context.get_input()))


@app.orchestration_trigger(context_name="context")
def collect(context: Context) -> Plan:
    """Waits for `a`, then for `b`, after a timer that lets both come first."""
    yield context.create_timer(context.current_utc_datetime + timedelta(minutes=1))
    first = yield context.wait_for_external_event("a")
    second = yield context.wait_for_external_event(context.get_input())
    return [first, second]


@app.orchestration_trigger(context_name="context")
def fail_in_fan_out(context: Context) -> Plan:
    tasks = [context.call_activity("fail", "inside"), context.call_activity("double", 1)]
    yield context.task_all(tasks)


@app.orchestration_trigger(context_name="context")
def long_history(context: Context) -> Plan:
    for number in range(context.get_input()):
        yield context.call_activity("double", number)


@app.orchestration_trigger(context_name="context")
def call_not_a_number(context: Context) -> Plan:
    return (yield context.call_activity("not_a_number", None))


@app.orchestration_trigger(context_name="context")
def give_not_a_number(context: Context) -> Plan:
    yield context.call_activity("double", 1)
    return float("inf")


@app.orchestration_trigger(context_name="context")
def large_output(context: Context) -> Plan:
    yield context.call_activity("double", 1)
    return "x" * context.get_input()


@app.orchestration_trigger(context_name="context")
def call_http(context: Context) -> Plan:
    return (yield context.call_http("GET", "http://127.0.0.1/"))


# Entities


@app.entity_trigger(context_name="context", entity_name="Counter")
def counter(context: Context) -> None:
    total = context.get_state(lambda: 0)
    if context.operation_name == "add":
        context.set_state(total + context.get_input())
        context.set_result(None)
    elif context.operation_name == "get":
        context.set_result(total)
    elif context.operation_name == "explode":
        raise ValueError("entity boom")
    elif context.operation_name == "spoil":
        context.set_state(float("nan"))
    elif context.operation_name == "delete":
        context.destruct_on_exit()


@app.entity_trigger(context_name="context")
def broken(context: Context) -> None:
    """Leaves a state that no JSON can hold, so that the SDK itself fails."""
    context.set_state(object())


app.register_functions(flaky_plans.plans)
