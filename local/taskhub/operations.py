"""What a client may do to an instance; each function is one change, refused with a HubError or made whole."""

import json
from datetime import datetime
from sqlite3 import Connection

from local.taskhub import instances, messages
from local.taskhub.errors import BadRequest, InstanceExists, InstanceGone, NoSuchInstance, WrongState
from local.taskhub.history import EventType, event
from local.taskhub.instances import Instance, Status


def start(connection: Connection, instance: Instance) -> None:
    """Starts a new instance; one of the same id may be replaced when it has finished."""
    if not instances.is_valid_id(instance.id):
        raise BadRequest(instances.ID_RULE)
    existing = instances.load(connection, instance.id)
    if existing is not None and not existing.is_finished:
        raise InstanceExists(instances.already_there(existing))
    instances.create(connection, instance)


def raise_event(connection: Connection, instance_id: str, name: str, data: str | None, now: datetime) -> None:
    """Brings an event on its way; `data` is JSON text."""
    instance = running(connection, instance_id)
    messages.send(connection, instance.id, event(EventType.EVENT_RAISED, now, Name=name, Input=data))


def terminate(connection: Connection, instance_id: str, reason: str, now: datetime) -> None:
    """Ends the instance; activities and sub-orchestrations under way go on, nobody hears of them."""
    instance = running(connection, instance_id)
    _note(connection, instance, EventType.EXECUTION_TERMINATED, reason, now)
    instances.finish(connection, instance, Status.TERMINATED, json.dumps(reason), now)


def suspend(connection: Connection, instance_id: str, reason: str, now: datetime) -> None:
    """Stops deliveries; what comes meanwhile is kept."""
    instance = running(connection, instance_id)
    if instance.status == Status.SUSPENDED:
        raise WrongState(f"instance '{instance_id}' is suspended already")
    instances.save(connection, instance, status=Status.SUSPENDED, updated=now)
    messages.hold(connection, instance_id, held=True)
    _note(connection, instance, EventType.EXECUTION_SUSPENDED, reason, now)


def resume(connection: Connection, instance_id: str, reason: str, now: datetime) -> None:
    """Lets deliveries go on."""
    instance = running(connection, instance_id)
    if instance.status != Status.SUSPENDED:
        raise WrongState(f"instance '{instance_id}' is not suspended but {instance.status}")
    instances.save(connection, instance, status=Status.RUNNING, updated=now)
    messages.hold(connection, instance_id, held=False)
    _note(connection, instance, EventType.EXECUTION_RESUMED, reason, now)


def restart(connection: Connection, instance_id: str, now: datetime, *, with_new_id: bool) -> str:
    """Starts the same orchestrator again with the same input; gives the id it runs under."""
    instance = known(connection, instance_id)
    again = Instance(
        id=instances.new_id() if with_new_id else instance.id,
        name=instance.name,
        execution_id=instances.new_id(),
        created=now,
        updated=now,
        version=instance.version,
        input=instance.input,
    )
    start(connection, again)
    return again.id


def purge(connection: Connection, instance_id: str) -> None:
    """Removes all of a finished instance."""
    instance = known(connection, instance_id)
    if not instance.is_finished:
        raise WrongState(f"instance '{instance_id}' is {instance.status}; only finished instances can be purged")
    instances.forget(connection, instance_id)


def known(connection: Connection, instance_id: str) -> Instance:
    instance = instances.load(connection, instance_id)
    if instance is None:
        raise NoSuchInstance(f"No instance with ID '{instance_id}' found.")
    return instance


def running(connection: Connection, instance_id: str) -> Instance:
    instance = known(connection, instance_id)
    if instance.is_finished:
        raise InstanceGone(f"instance '{instance_id}' is {instance.status}")
    return instance


def _note(connection: Connection, instance: Instance, kind: EventType, reason: str, now: datetime) -> None:
    # A history begins with its first turn; before that there is nothing to note it in.
    if instance.status != Status.PENDING and instances.load_history(connection, instance.id):
        instances.append_history(connection, instance.id, [event(kind, now, Reason=reason, Input=reason)])
