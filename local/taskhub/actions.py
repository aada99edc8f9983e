"""What an orchestrator's code asked for: the SDK's answer to one turn, parsed.

The list of actions is cumulative: every turn repeats all actions of the generation. Schema versions 1 and 2 (the SDK's
V2 and V3) are understood; the hub never asks for the older one.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from local.taskhub.history import from_timestamp

FAILURE_LABEL = "\n\n$OutOfProcData$:"
"""The SDK puts the state that a failing orchestrator had reached behind this label in the exception's text."""


class UnknownAnswer(Exception):
    """The answer is not one this host understands; the message says what was met."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often to try, and how long to wait before each further try."""

    interval: timedelta
    max_attempts: int


@dataclass(frozen=True, slots=True)
class CallActivity:
    name: str
    input: str | None
    retry: RetryPolicy | None = None


@dataclass(frozen=True, slots=True)
class CallSubOrchestrator:
    name: str
    input: str | None
    instance_id: str | None
    version: str | None
    retry: RetryPolicy | None = None


@dataclass(frozen=True, slots=True)
class CreateTimer:
    fire_at: datetime
    cancelled: bool


@dataclass(frozen=True, slots=True)
class WaitForEvent:
    name: str


@dataclass(frozen=True, slots=True)
class CallEntity:
    entity_id: str
    operation: str
    input: str | None


@dataclass(frozen=True, slots=True)
class SignalEntity:
    entity_id: str
    operation: str
    input: str | None


@dataclass(frozen=True, slots=True)
class ContinueAsNew:
    input: str | None


@dataclass(frozen=True, slots=True)
class WhenAll:
    children: tuple["Action", ...]


@dataclass(frozen=True, slots=True)
class WhenAny:
    children: tuple["Action", ...]


Action = (
    CallActivity
    | CallSubOrchestrator
    | CreateTimer
    | WaitForEvent
    | CallEntity
    | SignalEntity
    | ContinueAsNew
    | WhenAll
    | WhenAny
)


@dataclass(frozen=True, slots=True)
class OrchestratorState:
    """Where the code stands after a turn. `output` and `custom_status` are JSON values, None when absent."""

    actions: tuple[Action, ...]
    is_done: bool
    output: Any = None
    error: str | None = None
    custom_status: Any = None


def parse_state(answer: str) -> OrchestratorState:
    """Gives the state in the SDK's answer; raises UnknownAnswer."""
    try:
        state = json.loads(answer)
        (actions,) = state["actions"]
        return OrchestratorState(
            actions=tuple(_parse_action(action) for action in actions),
            is_done=state["isDone"],
            output=state.get("output"),
            error=state.get("error"),
            custom_status=state.get("customStatus"),
        )
    except (ValueError, KeyError, TypeError) as problem:
        raise UnknownAnswer(f"the orchestrator's answer is not a state: {problem!r}") from problem


def parse_failure(message: str) -> OrchestratorState:
    """Gives the state in the text of a failed orchestrator; without the label, a failed state with no actions."""
    text, label, state = message.partition(FAILURE_LABEL)
    return parse_state(state) if label else OrchestratorState(actions=(), is_done=False, error=text)


def _parse_action(raw: dict[str, Any]) -> Action:
    match raw["actionType"]:
        case 0 | 1:
            return CallActivity(raw["functionName"], raw["input"], _parse_retry(raw))
        case 2 | 3:
            return CallSubOrchestrator(
                raw["functionName"], raw["input"], raw["instanceId"], raw["version"], _parse_retry(raw)
            )
        case 4:
            return ContinueAsNew(raw["input"])
        case 5:
            return CreateTimer(from_timestamp(raw["fireAt"]), raw["isCanceled"])
        case 6:
            return WaitForEvent(raw["externalEventName"])
        case 7:
            return CallEntity(raw["instanceId"], raw["operation"], raw["input"])
        case 9:
            return SignalEntity(raw["instanceId"], raw["operation"], raw["input"])
        case 11:
            return WhenAny(tuple(_parse_action(child) for child in raw["compoundActions"]))
        case 12:
            return WhenAll(tuple(_parse_action(child) for child in raw["compoundActions"]))
        case 8:
            raise UnknownAnswer("call_http is not supported by this host; make the call in an activity")
        case other:
            raise UnknownAnswer(f"action type {other} is not known to this host")


def _parse_retry(raw: dict[str, Any]) -> RetryPolicy | None:
    options = raw.get("retryOptions")
    if options is None:
        return None
    return RetryPolicy(
        timedelta(milliseconds=options["firstRetryIntervalInMilliseconds"]), options["maxNumberOfAttempts"]
    )
