"""From a history and the actions asked for to the decisions that are new: pure, no I/O.

The SDK repeats the whole list of actions every turn, so the host must find out which of them are new. It does what the
.NET shim does: it walks the list along the history, event by event. Starting an action takes the next numbers; an
event with such a number confirms that the action is already under way; what no event confirmed is new work.

The numbers must agree with those the SDK counts for itself, so the order of counting is the protocol:

- one counter per generation; each activity, each attempt, each wait before a retry, each timer, sub-orchestration,
  entity call and signal takes one number; waits for events, compounds and continue-as-new take none;
- the next action of the list starts as soon as the one before it is complete, before the next event is looked at;
- a compound starts all its children at once; any-of is complete with the first child, all-of when every child is,
  failed or not; failures do not stop the walk, they reach the user's code through the SDK;
- a retried call waits once more after its last attempt, as DurableTask.Core does; the SDK counts that wait too;
- a cancelled timer still takes its number and counts as complete from its start.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from local.taskhub.actions import (
    Action,
    CallActivity,
    CallEntity,
    CallSubOrchestrator,
    ContinueAsNew,
    CreateTimer,
    OrchestratorState,
    RetryPolicy,
    SignalEntity,
    WaitForEvent,
    WhenAll,
    WhenAny,
)
from local.taskhub.decisions import (
    Completed,
    ContinuedAsNew,
    Decision,
    Failed,
    Outcome,
    Replay,
    ScheduleActivity,
    SendToEntity,
    StartSubOrchestration,
    StartTimer,
    Waiting,
)
from local.taskhub.history import FAILURES, SCHEDULED, Event, EventType, completed_task, from_timestamp

_BEGINNING = datetime.min.replace(tzinfo=UTC)


class NonDeterminism(Exception):
    """The history holds something that the actions do not ask for; the message says what."""


def replay(name: str, history: Sequence[Event], state: OrchestratorState) -> Replay:
    """Gives what is new after this turn of orchestrator `name`; `history` ends with the turn's own events."""
    walk = _Walk(state.actions)
    try:
        for entry in history:
            walk.feed(entry)
    except NonDeterminism as mismatch:
        return Replay((), Failed(f"Non-Deterministic workflow detected: {mismatch}"), tuple(walk.traps))
    outcome = _outcome(name, state, walk)
    if isinstance(outcome, Waiting) and (state.is_done or state.error is not None):
        walk.traps.append("the code has ended, but an action before its end is still open: this orchestration hangs")
    return Replay(tuple(walk.unconfirmed.values()), outcome, tuple(walk.traps))


def _outcome(name: str, state: OrchestratorState, walk: "_Walk") -> Outcome:
    if not walk.at_end:
        return Waiting()
    if state.error is not None:
        return Failed(f"Orchestrator function '{name}' failed: {state.error}")
    if walk.next_generation is not None:
        return ContinuedAsNew(walk.next_generation.input)
    return Completed(state.output) if state.is_done else Waiting()


@dataclass(slots=True, eq=False)
class _Node:
    """One action under way. A compound waits for `pending` children, of which `needed` make it complete."""

    parent: "_Node | None"
    of_user: bool = False
    needed: int = 0
    done: bool = False
    failed: bool = False
    retry: "_Retry | None" = None


@dataclass(slots=True)
class _Retry:
    """Where a retried call stands; `start` begins an attempt and gives nothing."""

    policy: RetryPolicy
    start: Callable[[], None]
    attempts: int = 1
    is_waiting: bool = False


