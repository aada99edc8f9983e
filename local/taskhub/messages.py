"""The rows of `messages`: events on their way to instances, operations on their way to entities.

A durable timer is such a message with a time in the future.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from sqlite3 import Connection
from typing import Any

from local.taskhub.database import from_micros, to_micros


@dataclass(frozen=True, slots=True)
class Message:
    """`execution_id` names the generation it is meant for; None: whichever is there."""

    id: int
    execution_id: str | None
    body: dict[str, Any]


def send(
    connection: Connection,
    target: str,
    body: dict[str, Any],
    *,
    execution_id: str | None = None,
    due: datetime | None = None,
) -> None:
    """Puts a message on its way; without `due` it is for now. What goes to a suspended instance is held."""
    connection.execute(
        "INSERT INTO messages (target, execution_id, due, body, held) VALUES (?, ?, ?, ?,"
        " EXISTS (SELECT 1 FROM instances WHERE id = ? AND status = 'Suspended'))",
        (target, execution_id, to_micros(due) if due else 0, json.dumps(body), target),
    )


def due_for(connection: Connection, target: str, now: datetime, *, limit: int = -1) -> list[Message]:
    """Gives the target's messages that may be delivered now, in the order they came due; limit -1: all."""
    rows = connection.execute(
        "SELECT id, execution_id, body FROM messages WHERE target = ? AND due <= ? AND held = 0"
        " ORDER BY due, id LIMIT ?",
        (target, to_micros(now), limit),
    )
    return [Message(id, execution_id, json.loads(body)) for id, execution_id, body in rows]


def ready_targets(connection: Connection, now: datetime, *, but_not: Collection[str], limit: int) -> list[str]:
    """Gives those who have a message to be delivered now, about in the order the messages came."""
    rows = connection.execute("SELECT DISTINCT target FROM messages WHERE held = 0 AND due <= ?", (to_micros(now),))
    ready = list(islice((target for (target,) in rows if target not in but_not), limit))
    rows.close()
    return ready


def next_due(connection: Connection, now: datetime) -> datetime | None:
    """Gives the time of the first message that is not due yet."""
    (due,) = connection.execute(
        "SELECT MIN(due) FROM messages WHERE held = 0 AND due > ?", (to_micros(now),)
    ).fetchone()
    return None if due is None else from_micros(due)


def remove(connection: Connection, messages: Iterable[Message]) -> None:
    connection.executemany("DELETE FROM messages WHERE id = ?", [(message.id,) for message in messages])


def remove_all(connection: Connection, target: str, *, execution_id: str | None = None) -> None:
    """Removes the target's messages; with `execution_id` only those meant for that generation."""
    if execution_id is None:
        connection.execute("DELETE FROM messages WHERE target = ?", (target,))
    else:
        connection.execute("DELETE FROM messages WHERE target = ? AND execution_id = ?", (target, execution_id))


def hold(connection: Connection, target: str, *, held: bool) -> None:
    """Keeps the target's messages from being delivered, or lets them go."""
    connection.execute("UPDATE messages SET held = ? WHERE target = ?", (int(held), target))
