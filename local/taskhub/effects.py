"""What decisions make happen: each is carried out in the commit that also writes the event which confirms it."""

import json
import uuid
from datetime import datetime
from sqlite3 import Connection

from local.taskhub import instances, messages
from local.taskhub.decisions import Decision, ScheduleActivity, SendToEntity, StartSubOrchestration, StartTimer
from local.taskhub.history import Event, EventType, event
from local.taskhub.instances import Instance, Parent, Status


def carry_out(
    connection: Connection, instance: Instance, decision: Decision, now: datetime, *, default_version: str | None
) -> Event:
    """Gives the event that confirms the decision, after writing what makes it happen."""
    match decision:
        case ScheduleActivity():
            return _schedule_activity(connection, instance, decision, now)
        case StartTimer():
            return _start_timer(connection, instance, decision, now)
        case StartSubOrchestration():
            return _start_child(connection, instance, decision, now, default_version)
        case SendToEntity():
            return _send_to_entity(connection, instance, decision, now)


def _schedule_activity(connection: Connection, instance: Instance, decision: ScheduleActivity, now: datetime) -> Event:
    connection.execute(
        "INSERT INTO activities (instance_id, execution_id, task, name, input) VALUES (?, ?, ?, ?, ?)",
        (instance.id, instance.execution_id, decision.id, decision.name, decision.input),
    )
    return event(EventType.TASK_SCHEDULED, now, decision.id, Name=decision.name)


def _start_timer(connection: Connection, instance: Instance, decision: StartTimer, now: datetime) -> Event:
    fired = event(EventType.TIMER_FIRED, decision.fire_at, TimerId=decision.id)
    fired["FireAt"] = fired["Timestamp"]
    messages.send(connection, instance.id, fired, execution_id=instance.execution_id, due=decision.fire_at)
    return event(EventType.TIMER_CREATED, now, decision.id, FireAt=fired["FireAt"])


def _start_child(
    connection: Connection,
    instance: Instance,
    decision: StartSubOrchestration,
    now: datetime,
    default_version: str | None,
) -> Event:
    parent = Parent(instance.id, instance.execution_id, decision.id)
    child = Instance(
        id=decision.instance_id or f"{instance.execution_id}:{decision.id}",
        name=decision.name,
        execution_id=instances.new_id(),
        created=now,
        updated=now,
        version=decision.version or default_version,
        input=json.dumps(decision.input),
        parent=parent,
    )
    obstacle = _obstacle(connection, child.id)
    if obstacle is None:
        instances.create(connection, child)
    else:
        instances.tell_parent(connection, parent, Status.FAILED, json.dumps(obstacle), now)
    return event(EventType.SUB_ORCHESTRATION_CREATED, now, decision.id, Name=child.name, InstanceId=child.id)


def _obstacle(connection: Connection, instance_id: str) -> str | None:
    """Gives the reason why nothing can be started under the id."""
    if not instances.is_valid_id(instance_id):
        return instances.ID_RULE
    existing = instances.load(connection, instance_id)
    if existing is None or existing.is_finished:
        return None
    return instances.already_there(existing)


def _send_to_entity(connection: Connection, instance: Instance, decision: SendToEntity, now: datetime) -> Event:
    request = {
        "id": str(uuid.uuid4()),
        "op": decision.operation,
        "signal": decision.signal,
        "input": json.dumps(decision.input),
        "parent": instance.id,
        "parentExecution": instance.execution_id,
    }
    messages.send(connection, decision.entity_id, request)
    return event(
        EventType.EVENT_SENT, now, decision.id, InstanceId=decision.entity_id, Name="op", Input=json.dumps(request)
    )