@dataclass(slots=True)
class _Walk:
    actions: tuple[Action, ...]
    unconfirmed: dict[int, Decision] = field(default_factory=dict)
    next_generation: ContinueAsNew | None = None
    traps: list[str] = field(default_factory=list)
    _now: datetime = _BEGINNING
    _counter: int = 0
    _position: int = 0
    _current: _Node | None = None
    _open: dict[int | str, _Node] = field(default_factory=dict)
    _waiters: defaultdict[str, list[_Node]] = field(default_factory=lambda: defaultdict(list))
    _buffered: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    _taken_from_buffer: set[str] = field(default_factory=set)

    @property
    def at_end(self) -> bool:
        return self._position == len(self.actions)

    def feed(self, entry: Event) -> None:
        kind = entry["EventType"]
        if kind == EventType.ORCHESTRATOR_STARTED:
            self._now = from_timestamp(entry["Timestamp"])
        elif kind == EventType.EXECUTION_STARTED:
            self._go_on()
        elif kind in SCHEDULED:
            self._confirm(entry)
        elif kind == EventType.EVENT_RAISED:
            self._raise(entry)
            self._go_on()
        elif (task := completed_task(entry)) is not None and task in self._open:
            self._answer(self._open.pop(task), failed=kind in FAILURES)
            self._go_on()

    def _go_on(self) -> None:
        while not self.at_end:
            if self._current is None:
                self._current = self._start(self.actions[self._position], parent=None)
            if not self._current.done:
                return
            self._current = None
            self._position += 1

    def _start(self, action: Action, parent: _Node | None) -> _Node:
        node = _Node(parent)
        match action:
            case CallActivity() | CallSubOrchestrator():
                self._start_call(action, node)
            case CreateTimer():
                self._decide(StartTimer(self._counter, action.fire_at), node)
                node.done = action.cancelled
            case CallEntity():
                self._decide(_send(self._counter, action, signal=False), node)
            case SignalEntity():
                self._decide(_send(self._counter, action, signal=True), None)
                node.done = True
            case WaitForEvent():
                self._wait_for_event(action.name, node)
            case ContinueAsNew():
                self.next_generation = action
                node.done = True
            case WhenAll() | WhenAny():
                self._start_compound(action, node)
        return node

    def _start_call(self, action: CallActivity | CallSubOrchestrator, node: _Node) -> None:
        def attempt() -> None:
            self._decide(_call(self._counter, action), node)

        attempt()
        if action.retry is not None:
            node.retry = _Retry(action.retry, attempt)

    def _start_compound(self, action: WhenAll | WhenAny, node: _Node) -> None:
        # The SDK wraps every retried call in an all-of of its own; that one is not the user's.
        node.of_user = not _is_retried_call(action)
        children = [self._start(child, node) for child in action.children]
        done = sum(child.done for child in children)
        wanted = min(1, len(children)) if isinstance(action, WhenAny) else len(children)
        node.needed = wanted - done
        node.done = node.needed <= 0

    def _decide(self, decision: Decision, node: _Node | None) -> None:
        self.unconfirmed[self._counter] = decision
        if node is not None:
            self._open[self._counter] = node
        self._counter += 1

    def _confirm(self, entry: Event) -> None:
        number = int(entry["EventId"])
        decision = self.unconfirmed.pop(number, None)
        if decision is None or not _matches(entry, decision):
            met = f"{EventType(entry['EventType']).name} {entry.get('Name', '')}".strip()
            wanted = "nothing with that number" if decision is None else _label(decision)
            raise NonDeterminism(f"number {number} is {met} in the history, but the code now asks for {wanted}")
        if isinstance(decision, SendToEntity) and not decision.signal:
            # The answer will name the request's id, not the number.
            self._open[json.loads(entry["Input"])["id"]] = self._open.pop(number)

    def _raise(self, entry: Event) -> None:
        request = self._open.pop(entry["Name"], None)
        if request is not None:
            self._answer(request, failed="exceptionType" in json.loads(entry["Input"]))
            return
        name = entry["Name"].casefold()
        if self._waiters[name]:
            self._complete(self._waiters[name].pop())
        else:
            self._buffered[name] += 1

    def _wait_for_event(self, name: str, node: _Node) -> None:
        key = name.casefold()
        if key in self._taken_from_buffer:
            self.traps.append(f"event '{name}' came before an earlier wait for it: the SDK gives it to this wait too")
        if not self._buffered[key]:
            self._waiters[key].append(node)
            return
        if self._buffered[key] > 1:
            self.traps.append(f"{self._buffered[key]} events '{name}' came before the wait for them: the SDK loses one")
        self._buffered[key] -= 1
        self._taken_from_buffer.add(key)
        node.done = True

    def _answer(self, node: _Node, *, failed: bool) -> None:
        """Brings an answer to a call: the node is complete, or a retried one makes its next step."""
        if node.retry is None:
            self._complete(node, failed=failed)
        elif node.retry.is_waiting:
            node.retry.is_waiting = False
            if node.retry.attempts >= node.retry.policy.max_attempts:
                self._complete(node, failed=True)
            else:
                node.retry.attempts += 1
                node.retry.start()
        elif failed:
            node.retry.is_waiting = True
            self._decide(StartTimer(self._counter, self._now + node.retry.policy.interval), node)
        else:
            self._complete(node)

    def _complete(self, node: _Node, *, failed: bool = False) -> None:
        if node.done:
            return
        node.done, node.failed = True, failed
        parent = node.parent
        if parent is None:
            return
        if failed and parent.of_user:
            self.traps.append("a task failed inside task_all or task_any: SDK and host disagree from here on")
        parent.failed = parent.failed or failed
        parent.needed -= 1
        if parent.needed == 0:
            self._complete(parent, failed=parent.failed)


def _is_retried_call(action: WhenAll | WhenAny) -> bool:
    match action:
        case WhenAll((CallActivity() | CallSubOrchestrator() as call,)):
            return call.retry is not None
        case _:
            return False


def _call(number: int, action: CallActivity | CallSubOrchestrator) -> Decision:
    if isinstance(action, CallActivity):
        return ScheduleActivity(number, action.name, action.input)
    return StartSubOrchestration(number, action.name, action.input, action.instance_id, action.version)


def _send(number: int, action: CallEntity | SignalEntity, *, signal: bool) -> SendToEntity:
    return SendToEntity(number, action.entity_id, action.operation, action.input, signal)


def _label(decision: Decision) -> str:
    """Gives kind and name, not the input: the text becomes the instance's output."""
    match decision:
        case ScheduleActivity():
            return f"activity {decision.name}"
        case StartSubOrchestration():
            return f"sub-orchestration {decision.name}"
        case StartTimer():
            return "a timer"
        case SendToEntity():
            return f"entity {decision.entity_id}"


def _matches(entry: Event, decision: Decision) -> bool:
    match decision:
        case ScheduleActivity():
            return bool(entry["EventType"] == EventType.TASK_SCHEDULED and entry["Name"] == decision.name)
        case StartSubOrchestration():
            return bool(entry["EventType"] == EventType.SUB_ORCHESTRATION_CREATED and entry["Name"] == decision.name)
        case StartTimer():
            return bool(entry["EventType"] == EventType.TIMER_CREATED)
        case SendToEntity():
            return bool(entry["EventType"] == EventType.EVENT_SENT and entry["InstanceId"] == decision.entity_id)
