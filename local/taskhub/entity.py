"""Turns of entities: a batch of operations goes to the user's code, its state and answers are committed together."""

import json
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any

from local.taskhub import messages
from local.taskhub.clock import Clock
from local.taskhub.database import Database, to_micros
from local.taskhub.entity_id import EntityId
from local.taskhub.function_table import FunctionTable, refusal
from local.taskhub.history import EventType, event
from local.taskhub.invocation import FunctionFailed, Invoker, Patience
from local.taskhub.messages import Message
from local.taskhub.strict import failure_reason, is_json

_LARGEST_BATCH = 500  # operations


@dataclass(frozen=True, slots=True)
class _Answer:
    """The state after a batch (None: the entity does not exist) and one result for each operation, as JSON texts."""

    state: str | None
    results: list[dict[str, Any]]


class _UnknownAnswer(Exception):
    """The function's answer is not one to a batch."""


class Entities:
    """Runs the batches; one entity must not have two at once."""

    def __init__(
        self,
        database: Database,
        invoker: Invoker,
        functions: FunctionTable,
        clock: Clock,
        patience: Patience,
        *,
        strict: bool,
    ) -> None:
        self._database = database
        self._invoker = invoker
        self._functions = functions
        self._clock = clock
        self._patience = patience
        self._strict = strict

    async def take_turn(self, target: str) -> None:
        """Delivers the operations that wait for the entity."""
        with self._database.snapshot() as connection:
            batch = messages.due_for(connection, target, self._clock.now(), limit=_LARGEST_BATCH)
            state = load_state(connection, target)
        if not batch:
            return
        answer = await self._run(EntityId.parse(target), state, batch)
        await self._database.write(lambda connection: self._commit(connection, target, batch, answer))

    async def _run(self, entity: EntityId, state: str | None, batch: list[Message]) -> _Answer:
        function = self._functions.entity_named(entity.name)
        if function is None:
            return _all_failed(state, batch, refusal("entity", entity.name))
        body = json.dumps(
            {
                "self": {"name": entity.name, "key": entity.key},
                "exists": state is not None,
                "state": state,
                "batch": [_operation(message.body) for message in batch],
            }
        )
        try:
            text = await self._patience.until_answered(lambda: self._invoker.entity(function, body))
            answer = _parse_answer(text, len(batch))
        except (FunctionFailed, _UnknownAnswer) as failure:
            return _all_failed(state, batch, f"Entity function '{function}' failed: {failure}")
        if self._strict and not is_json(answer.state):
            reason = failure_reason(f"the state of entity {entity} is not JSON: {answer.state!r:.80}")
            return _all_failed(state, batch, reason)
        return answer

    def _commit(self, connection: Connection, target: str, batch: list[Message], answer: _Answer) -> None:
        now = self._clock.now()
        messages.remove(connection, batch)
        if answer.state is None:
            connection.execute("DELETE FROM entities WHERE id = ?", (target,))
        else:
            connection.execute(
                "INSERT INTO entities (id, state, updated) VALUES (?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET state = excluded.state, updated = excluded.updated",
                (target, answer.state, to_micros(now)),
            )
        for message, result in zip(batch, answer.results, strict=True):
            request = message.body
            if request["signal"]:
                continue
            response = {"result": result["result"]}
            if result["isError"]:
                response["exceptionType"] = "Error"
            raised = event(EventType.EVENT_RAISED, now, Name=request["id"], Input=json.dumps(response))
            messages.send(connection, request["parent"], raised, execution_id=request["parentExecution"])


def load_state(connection: Connection, target: str) -> str | None:
    """Gives the entity's state as JSON text; None when it does not exist."""
    row = connection.execute("SELECT state FROM entities WHERE id = ?", (target,)).fetchone()
    return None if row is None else str(row[0])


def signal(operation: str, input: str | None) -> dict[str, Any]:
    """Gives the message of a signal that nobody waits for; `input` is JSON text."""
    return {"op": operation, "signal": True, "input": input}


def _operation(request: dict[str, Any]) -> dict[str, Any]:
    return {"name": request["op"], "input": request["input"], "isSignal": request["signal"]}


def _parse_answer(text: str, operations: int) -> _Answer:
    try:
        answer = json.loads(text)
        results = [{"isError": result["isError"], "result": result["result"]} for result in answer["results"]]
        state = answer["entityState"] if answer["entityExists"] else None
    except (ValueError, KeyError, TypeError) as problem:
        raise _UnknownAnswer(f"the answer is not one to a batch: {problem!r}") from problem
    if len(results) != operations:
        raise _UnknownAnswer(f"{len(results)} results for {operations} operations")
    return _Answer(state, results)


def _all_failed(state: str | None, batch: list[Message], reason: str) -> _Answer:
    return _Answer(state, [{"isError": True, "result": json.dumps(reason)}] * len(batch))
