"""The rules by which the host finds out what is new, as tables: a history and the actions, then the decisions."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.taskhub.actions import (
    Action,
    CallActivity,
    CallEntity,
    CallSubOrchestrator,
    ContinueAsNew,
    CreateTimer,
    OrchestratorState,
    RetryPolicy,
    SignalEntity,
    WaitForEvent,
    WhenAll,
    WhenAny,
)
from local.taskhub.decisions import (
    Completed,
    ContinuedAsNew,
    Failed,
    Replay,
    ScheduleActivity,
    SendToEntity,
    StartSubOrchestration,
    StartTimer,
    Waiting,
)
from local.taskhub.history import Event, EventType, event
from local.taskhub.replay import replay

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
RETRY = RetryPolicy(timedelta(seconds=5), 2)

A = CallActivity("a", "1")
B = CallActivity("b", "2")
RETRIED = WhenAll((CallActivity("a", "1", RETRY),))  # the SDK wraps it so
TIMER = CreateTimer(LATER, cancelled=False)
CANCELLED = CreateTimer(LATER, cancelled=True)
CALL = CallEntity("@e@k", "get", "null")
SIGNAL = SignalEntity("@e@k", "add", "1")
CHILD = CallSubOrchestrator("child", "1", None, None)


def turn(*entries: Event, at: datetime = NOW) -> list[Event]:
    return [event(EventType.ORCHESTRATOR_STARTED, at), *entries]


def started(*entries: Event) -> list[Event]:
    return turn(event(EventType.EXECUTION_STARTED, NOW, Name="plan"), *entries)


def scheduled(number: int, name: str = "a") -> Event:
    return event(EventType.TASK_SCHEDULED, NOW, number, Name=name)


def done(number: int) -> Event:
    return event(EventType.TASK_COMPLETED, NOW, TaskScheduledId=number, Result="1")


def failed(number: int) -> Event:
    return event(EventType.TASK_FAILED, NOW, TaskScheduledId=number, Reason="no", Details="")


def timer_created(number: int) -> Event:
    return event(EventType.TIMER_CREATED, NOW, number)


def fired(number: int) -> Event:
    return event(EventType.TIMER_FIRED, NOW, TimerId=number)


def sent(number: int, request: str = "guid") -> Event:
    return event(EventType.EVENT_SENT, NOW, number, InstanceId="@e@k", Name="op", Input=f'{{"id": "{request}"}}')


def raised(name: str, payload: str = '{"result": "1"}') -> Event:
    return event(EventType.EVENT_RAISED, NOW, Name=name, Input=payload)


def after(history: list[Event], *actions: Action, **state: Any) -> Replay:
    return replay("plan", history, OrchestratorState(actions, **{"is_done": False, **state}))


def ids(result: Replay) -> list[int]:
    return [decision.id for decision in result.decisions]


@pytest.mark.parametrize(
    ("history", "actions", "numbers"),
    [
        pytest.param(started(), [A], [0], id="the first action is new"),
        pytest.param(started(), [A, B], [0], id="the next waits for the one before"),
        pytest.param([*started(scheduled(0)), *turn()], [A, B], [], id="what is confirmed is not new"),
        pytest.param([*started(scheduled(0)), *turn(done(0))], [A, B], [1], id="an answer starts the next"),
        pytest.param(started(), [WhenAll((A, B)), TIMER], [0, 1], id="all of a compound start at once"),
        pytest.param(
            [*started(scheduled(0), scheduled(1, "b")), *turn(done(1))], [WhenAll((A, B)), TIMER], [], id="all-of waits"
        ),
        pytest.param(
            [*started(scheduled(0), scheduled(1, "b")), *turn(failed(1))],
            [WhenAll((A, B)), TIMER],
            [],
            id="all-of waits for the others after a failure",
        ),
        pytest.param(
            [*started(scheduled(0), scheduled(1, "b")), *turn(failed(1), done(0))],
            [WhenAll((A, B)), TIMER],
            [2],
            id="all-of is complete when all have ended",
        ),
        pytest.param(
            [*started(scheduled(0), timer_created(1)), *turn(fired(1))],
            [WhenAny((A, TIMER)), B],
            [2],
            id="any-of is complete with the first",
        ),
        pytest.param(
            [*started(scheduled(0), timer_created(1)), *turn(failed(0))],
            [WhenAny((A, TIMER)), B],
            [2],
            id="any-of is complete with the first failure too",
        ),
        pytest.param(
            started(), [WhenAny((WhenAll((A, B)), WhenAny((TIMER, A)))), B], [0, 1, 2, 3], id="compounds nest"
        ),
        pytest.param(started(), [WhenAll(()), A], [0], id="an empty compound is complete"),
        pytest.param(started(), [WhenAny(()), A], [0], id="an empty any-of is complete"),
        pytest.param(started(), [SIGNAL, SIGNAL, A], [0, 1, 2], id="a signal takes a number and waits for nothing"),
        pytest.param(started(), [CANCELLED, A], [0, 1], id="a cancelled timer takes a number and waits for nothing"),
        pytest.param(started(), [WhenAny((CANCELLED, A)), B], [0, 1, 2], id="a cancelled timer ends its any-of"),
        pytest.param(
            [*started(timer_created(0), scheduled(1)), *turn(fired(0))], [CANCELLED, A], [], id="its firing is no harm"
        ),
        pytest.param(started(), [WaitForEvent("x"), A], [], id="a wait takes no number"),
        pytest.param([*started(), *turn(raised("X"))], [WaitForEvent("x"), A], [0], id="names know no case"),
        pytest.param(started(raised("x")), [WaitForEvent("x"), A], [0], id="an event after the start is heard"),
        pytest.param(
            [*started(scheduled(0)), *turn(raised("x")), *turn(done(0))],
            [A, WaitForEvent("x"), B],
            [1],
            id="an early event is kept",
        ),
        pytest.param([*started(scheduled(0)), *turn(done(7))], [A, B], [], id="an answer to nothing is dropped"),
        pytest.param(
            [*started(sent(0)), *turn(raised("guid"))], [CALL, A], [1], id="an entity answers under its request's id"
        ),
        pytest.param([*started(sent(0)), *turn(raised("other"))], [CALL, A], [], id="another id is another's answer"),
    ],
)
def test_exactly_what_no_event_confirms_is_new(history: list[Event], actions: list[Action], numbers: list[int]) -> None:
    result = after(history, *actions)

    assert ids(result) == numbers
    assert result.outcome == Waiting()
    assert result.traps == () or "failed inside" in result.traps[0]


def test_decisions_carry_what_was_asked_for() -> None:
    named = CallSubOrchestrator("child", "1", "my-id", "2.0")

    assert after(started(), WhenAll((A, TIMER, CHILD, named, CALL))).decisions == (
        ScheduleActivity(0, "a", "1"),
        StartTimer(1, LATER),
        StartSubOrchestration(2, "child", "1", None, None),
        StartSubOrchestration(3, "child", "1", "my-id", "2.0"),
        SendToEntity(4, "@e@k", "get", "null", signal=False),
    )


def test_a_retried_call_waits_after_each_failure_and_once_more_after_the_last() -> None:
    first = [*started(scheduled(0)), *turn(failed(0), at=LATER)]
    second = [*first, timer_created(1), *turn(fired(1))]
    third = [*second, scheduled(2), *turn(failed(2))]
    fourth = [*third, timer_created(3), *turn(fired(3))]

    assert after(first, RETRIED, B).decisions == (StartTimer(1, LATER + RETRY.interval),)
    assert after(second, RETRIED, B).decisions == (ScheduleActivity(2, "a", "1"),)
    assert ids(after(third, RETRIED, B)) == [3]
    assert after(fourth, RETRIED, B).decisions == (ScheduleActivity(4, "b", "2"),)
    assert after(fourth, RETRIED, B).traps == ()


def test_a_retried_call_that_succeeds_needs_no_timer() -> None:
    history = [
        *started(scheduled(0)),
        *turn(failed(0)),
        timer_created(1),
        *turn(fired(1)),
        scheduled(2),
        *turn(done(2)),
    ]

    assert ids(after(history, RETRIED, B)) == [3]


def test_numbers_of_retries_come_in_the_order_of_the_answers() -> None:
    both = WhenAll((RETRIED, WhenAll((CallActivity("b", "2", RETRY),))))
    history = [*started(scheduled(0), scheduled(1, "b")), *turn(failed(1), failed(0))]

    assert after(history, both).decisions == (StartTimer(2, NOW + RETRY.interval), StartTimer(3, NOW + RETRY.interval))


def test_a_sub_orchestration_that_fails_is_tried_again() -> None:
    retried = WhenAll((CallSubOrchestrator("child", "1", None, None, RETRY),))
    created = event(EventType.SUB_ORCHESTRATION_CREATED, NOW, 0, Name="child", InstanceId="x:0")
    failure = event(EventType.SUB_ORCHESTRATION_FAILED, NOW, TaskScheduledId=0, Reason="no", Details="")
    history = [*started(created), *turn(failure), timer_created(1), *turn(fired(1))]

    assert after(history, retried).decisions == (StartSubOrchestration(2, "child", "1", None, None),)


@pytest.mark.parametrize(
    ("entry", "actions"),
    [
        pytest.param(scheduled(0, "other"), [A], id="another activity"),
        pytest.param(timer_created(0), [A], id="another kind"),
        pytest.param(scheduled(0), [TIMER], id="an activity where a timer is asked for"),
        pytest.param(scheduled(0), [CHILD], id="an activity where a child is asked for"),
        pytest.param(scheduled(0), [CALL], id="an activity where an entity is asked for"),
        pytest.param(scheduled(5), [A], id="a number that is not asked for"),
        pytest.param(scheduled(0), [], id="nothing is asked for"),
    ],
)
def test_a_history_that_the_code_does_not_ask_for_is_non_deterministic(entry: Event, actions: list[Action]) -> None:
    result = after(started(entry), *actions)

    assert isinstance(result.outcome, Failed)
    assert result.outcome.reason.startswith("Non-Deterministic workflow detected: number ")
    assert result.decisions == ()


def test_the_end_counts_only_when_every_action_before_it_is_complete() -> None:
    history = [*started(scheduled(0), scheduled(1, "b")), *turn(failed(0))]
    early = after(history, WhenAll((A, B)), error="boom")
    late = after([*history, *turn(done(1))], WhenAll((A, B)), error="boom")

    assert early.outcome == Waiting()
    assert late.outcome == Failed("Orchestrator function 'plan' failed: boom")


def test_an_end_gives_the_output_and_the_signals_before_it() -> None:
    result = after(started(), SIGNAL, is_done=True, output={"x": 1})

    assert result.outcome == Completed({"x": 1})
    assert ids(result) == [0]


def test_going_on_as_new_needs_no_yield_and_an_error_wins_over_it() -> None:
    assert after(started(), ContinueAsNew("7"), is_done=True).outcome == ContinuedAsNew("7")
    assert isinstance(after(started(), ContinueAsNew("7"), is_done=True, error="x").outcome, Failed)


@pytest.mark.parametrize(
    ("history", "actions", "trap"),
    [
        ([*started(scheduled(0)), *turn(failed(0))], [WhenAll((A,))], "failed inside task_all or task_any"),
        (
            [*started(sent(0)), *turn(raised("guid", '{"result": "1", "exceptionType": "Error"}'))],
            [WhenAny((CALL, TIMER))],
            "failed inside task_all or task_any",
        ),
        (
            [*started(scheduled(0)), *turn(raised("x"), raised("X"), done(0))],
            [A, WaitForEvent("x")],
            "2 events 'x' came before the wait",
        ),
        (
            [*started(scheduled(0)), *turn(raised("x"), done(0))],
            [A, WaitForEvent("x"), WaitForEvent("x")],
            "event 'x' came before an earlier wait",
        ),
    ],
)
def test_traps_of_the_sdk_are_named(history: list[Event], actions: list[Action], trap: str) -> None:
    assert trap in " ".join(after(history, *actions).traps)


def test_code_that_has_ended_while_an_action_is_open_is_a_trap() -> None:
    result = after(started(scheduled(0)), A, is_done=True)

    assert result.outcome == Waiting()
    assert "this orchestration hangs" in result.traps[0]
