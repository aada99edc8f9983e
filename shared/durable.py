"""The typed seam to Azure Durable Functions: activities, plans and entities with names, values and errors of ours.

Everything on the wire is JSON made by pydantic. An activity or a plan that fails gives its error as a value
`{"error": {code, message, retry, origin}}`, so that no task ever fails inside the SDK's task_all or task_any;
the plan that asked gets it raised again as the same class. Only this module and `shared.web` know the SDK.
"""

import json
import logging
from collections.abc import Callable, Generator, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar, get_type_hints, runtime_checkable

import azure.durable_functions as df
from pydantic import BaseModel, TypeAdapter

from shared.errors import BackupError, ErrorValue, InternalError, WorkerLost, error_from
from shared.naming import six_from

log = logging.getLogger(__name__)

Request = TypeVar("Request", bound=BaseModel)
Result = TypeVar("Result")
State = TypeVar("State", bound=BaseModel)
Steps = Generator[Any, Any, Result]
"""What a plan is: it yields the SDK's tasks and returns its result."""


@runtime_checkable
class Trigger(Protocol):
    """Anything that a room offers to the function app."""

    name: str

    def register(self, app: df.DFApp) -> None:
        """Adds this trigger to `app` under its name."""


class _Wire(Generic[Result]):
    """Turns results into JSON values and back; an error is a value too."""

    def __init__(self, result: Any) -> None:
        self.adapter: TypeAdapter[Result] = TypeAdapter(result)

    def pack(self, result: Result) -> dict[str, Any]:
        return {"value": self.adapter.dump_python(result, mode="json")}

    def unpack(self, wire: Any) -> Result | BackupError:
        # The raise_event path and old hosts hand over JSON text where the others hand over the value.
        content = json.loads(wire) if isinstance(wire, str) else wire
        if "error" in content:
            return error_from(ErrorValue.model_validate(content["error"]))
        return self.adapter.validate_python(content["value"])


def _error_wire(error: BackupError) -> dict[str, Any]:
    return {"error": error.value().model_dump(mode="json")}


class Context:
    """A plan's world: its id, its time, its timers and events. Everything here replays to the same answer."""

    def __init__(self, inner: df.DurableOrchestrationContext) -> None:
        self._inner = inner

    @property
    def instance_id(self) -> str:
        """The id of this plan's instance."""
        return str(self._inner.instance_id)

    @property
    def now(self) -> datetime:
        """The plan's time, aware UTC: when its present episode began."""
        moment: datetime = self._inner.current_utc_datetime
        return moment

    @property
    def is_replaying(self) -> bool:
        """True while the past is told again: log only when it is False."""
        return bool(self._inner.is_replaying)

    def six(self, *salt: str) -> str:
        """Six characters of a-z0-9 that differ between plans, moments and salts, and replay the same."""
        return six_from("/".join((self.instance_id, self.now.isoformat(), *salt)))

    def sleep(self, seconds: float) -> Steps[None]:
        """Waits by a durable timer."""
        yield self._inner.create_timer(self.now + timedelta(seconds=seconds))

    def sleep_until(self, moment: datetime, *, wake_event: str) -> Steps[bool]:
        """Waits until `moment` or until `wake_event` is raised; True when woken.

        Wait for one event name once a generation: the SDK gives two waits on one name the same event.
        """
        timer: Any = self._inner.create_timer(moment)
        event = self._inner.wait_for_external_event(wake_event)
        first = yield self._inner.task_any([timer, event])
        if first is event:
            timer.cancel()
            return True
        return False

    def tell(self, phase: str) -> None:
        """Says in the custom status which phase the plan is in."""
        self._inner.set_custom_status({"phase": phase})

    def continue_as_new(self, request: BaseModel) -> None:
        """Ends this generation; the next one begins with `request`."""
        self._inner.continue_as_new(request.model_dump(mode="json"))


class Activity(Generic[Request, Result]):
    """A function that touches the world once. `run` does it now; plans `call` or `map` it."""

    def __init__(self, function: Callable[[Request], Result]) -> None:
        self.name = function.__name__
        self.run = function
        hints = get_type_hints(function)
        self._result: _Wire[Result] = _Wire(hints.pop("return"))
        self._request: type[Request] = next(iter(hints.values()))

    def __repr__(self) -> str:
        return f"Activity({self.name})"

    def answer(self, wire: Any) -> dict[str, Any]:
        """The activity's side of the wire: a request in, a result or an error out. Never raises."""
        try:
            return self._result.pack(self.run(self._request.model_validate(wire)))
        except BackupError as error:
            return _error_wire(error)
        except Exception as failure:  # a fault of ours must reach the plan as a value too, without its text
            log.exception("activity failed", extra={"activity": self.name})
            return _error_wire(InternalError(f"{self.name} failed with {type(failure).__name__}; see the log."))

    def call(self, context: Context, request: Request) -> Steps[Result]:
        """Runs the activity and gives its result, or raises its error."""
        result = yield from self.attempt(context, request)
        if isinstance(result, BackupError):
            raise result
        return result

    def attempt(self, context: Context, request: Request) -> Steps[Result | BackupError]:
        """Runs the activity and gives its result or its error."""
        task = context._inner.call_activity(self.name, request.model_dump(mode="json"))
        try:
            wire = yield task
        except Exception as failure:  # the host gave the activity up: its process died or its time ran out
            return WorkerLost(f"{self.name} was given up by the host: {str(failure).splitlines()[0][:200]}")
        return self._result.unpack(wire)

    def map(self, context: Context, requests: Sequence[Request]) -> Steps[list[Result | BackupError]]:
        """Runs one activity per request at the same time; results and errors stand in the order of the requests."""
        results = yield from together(context, [(self, request) for request in requests])
        return results

    def register(self, app: df.DFApp) -> None:
        """Adds the activity to `app`."""

        def run(payload: object) -> object:
            return self.answer(payload)

        run.__name__ = self.name
        app.activity_trigger(input_name="payload")(run)


