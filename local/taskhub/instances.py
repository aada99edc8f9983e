"""The rows of `instances` and `history`: where each orchestration stands.

All functions take the connection of a snapshot or of a change under way. `revision` and `execution_id` together are
the optimistic lock: whoever decided on an older state finds out when writing, and decides again.
"""

import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from sqlite3 import Connection
from typing import Any

from local.taskhub import messages
from local.taskhub.database import from_micros, to_micros
from local.taskhub.history import EventType, encode, event

_VALID_ID = re.compile(r"[^@/\\#?\x00-\x1f\x7f][^/\\#?\x00-\x1f\x7f]{0,99}")
ID_RULE = "an instance id has 1 to 100 characters, none of / \\ # ?, and does not begin with @"


class Status(StrEnum):
    """The runtime status, with Azure's names."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    COMPLETED = "Completed"
    FAILED = "Failed"
    TERMINATED = "Terminated"


FINISHED = frozenset({Status.COMPLETED, Status.FAILED, Status.TERMINATED})


class Outdated(Exception):
    """The instance has changed since it was read; what was decided about it is void."""


@dataclass(frozen=True, slots=True)
class Parent:
    """The decision of another instance that waits for this one."""

    instance_id: str
    execution_id: str
    task: int


@dataclass(frozen=True, slots=True)
class Instance:
    """One orchestration. `input`, `output` and `custom_status` are JSON texts."""

    id: str
    name: str
    execution_id: str
    created: datetime
    updated: datetime
    version: str | None = None
    input: str | None = None
    parent: Parent | None = None
    status: Status = Status.PENDING
    output: str | None = None
    custom_status: str | None = None
    revision: int = 0

    @property
    def is_finished(self) -> bool:
        return self.status in FINISHED


COLUMNS = (
    "id, name, execution_id, created, updated, version, input, status, output, custom_status, revision,"
    " parent_id, parent_execution_id, parent_task"
)


def from_row(row: tuple[Any, ...]) -> Instance:
    """Gives the instance in a row of COLUMNS."""
    id, name, execution_id, created, updated, version, input, status, output, custom_status, revision, *parent = row
    return Instance(
        id=id,
        name=name,
        execution_id=execution_id,
        created=from_micros(created),
        updated=from_micros(updated),
        version=version,
        input=input,
        parent=None if parent[0] is None else Parent(*parent),
        status=Status(status),
        output=output,
        custom_status=custom_status,
        revision=revision,
    )


def load(connection: Connection, instance_id: str) -> Instance | None:
    row = connection.execute(f"SELECT {COLUMNS} FROM instances WHERE id = ?", (instance_id,)).fetchone()  # noqa: S608 - a constant
    return None if row is None else from_row(row)


def load_history(connection: Connection, instance_id: str) -> list[str]:
    """Gives the generation's events as JSON texts, marked as played."""
    rows = connection.execute("SELECT event FROM history WHERE instance_id = ? ORDER BY sequence", (instance_id,))
    return [text for (text,) in rows]


def create(connection: Connection, instance: Instance) -> None:
    """Writes a new instance, in place of a finished one of the same id, and lets it start."""
    forget(connection, instance.id)
    parent = instance.parent
    connection.execute(
        f"INSERT INTO instances ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant
        (
            instance.id,
            instance.name,
            instance.execution_id,
            to_micros(instance.created),
            to_micros(instance.updated),
            instance.version,
            instance.input,
            instance.status,
            instance.output,
            instance.custom_status,
            instance.revision,
            parent and parent.instance_id,
            parent and parent.execution_id,
            parent and parent.task,
        ),
    )
    _send_start(connection, instance)


def forget(connection: Connection, instance_id: str) -> bool:
    """Removes all of an instance; gives whether there was one."""
    messages.remove_all(connection, instance_id)
    connection.execute("DELETE FROM activities WHERE instance_id = ?", (instance_id,))
    connection.execute("DELETE FROM history WHERE instance_id = ?", (instance_id,))
    return connection.execute("DELETE FROM instances WHERE id = ?", (instance_id,)).rowcount > 0


