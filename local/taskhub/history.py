"""The events of an orchestration's history, in the shape the SDK reads them.

An event is a JSON object with .NET's names: `EventType` (an int), `EventId`, `Timestamp` and what its type adds.
`IsPlayed` is not part of an event: it says whether an earlier turn has seen it, so it is added when one is written.
"""

import json
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

Event = dict[str, Any]


class EventType(IntEnum):
    """DurableTask.Core's numbers."""

    EXECUTION_STARTED = 0
    EXECUTION_COMPLETED = 1
    EXECUTION_TERMINATED = 3
    TASK_SCHEDULED = 4
    TASK_COMPLETED = 5
    TASK_FAILED = 6
    SUB_ORCHESTRATION_CREATED = 7
    SUB_ORCHESTRATION_COMPLETED = 8
    SUB_ORCHESTRATION_FAILED = 9
    TIMER_CREATED = 10
    TIMER_FIRED = 11
    ORCHESTRATOR_STARTED = 12
    ORCHESTRATOR_COMPLETED = 13
    EVENT_SENT = 14
    EVENT_RAISED = 15
    GENERIC = 17
    EXECUTION_SUSPENDED = 19
    EXECUTION_RESUMED = 20


SCHEDULED = frozenset(
    {
        EventType.TASK_SCHEDULED,
        EventType.SUB_ORCHESTRATION_CREATED,
        EventType.TIMER_CREATED,
        EventType.EVENT_SENT,
    }
)
"""Events that confirm a decision; their EventId is the decision's number."""


def to_timestamp(moment: datetime) -> str:
    """Gives .NET's round-trip format: seven digits of a second and Z."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "0Z"


def from_timestamp(text: str) -> datetime:
    """Gives aware UTC time; a text without a zone is taken as UTC, as .NET does here."""
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def event(kind: EventType, at: datetime, event_id: int = -1, **fields: Any) -> Event:
    """Gives one event; `fields` are .NET's names."""
    return {"EventType": int(kind), "EventId": event_id, "Timestamp": to_timestamp(at), **fields}


def encode(entry: Event, *, played: bool) -> str:
    """Gives the event's JSON text."""
    return json.dumps({**entry, "IsPlayed": played}, separators=(",", ":"))


def completed_task(entry: Event) -> int | None:
    """Gives the number of the decision that this event completes, if it completes a numbered one."""
    kind = entry["EventType"]
    if kind == EventType.TIMER_FIRED:
        return int(entry["TimerId"])
    if kind in _TASK_COMPLETIONS:
        return int(entry["TaskScheduledId"])
    return None


_TASK_COMPLETIONS = frozenset(
    {
        EventType.TASK_COMPLETED,
        EventType.TASK_FAILED,
        EventType.SUB_ORCHESTRATION_COMPLETED,
        EventType.SUB_ORCHESTRATION_FAILED,
    }
)
FAILURES = frozenset({EventType.TASK_FAILED, EventType.SUB_ORCHESTRATION_FAILED})
