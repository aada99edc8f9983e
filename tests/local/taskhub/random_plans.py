"""Random orchestrations: a plan is data, and one orchestrator carries out whatever plan it gets.

Every task gives back a tag of its own, and the orchestrator compares: an answer that reaches the wrong task is noticed.
"""

# The SDK ships no types:
# mypy: disallow-untyped-decorators=False

import random
import threading
import time
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import azure.durable_functions as df

Node = dict[str, Any]
RETRY = df.RetryOptions(first_retry_interval_in_milliseconds=2, max_number_of_attempts=3)

Context = Any
"""The SDK's contexts."""

app = df.DFApp()
_tries: dict[str, int] = {}
_lock = threading.Lock()


def random_plan(seed: int) -> list[Node]:
    """A list of steps; failures only where no compound holds them, as in code that heeds the SDK's limits."""
    return _Maker(random.Random(seed), seed).plan()


class _Maker:
    def __init__(self, dice: random.Random, seed: int) -> None:
        self._dice = dice
        self._seed = seed
        self._tag = 0
        # To wait again for a task of an any-of moves the host's walk ahead of the code; a retried task that still runs
        # then takes its numbers out of turn, on Azure too. So a plan has the one or the other.
        self._with_retry = dice.random() < 0.7

    def plan(self) -> list[Node]:
        return [self._step() for _ in range(self._dice.randint(1, 4))]

    def _step(self) -> Node:
        kinds = ["leaf", "signal", "fail", "all", "any", "any", "exhaust" if self._with_retry else "any_then_all"]
        match self._dice.choice(kinds):
            case "leaf":
                return self._leaf()
            case "all" | "any" as kind:
                return self._compound(kind, depth=1)
            case "any_then_all":
                return {"kind": "any_then_all", "children": [self._leaf(), self._leaf(), self._leaf()]}
            case kind:
                return self._node(kind)

    def _compound(self, kind: str, depth: int) -> Node:
        children = []
        for _ in range(self._dice.randint(1, 3)):
            if depth < 3 and self._dice.random() < 0.3:
                children.append(self._compound(self._dice.choice(["all", "any"]), depth + 1))
            else:
                children.append(self._leaf())
        return {"kind": kind, "children": children}

    def _leaf(self) -> Node:
        kinds = ["activity", "timer", "sub", "entity"]
        return self._node(self._dice.choice([*kinds, "retry", "retry_sub"] if self._with_retry else kinds))

    def _node(self, kind: str) -> Node:
        self._tag += 1
        tag = f"{self._seed}-{self._tag}"
        return {"kind": kind, "tag": tag, "ms": self._dice.randint(0, 6), "failures": self._dice.randint(0, 2)}


@app.activity_trigger(input_name="node")
def work(node: Node) -> str:
    time.sleep(node["ms"] / 1000)
    return str(node["tag"])


@app.activity_trigger(input_name="node")
def flaky(node: Node) -> str:
    with _lock:
        _tries[node["tag"]] = _tries.get(node["tag"], 0) + 1
        tries = _tries[node["tag"]]
    if tries <= node["failures"]:
        raise RuntimeError(node["tag"])
    return str(node["tag"])


@app.activity_trigger(input_name="node")
def always_fails(node: Node) -> None:
    raise RuntimeError(node["tag"])


@app.entity_trigger(context_name="context")
def echo(context: Context) -> None:
    context.set_state(context.get_state(lambda: 0) + 1)
    context.set_result(context.get_input())


@app.orchestration_trigger(context_name="context")
def child(context: Context) -> Generator[Any, Any, Any]:
    return (yield context.call_activity("work", context.get_input()))


@app.orchestration_trigger(context_name="context")
def flaky_child(context: Context) -> Generator[Any, Any, Any]:
    return (yield context.call_activity("flaky", context.get_input()))


@app.orchestration_trigger(context_name="context")
def carry_out(context: Context) -> Generator[Any, Any, Any]:
    for step in context.get_input():
        kind = step["kind"]
        if kind == "signal":
            context.signal_entity(df.EntityId("echo", "signals"), "count", step["tag"])
        elif kind in ("fail", "exhaust"):
            yield from _expect_failure(context, step)
        elif kind == "any_then_all":
            tasks = [_task(context, child) for child in step["children"]]
            yield context.task_any(tasks)
            _compare({"kind": "all", "children": step["children"]}, (yield context.task_all(tasks)))
        elif kind == "any":
            winner = yield _task(context, step)
            assert winner.is_completed
        else:
            _compare(step, (yield _task(context, step)))
    return "done"


def _expect_failure(context: Context, step: Node) -> Generator[Any, Any, Any]:
    try:
        if step["kind"] == "fail":
            yield context.call_activity("always_fails", step)
        else:
            yield context.call_activity_with_retry("always_fails", RETRY, step)
    except Exception as error:  # the SDK raises nothing narrower
        assert step["tag"] in str(error)
    else:
        raise AssertionError("it did not fail")


def _task(context: Context, node: Node) -> Any:
    match node["kind"]:
        case "activity":
            return context.call_activity("work", node)
        case "timer":
            return context.create_timer(context.current_utc_datetime + timedelta(milliseconds=node["ms"]))
        case "sub":
            return context.call_sub_orchestrator("child", node)
        case "entity":
            return context.call_entity(df.EntityId("echo", str(node["ms"])), "echo", node["tag"])
        case "retry":
            return context.call_activity_with_retry("flaky", RETRY, node)
        case "retry_sub":
            return context.call_sub_orchestrator_with_retry("flaky_child", RETRY, node)
        case "all":
            return context.task_all([_task(context, child) for child in node["children"]])
        case _:
            return context.task_any([_task(context, child) for child in node["children"]])


def _compare(node: Node, result: Any) -> None:
    if node["kind"] == "all":
        for child_node, child_result in zip(node["children"], result, strict=True):
            _compare(child_node, child_result)
    elif node["kind"] == "any":
        assert result.is_completed
    elif node["kind"] != "timer":
        assert result == node["tag"], (node, result)