def save(connection: Connection, instance: Instance, **changes: Any) -> Instance:
    """Gives the instance with the changes, written; raises Outdated when it is not as it was read."""
    changed = replace(instance, **changes, revision=instance.revision + 1)
    found = connection.execute(
        "UPDATE instances SET execution_id = ?, created = ?, updated = ?, input = ?, status = ?, output = ?,"
        " custom_status = ?, revision = ? WHERE id = ? AND execution_id = ? AND revision = ?",
        (
            changed.execution_id,
            to_micros(changed.created),
            to_micros(changed.updated),
            changed.input,
            changed.status,
            changed.output,
            changed.custom_status,
            changed.revision,
            instance.id,
            instance.execution_id,
            instance.revision,
        ),
    )
    if found.rowcount == 0:
        raise Outdated(instance.id)
    return changed


def append_history(connection: Connection, instance_id: str, entries: Iterable[dict[str, Any]]) -> None:
    (length,) = connection.execute(
        "SELECT COALESCE(MAX(sequence) + 1, 0) FROM history WHERE instance_id = ?", (instance_id,)
    ).fetchone()
    connection.executemany(
        "INSERT INTO history (instance_id, sequence, event) VALUES (?, ?, ?)",
        [(instance_id, length + offset, encode(entry, played=True)) for offset, entry in enumerate(entries)],
    )


def clear_history(connection: Connection, instance_id: str) -> None:
    connection.execute("DELETE FROM history WHERE instance_id = ?", (instance_id,))


def finish(connection: Connection, instance: Instance, status: Status, output: str | None, now: datetime) -> None:
    """Ends an instance: nothing more reaches it, and a parent that waits for it is told. Raises Outdated."""
    save(connection, instance, status=status, output=output, updated=now)
    messages.remove_all(connection, instance.id)
    if instance.parent is not None:
        tell_parent(connection, instance.parent, status, output, now)


def already_there(instance: Instance) -> str:
    """Gives the reason why an instance of the same id cannot start now."""
    return f"An Orchestration instance with the status {instance.status} already exists."


def tell_parent(connection: Connection, parent: Parent, status: Status, output: str | None, now: datetime) -> None:
    if status == Status.COMPLETED:
        answer = event(EventType.SUB_ORCHESTRATION_COMPLETED, now, TaskScheduledId=parent.task, Result=output)
    else:
        reason = json.loads(output) if output else status
        answer = event(EventType.SUB_ORCHESTRATION_FAILED, now, TaskScheduledId=parent.task, Reason=reason, Details="")
    messages.send(connection, parent.instance_id, answer, execution_id=parent.execution_id)


def start_generation(connection: Connection, instance: Instance, input: str | None, now: datetime) -> None:
    """Goes on as new: an empty history and a new execution id, so that answers to the old one are void."""
    messages.remove_all(connection, instance.id, execution_id=instance.execution_id)
    clear_history(connection, instance.id)
    fresh = save(connection, instance, execution_id=new_id(), input=input, created=now, updated=now)
    _send_start(connection, fresh)


def new_id() -> str:
    return uuid.uuid4().hex


def is_valid_id(instance_id: str) -> bool:
    """Azure's rule: what is safe in a storage key and a link, and not an entity's id."""
    return _VALID_ID.fullmatch(instance_id) is not None


def _send_start(connection: Connection, instance: Instance) -> None:
    parent = instance.parent
    started = event(
        EventType.EXECUTION_STARTED,
        instance.created,
        Name=instance.name,
        Version=instance.version,
        Input=instance.input,
        Tags=None,
        OrchestrationInstance={"InstanceId": instance.id, "ExecutionId": instance.execution_id},
        ParentInstance=parent
        and {
            "OrchestrationInstance": {"InstanceId": parent.instance_id, "ExecutionId": parent.execution_id},
            "TaskScheduleId": parent.task,
        },
    )
    messages.send(connection, instance.id, started, execution_id=instance.execution_id)