def together(
    context: Context, work: Sequence[tuple[Activity[Any, Result], BaseModel]]
) -> Steps[list[Result | BackupError]]:
    """Runs different activities at the same time; results and errors stand in the order of `work`."""
    tasks = [context._inner.call_activity(step.name, request.model_dump(mode="json")) for step, request in work]
    if not tasks:  # the SDK gives None for none
        return []
    try:
        wires = yield context._inner.task_all(tasks)
    except Exception as failure:  # the host gave one up; the others' results are lost with it
        lost = WorkerLost(f"An activity was given up by the host: {str(failure).splitlines()[0][:200]}")
        return [lost for _ in work]
    return [step._result.unpack(wire) for (step, _), wire in zip(work, wires, strict=True)]


class Orchestrator(Generic[Request, Result]):
    """A plan: it decides order, waiting and retries, and computes nothing else."""

    def __init__(self, function: Callable[[Context, Request], Steps[Result]]) -> None:
        self.name = function.__name__
        self.steps = function
        hints = get_type_hints(function)
        returned = hints.pop("return")
        self._result: _Wire[Result] = _Wire(returned.__args__[-1])
        self._request: type[Request] = hints["request"]

    def __repr__(self) -> str:
        return f"Orchestrator({self.name})"

    def call(self, context: Context, request: Request, *, instance_id: str) -> Steps[Result]:
        """Runs the plan below this one and gives its result, or raises its error."""
        task = context._inner.call_sub_orchestrator(self.name, request.model_dump(mode="json"), instance_id)
        try:
            wire = yield task
        except Exception as failure:  # a fault in the plan itself, or somebody terminated it
            raise InternalError(f"The plan {self.name} ended: {str(failure).splitlines()[0][:200]}") from failure
        result = self._result.unpack(wire)
        if isinstance(result, BackupError):
            raise result
        return result

    def result_of(self, output: Any) -> Result | BackupError:
        """The result or error in a finished instance's output."""
        return self._result.unpack(output)

    def drive(self, inner: df.DurableOrchestrationContext) -> Generator[Any, Any, dict[str, Any]]:
        """The plan as the SDK wants it."""
        request = self._request.model_validate(inner.get_input())
        try:
            result = yield from self.steps(Context(inner), request)
        except BackupError as error:
            return _error_wire(error)
        return self._result.pack(result)

    def register(self, app: df.DFApp) -> None:
        """Adds the plan to `app`."""

        def run(context: df.DurableOrchestrationContext) -> Generator[Any, Any, dict[str, Any]]:
            return self.drive(context)

        run.__name__ = self.name
        app.orchestration_trigger(context_name="context")(run)


class Operation(Generic[State, Request, Result]):
    """One operation of an entity: a pure function (state, request) -> (state, result)."""

    def __init__(
        self, entity: "Entity[State]", apply: Callable[[State, Request], tuple[State, Result]], hints: list[Any]
    ) -> None:
        self.entity = entity
        self.name = apply.__name__
        self.apply = apply
        self._request: type[Request] = hints[1]
        self._result: TypeAdapter[Result] = TypeAdapter(hints[2].__args__[1])

    def call(self, context: Context, key: str, request: Request) -> Steps[Result]:
        """Runs the operation on the entity `key` and gives its result."""
        entity_id = df.EntityId(self.entity.name, key)
        wire = yield context._inner.call_entity(entity_id, self.name, request.model_dump(mode="json"))
        return self._result.validate_python(wire)

    def answer(self, state: State, wire: Any) -> tuple[State, Any]:
        """The entity's side of the wire."""
        after, result = self.apply(state, self._request.model_validate(wire))
        return after, self._result.dump_python(result, mode="json")


class Entity(Generic[State]):
    """State that must be serialised against others. It changes only by its operations, which are pure functions."""

    def __init__(self, name: str, initial: State) -> None:
        self.name = name
        self.initial = initial
        self.operations: dict[str, Operation[State, Any, Any]] = {}

    def operation(self, apply: Callable[[State, Request], tuple[State, Result]]) -> Operation[State, Request, Result]:
        """Makes `apply` an operation under its own name."""
        made = Operation(self, apply, list(get_type_hints(apply).values()))
        self.operations[made.name] = made
        return made

    def handle(self, context: df.DurableEntityContext) -> None:
        """One operation as the SDK delivers it; state is set only after the function returned."""
        operation = self.operations.get(str(context.operation_name))
        if operation is None:
            raise ValueError(f"{self.name} has no operation {context.operation_name!r}")
        stored = context.get_state(lambda: None)
        state = self.initial if stored is None else type(self.initial).model_validate(stored)
        after, result = operation.answer(state, context.get_input())
        context.set_state(after.model_dump(mode="json"))
        context.set_result(result)

    def register(self, app: df.DFApp) -> None:
        """Adds the entity to `app`."""

        def run(context: df.DurableEntityContext) -> None:
            self.handle(context)

        run.__name__ = self.name
        app.entity_trigger(context_name="context")(run)


def activity(function: Callable[[Request], Result]) -> Activity[Request, Result]:
    """Makes a function of one request an activity under its own name."""
    return Activity(function)


def orchestrator(function: Callable[[Context, Request], Steps[Result]]) -> Orchestrator[Request, Result]:
    """Makes a generator of (context, request) a plan under its own name."""
    return Orchestrator(function)
