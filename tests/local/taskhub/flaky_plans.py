"""Orchestrators of the foreign app that fail, and can be rewound."""

# The SDK ships no types:
# mypy: disallow-untyped-decorators=False

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import azure.durable_functions as df

from tests.local.taskhub.tallies import counts

Plan = Generator[Any, Any, Any]
Context = Any
"""The SDK's contexts."""

plans = df.Blueprint()


@plans.orchestration_trigger(context_name="context")
def count_then_fail(context: Context) -> Plan:
    runs = yield context.call_activity("tally", context.get_input()["key"])
    tries = yield context.call_activity("fail_at_first", context.get_input())
    return [runs, tries]


@plans.orchestration_trigger(context_name="context")
def fan_out_flaky(context: Context) -> Plan:
    calls = [context.call_activity("fail_at_first", {"key": key, "failures": 1}) for key in context.get_input()]
    return (yield context.task_all(calls))


@plans.orchestration_trigger(context_name="context")
def parent_of_flaky(context: Context) -> Plan:
    return (yield context.call_sub_orchestrator("count_then_fail", context.get_input(), f"{context.instance_id}-child"))


@plans.orchestration_trigger(context_name="context")
def fail_once_by_itself(context: Context) -> Plan:
    number = yield context.call_activity("double", 21)
    if counts.add("itself") == 1:
        raise RuntimeError("the code itself")
    return number


@plans.orchestration_trigger(context_name="context")
def fail_at_once(context: Context) -> Plan:
    if counts.add("at once") == 1:
        raise RuntimeError("at once")
    yield context.call_activity("double", 1)
    return "started"


@plans.orchestration_trigger(context_name="context")
def timer_beside_flaky(context: Context) -> Plan:
    timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    flaky = context.call_activity("fail_at_first", {"key": context.get_input(), "failures": 1})
    yield context.task_any([timer, flaky])
    yield flaky
    yield timer
    event = yield context.wait_for_external_event("go")
    return ["timer", event]


@plans.orchestration_trigger(context_name="context")
def gate_beside_flaky(context: Context) -> Plan:
    behind_gate = context.call_activity("wait_at_gate", f"gate of {context.get_input()}")
    flaky = context.call_activity("fail_at_first", {"key": context.get_input(), "failures": 1})
    yield context.task_any([behind_gate, flaky])
    tries = yield flaky
    return [(yield behind_gate), tries]


@plans.orchestration_trigger(context_name="context")
def retry_uncaught(context: Context) -> Plan:
    options = df.RetryOptions(first_retry_interval_in_milliseconds=5000, max_number_of_attempts=3)
    return (yield context.call_activity_with_retry("fail_at_first", options, context.get_input()))
