"""What the hub tells about instances, in the shape of Azure's management API."""

import json
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Connection
from typing import Any

from local.taskhub import instances
from local.taskhub.database import to_micros
from local.taskhub.history import SCHEDULED, Event, EventType, completed_task
from local.taskhub.instances import COLUMNS, Instance

_TURN_MARKS = (EventType.ORCHESTRATOR_STARTED, EventType.ORCHESTRATOR_COMPLETED)
_TOLD_FIELDS = ("FireAt", "Reason", "Input", "InstanceId", "OrchestrationStatus")
_NAMES = {
    EventType.EXECUTION_STARTED: "ExecutionStarted",
    EventType.EXECUTION_COMPLETED: "ExecutionCompleted",
    EventType.EXECUTION_TERMINATED: "ExecutionTerminated",
    EventType.TASK_SCHEDULED: "TaskScheduled",
    EventType.TASK_COMPLETED: "TaskCompleted",
    EventType.TASK_FAILED: "TaskFailed",
    EventType.SUB_ORCHESTRATION_CREATED: "SubOrchestrationInstanceCreated",
    EventType.SUB_ORCHESTRATION_COMPLETED: "SubOrchestrationInstanceCompleted",
    EventType.SUB_ORCHESTRATION_FAILED: "SubOrchestrationInstanceFailed",
    EventType.TIMER_CREATED: "TimerCreated",
    EventType.TIMER_FIRED: "TimerFired",
    EventType.EVENT_SENT: "EventSent",
    EventType.EVENT_RAISED: "EventRaised",
    EventType.GENERIC: "GenericEvent",
    EventType.EXECUTION_SUSPENDED: "ExecutionSuspended",
    EventType.EXECUTION_RESUMED: "ExecutionResumed",
}


@dataclass(frozen=True, slots=True)
class Detail:
    """How much a status tells."""

    input: bool = True
    history: bool = False
    history_output: bool = False


PLAIN = Detail()
"""What a status tells when nothing else is asked for."""


@dataclass(frozen=True, slots=True)
class InstanceFilter:
    """Which instances are meant; what is None or empty does not matter."""

    created_from: datetime | None = None
    created_to: datetime | None = None
    statuses: frozenset[str] = frozenset()
    id_prefix: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Some statuses in the order of their ids; `continue_after` is the id to go on with, None at the end."""

    statuses: list[dict[str, Any]]
    continue_after: str | None


def describe(connection: Connection, instance: Instance, detail: Detail) -> dict[str, Any]:
    """Gives the status as JSON values; times to the second."""
    status = {
        "name": instance.name,
        "instanceId": instance.id,
        "runtimeStatus": str(instance.status),
        "input": _parse(instance.input) if detail.input else None,
        "customStatus": _parse(instance.custom_status),
        "output": _parse(instance.output),
        "createdTime": _to_seconds(instance.created),
        "lastUpdatedTime": _to_seconds(instance.updated),
    }
    if detail.history:
        texts = instances.load_history(connection, instance.id)
        status["historyEvents"] = _describe_history([json.loads(text) for text in texts], detail)
    return status


def select(connection: Connection, wanted: InstanceFilter, *, after: str = "", limit: int = -1) -> list[Instance]:
    """Gives the instances meant whose ids come after `after`, in the order of their ids; limit -1: all."""
    conditions = ["id > ?", "substr(id, 1, ?) = ?"]
    values: list[str | int] = [after, len(wanted.id_prefix), wanted.id_prefix]
    if wanted.created_from is not None:
        conditions.append("created >= ?")
        values.append(to_micros(wanted.created_from))
    if wanted.created_to is not None:
        conditions.append("created <= ?")
        values.append(to_micros(wanted.created_to))
    if wanted.statuses:
        conditions.append(f"status IN ({', '.join('?' * len(wanted.statuses))})")
        values.extend(sorted(wanted.statuses))
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM instances WHERE {' AND '.join(conditions)} ORDER BY id LIMIT ?",  # noqa: S608 - constants
        (*values, limit),
    )
    return [instances.from_row(row) for row in rows]


def list_page(connection: Connection, wanted: InstanceFilter, detail: Detail, *, after: str, size: int | None) -> Page:
    """Gives the next `size` statuses; None: all that are left."""
    found = select(connection, wanted, after=after, limit=-1 if size is None else size + 1)
    shown = found if size is None else found[:size]
    statuses = [describe(connection, instance, detail) for instance in shown]
    return Page(statuses, shown[-1].id if len(found) > len(shown) else None)


def _describe_history(entries: list[Event], detail: Detail) -> list[dict[str, Any]]:
    """Gives what a reader wants to know: what was scheduled is told with its end, and turns are left out."""
    scheduled = {entry["EventId"]: entry for entry in entries if entry["EventType"] in SCHEDULED}
    ended = {completed_task(entry) for entry in entries}
    return [
        _describe_event(entry, scheduled, detail)
        for entry in entries
        if entry["EventType"] not in _TURN_MARKS and not (entry["EventType"] in SCHEDULED and entry["EventId"] in ended)
    ]


def _describe_event(entry: Event, scheduled: dict[int, Event], detail: Detail) -> dict[str, Any]:
    kind = EventType(entry["EventType"])
    told = {"EventType": _NAMES[kind], "Timestamp": entry["Timestamp"]}
    told |= {key: entry[key] for key in _TOLD_FIELDS if key in entry}
    name = entry.get("Name")
    if name is not None:
        told["Name" if kind == EventType.EVENT_RAISED else "FunctionName"] = name
    if detail.history_output and "Result" in entry:
        told["Result"] = _parse(entry["Result"])
    number = completed_task(entry)
    if number in scheduled:
        told["ScheduledTime"] = scheduled[number]["Timestamp"]
        if "Name" in scheduled[number]:
            told["FunctionName"] = scheduled[number]["Name"]
    return told


def _parse(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _to_seconds(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
