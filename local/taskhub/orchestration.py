"""Turns of orchestrations: read, let the user's code run, decide, commit if nothing has changed meanwhile."""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from sqlite3 import Connection

from local.taskhub import instances, messages
from local.taskhub.actions import UnknownAnswer, parse_failure, parse_state
from local.taskhub.clock import Clock
from local.taskhub.database import Database
from local.taskhub.decisions import (
    Completed,
    ContinuedAsNew,
    Failed,
    Replay,
    SendToEntity,
    Waiting,
)
from local.taskhub.effects import carry_out
from local.taskhub.entity_id import EntityId
from local.taskhub.function_table import FunctionTable, refusal
from local.taskhub.history import Event, EventType, encode, event
from local.taskhub.instances import Instance, Outdated, Status
from local.taskhub.invocation import FunctionFailed, Invoker, Patience
from local.taskhub.messages import Message
from local.taskhub.replay import replay
from local.taskhub.strict import Strictness, failure_reason


@dataclass(frozen=True, slots=True)
class RecordedTurn:
    """What an orchestrator was given and what it gave back; when it `failed`, `answer` is the error's text."""

    instance_id: str
    execution_id: str
    name: str
    body: str
    answer: str
    failed: bool


@dataclass(frozen=True, slots=True)
class _Turn:
    """What a turn works on: the history so far as JSON texts, and the events that are new."""

    instance: Instance
    now: datetime
    messages: list[Message]
    played: list[str]
    entries: list[Event]

    def trigger_body(self) -> str:
        history = ",".join([*self.played, *(encode(entry, played=False) for entry in self.entries)])
        rest = {
            "input": None if self.instance.input is None else json.loads(self.instance.input),
            "instanceId": self.instance.id,
            "isReplaying": False,
            "parentInstanceId": self.instance.parent and self.instance.parent.instance_id,
            # The answer's schema. No durations for long timers are given, so the SDK does not split them.
            "upperSchemaVersion": 1,
            "upperSchemaVersionNew": 2,
        }
        return f'{{"history":[{history}],{json.dumps(rest)[1:]}'

    def history(self) -> list[Event]:
        return [*json.loads(f"[{','.join(self.played)}]"), *self.entries]

    def failed(self, reason: str) -> "_Verdict":
        return _Verdict(Replay((), Failed(reason)), self.instance.custom_status)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What to commit; `custom_status` is JSON text."""

    replay: Replay
    custom_status: str | None

    def but_failed(self, reason: str) -> "_Verdict":
        return replace(self, replay=Replay((), Failed(reason)))


class Orchestrations:
    """Runs the turns; one instance must not have two at once."""

    def __init__(
        self,
        database: Database,
        invoker: Invoker,
        functions: FunctionTable,
        clock: Clock,
        patience: Patience,
        *,
        default_version: str | None,
        strictness: Strictness | None,
        recording: list[RecordedTurn] | None,
        longest_history: dict[str, int],
    ) -> None:
        """`recording` and `longest_history` (events by orchestrator name) are filled as turns are taken."""
        self._database = database
        self._invoker = invoker
        self._functions = functions
        self._clock = clock
        self._patience = patience
        self._default_version = default_version
        self._strictness = strictness
        self._recording = recording
        self._longest_history = longest_history

    async def take_turn(self, instance_id: str) -> None:
        """Delivers what is due to the instance and goes on with its code."""
        with self._database.snapshot() as connection:
            instance = instances.load(connection, instance_id)
            arrived = messages.due_for(connection, instance_id, self._clock.now())
            fresh = [] if instance is None else _meant_for(instance, arrived)
            played = instances.load_history(connection, instance_id) if fresh else []
        if instance is None or not fresh:
            await self._database.write(lambda connection: messages.remove(connection, arrived))
            return
        now = self._clock.now()
        started = event(EventType.ORCHESTRATOR_STARTED, now)
        turn = _Turn(instance, now, arrived, played, [started, *(message.body for message in fresh)])
        verdict = await self._decide(turn)
        try:
            await self._database.write(lambda connection: self._commit(connection, turn, verdict))
        except Outdated:
            return  # Terminated, suspended or purged meanwhile; what is left to deliver comes with the next turn.

    async def _decide(self, turn: _Turn) -> _Verdict:
        name = turn.instance.name
        if not self._functions.has_orchestrator(name):
            return turn.failed(_failure(name, refusal("orchestrator", name)))
        if self._strictness and (trap := self._strictness.trap_in_events(turn.entries)):
            return turn.failed(failure_reason(trap))
        body = turn.trigger_body()
        try:
            answer = await self._patience.until_answered(lambda: self._invoker.orchestrator(name, body))
            failed = False
        except FunctionFailed as failure:
            answer, failed = str(failure), True
        if self._recording is not None:
            self._recording.append(
                RecordedTurn(turn.instance.id, turn.instance.execution_id, name, body, answer, failed)
            )
        return self._judge(turn, answer, failed=failed)

    def _judge(self, turn: _Turn, answer: str, *, failed: bool) -> _Verdict:
        name = turn.instance.name
        if self._strictness and (trap := self._strictness.trap_in_answer(answer, failed=failed)):
            return turn.failed(failure_reason(trap))
        try:
            state = parse_failure(answer) if failed else parse_state(answer)
        except UnknownAnswer as problem:
            return turn.failed(_failure(name, str(problem)))
        custom_status = None if state.custom_status is None else json.dumps(state.custom_status)
        verdict = _Verdict(replay(name, turn.history(), state), custom_status)
        for decision in verdict.replay.decisions:
            if isinstance(decision, SendToEntity) and decision.signal:
                entity = EntityId.parse(decision.entity_id).name
                if self._functions.entity_named(entity) is None:
                    return verdict.but_failed(_failure(name, refusal("entity", entity)))
        length = len(turn.played) + len(turn.entries) + len(verdict.replay.decisions) + 1
        self._longest_history[name] = max(length, self._longest_history.get(name, 0))
        if self._strictness:
            traps = [*verdict.replay.traps, self._strictness.trap_in_length(length)]
            if trap := next(filter(None, traps), None):
                return verdict.but_failed(failure_reason(trap))
        return verdict

    def _commit(self, connection: Connection, turn: _Turn, verdict: _Verdict) -> None:
        instance = instances.save(
            connection,
            turn.instance,
            status=Status.RUNNING,
            custom_status=verdict.custom_status,
            updated=turn.now,
        )
        messages.remove(connection, turn.messages)
        scheduled = [
            carry_out(connection, instance, decision, turn.now, default_version=self._default_version)
            for decision in verdict.replay.decisions
        ]
        entries = [*turn.entries, *scheduled, event(EventType.ORCHESTRATOR_COMPLETED, turn.now)]
        match verdict.replay.outcome:
            case Waiting():
                instances.append_history(connection, instance.id, entries)
            case Completed(output):
                text = None if output is None else json.dumps(output)
                _end(connection, instance, Status.COMPLETED, text, entries, turn.now)
            case Failed(reason):
                _end(connection, instance, Status.FAILED, json.dumps(reason), entries, turn.now)
            case ContinuedAsNew(input):
                instances.start_generation(connection, instance, json.dumps(input), turn.now)


def _meant_for(instance: Instance, arrived: list[Message]) -> list[Message]:
    """Gives what this generation is to see, its start first; the rest is stale."""
    if instance.is_finished:
        return []
    fresh = [message for message in arrived if message.execution_id in (None, instance.execution_id)]
    return sorted(fresh, key=lambda message: message.body["EventType"] != EventType.EXECUTION_STARTED)


def _failure(name: str, error: str) -> str:
    return f"Orchestrator function '{name}' failed: {error}"


def _end(
    connection: Connection, instance: Instance, status: Status, output: str | None, entries: list[Event], now: datetime
) -> None:
    completed = event(EventType.EXECUTION_COMPLETED, now, OrchestrationStatus=status, Result=output)
    instances.append_history(connection, instance.id, [*entries, completed])
    instances.finish(connection, instance, status, output, now)
