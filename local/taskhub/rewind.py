"""Brings a failed orchestration back to the moment before what made it fail, so that this is done again.

What failed is the last failed task, with the tasks that were started in the same turn and failed too. The history is
cut before the turn that heard of the first of them; answers and events that came later are delivered again. If no task
failed, the code itself did, and its last turn is taken again. Whatever the shortened history waits for and nobody works
on any more is taken out of it too, so that the code asks for it anew; failed sub-orchestrations are rewound themselves.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from sqlite3 import Connection

from local.taskhub import instances, messages
from local.taskhub.errors import WrongState
from local.taskhub.history import FAILURES, SCHEDULED, Event, EventType, completed_task, event
from local.taskhub.instances import FINISHED, Instance, Status

_ANSWERS = frozenset(
    {
        EventType.EXECUTION_STARTED,
        EventType.TASK_COMPLETED,
        EventType.TASK_FAILED,
        EventType.SUB_ORCHESTRATION_COMPLETED,
        EventType.SUB_ORCHESTRATION_FAILED,
        EventType.TIMER_FIRED,
        EventType.EVENT_RAISED,
    }
)
"""What reaches an orchestration from outside."""


def rewind(connection: Connection, instance: Instance, reason: str, now: datetime) -> None:
    """Lets the failed instance go on; raises WrongState for any other."""
    if instance.status != Status.FAILED:
        raise WrongState(f"only failed instances can be rewound; '{instance.id}' is {instance.status}")
    turns = _split_into_turns(json.loads(text) for text in instances.load_history(connection, instance.id))
    requests = _entity_requests(entry for turn in turns for entry in turn)
    cut, redone = _find_cut(turns, requests)
    kept = [entry for turn in turns[:cut] for entry in turn if entry not in redone]
    kept_numbers = {entry["EventId"] for entry in kept if entry["EventType"] in SCHEDULED}
    again = [
        entry
        for turn in turns[cut:]
        for entry in turn
        if entry["EventType"] in _ANSWERS
        and entry not in redone
        and (_number(entry, requests) is None or _number(entry, requests) in kept_numbers)
    ]
    answered = {_number(entry, requests) for entry in [*kept, *again]}
    history = [
        entry
        for entry in kept
        if entry["EventType"] not in SCHEDULED
        or entry["EventId"] in answered
        or _is_under_way(connection, instance, entry, reason, now)
    ]

    instances.clear_history(connection, instance.id)
    instances.append_history(connection, instance.id, history)
    _disown_later_work(connection, instance, kept_numbers)
    instances.save(connection, instance, status=Status.RUNNING, output=None, updated=now)
    for entry in again:
        messages.send(connection, instance.id, entry, execution_id=instance.execution_id)
    messages.send(
        connection,
        instance.id,
        event(EventType.GENERIC, now, Data=f"Rewound: {reason}"),
        execution_id=instance.execution_id,
    )


def _split_into_turns(entries: Iterable[Event]) -> list[list[Event]]:
    turns: list[list[Event]] = []
    for entry in entries:
        if entry["EventType"] == EventType.ORCHESTRATOR_STARTED:
            turns.append([])
        turns[-1].append(entry)
    return turns


def _entity_requests(entries: Iterable[Event]) -> dict[str, int]:
    """Gives the number of each entity call by the id that its answer will carry."""
    sent = (entry for entry in entries if entry["EventType"] == EventType.EVENT_SENT)
    return {json.loads(entry["Input"])["id"]: entry["EventId"] for entry in sent}


def _number(entry: Event, requests: dict[str, int]) -> int | None:
    """Gives the number of what the event answers; None when it answers nothing."""
    if entry["EventType"] == EventType.EVENT_RAISED:
        return requests.get(entry["Name"])
    return completed_task(entry)


def _find_cut(turns: list[list[Event]], requests: dict[str, int]) -> tuple[int, list[Event]]:
    """Gives the first turn to be taken again, and the failures that are to be forgotten."""
    failures = [(index, entry) for index, turn in enumerate(turns) for entry in turn if _is_failure(entry, requests)]
    if not failures:
        return len(turns) - 1, []
    last = _number(failures[-1][1], requests)
    numbers = next(numbers for turn in turns if last in (numbers := _scheduled_numbers(turn)))
    redone = [(index, entry) for index, entry in failures if _number(entry, requests) in numbers]
    return redone[0][0], [entry for _, entry in redone]


def _is_failure(entry: Event, requests: dict[str, int]) -> bool:
    if entry["EventType"] == EventType.EVENT_RAISED:
        return entry["Name"] in requests and "exceptionType" in json.loads(entry["Input"])
    return entry["EventType"] in FAILURES


def _scheduled_numbers(turn: list[Event]) -> set[int]:
    return {entry["EventId"] for entry in turn if entry["EventType"] in SCHEDULED}


def _is_under_way(connection: Connection, instance: Instance, entry: Event, reason: str, now: datetime) -> bool:
    """Says whether an answer to what was scheduled will still come; if not, the code has to ask for it again."""
    match entry["EventType"]:
        case EventType.TASK_SCHEDULED:
            row = connection.execute(
                "SELECT 1 FROM activities WHERE instance_id = ? AND execution_id = ? AND task = ?",
                (instance.id, instance.execution_id, entry["EventId"]),
            )
            return row.fetchone() is not None
        case EventType.SUB_ORCHESTRATION_CREATED:
            return _child_is_under_way(connection, entry["InstanceId"], reason, now)
        case EventType.EVENT_SENT:
            return bool(json.loads(entry["Input"])["signal"])
        case _:
            return False  # A timer: what would have fired it went when the instance failed.


def _child_is_under_way(connection: Connection, child_id: str, reason: str, now: datetime) -> bool:
    child = instances.load(connection, child_id)
    if child is None:
        return False
    if child.status == Status.FAILED:
        rewind(connection, child, reason, now)
    return child.status == Status.FAILED or child.status not in FINISHED


def _disown_later_work(connection: Connection, instance: Instance, kept_numbers: set[int]) -> None:
    """Lets nothing that was started after the cut answer under a number that will be given again."""
    mine = (instance.id, instance.execution_id, json.dumps(sorted(kept_numbers)))
    connection.execute(
        "DELETE FROM activities WHERE instance_id = ? AND execution_id = ?"
        " AND task NOT IN (SELECT value FROM json_each(?))",
        mine,
    )
    connection.execute(
        "UPDATE instances SET parent_id = NULL WHERE parent_id = ? AND parent_execution_id = ?"
        " AND parent_task NOT IN (SELECT value FROM json_each(?))",
        mine,
    )
