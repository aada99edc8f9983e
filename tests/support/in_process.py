"""A task hub without worker processes: the functions of an app are called in this process, activities in threads.

Payloads pass through the SDK's own handlers and converters, so what is tested is what a worker would do.
"""

import asyncio
import inspect
import json
import warnings
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from azure.functions import _durable_functions as sdk_json
from azure.functions import get_binding_registry, meta
from azure.functions.decorators.function_app import FunctionRegister

from local.taskhub.clock import FakeClock
from local.taskhub.function_table import FunctionTable
from local.taskhub.hub import TaskHub
from local.taskhub.instances import FINISHED
from local.taskhub.invocation import FunctionFailed
from local.taskhub.strict import DUPLICATE_COMPLETION

_TRIGGERS = {"orchestrationTrigger": "orchestration", "activityTrigger": "activity", "entityTrigger": "entity_name"}


class InProcessInvoker:
    """Calls the durable functions of an app. Threads are for activities only, as many as may run at once."""

    def __init__(self, app: FunctionRegister, threads: int = 8) -> None:
        _say_notices_once()
        self._functions: dict[tuple[str, str], Any] = {}
        app.functions_bindings = None  # else the SDK takes a second listing for functions of the same name
        for function in app.get_functions():
            trigger: Any = function.get_trigger()
            if trigger.type in _TRIGGERS:
                name = str(getattr(trigger, _TRIGGERS[trigger.type]) or function.get_function_name())
                self._functions[trigger.type, name] = function
        self._threads = ThreadPoolExecutor(threads)

    def table(self, disabled: frozenset[str] = frozenset()) -> FunctionTable:
        """The names of the app's functions, as the hub wants them."""
        names = {kind: frozenset(n for k, n in self._functions if k == kind) for kind in _TRIGGERS}
        return FunctionTable(names["orchestrationTrigger"], names["activityTrigger"], names["entityTrigger"], disabled)

    def close(self) -> None:
        self._threads.shutdown()

    async def orchestrator(self, name: str, body: str) -> str:
        """See Invoker."""
        return self._handle("orchestrationTrigger", name, body)

    async def entity(self, name: str, body: str) -> str:
        """See Invoker."""
        return self._handle("entityTrigger", name, body)

    async def activity(self, name: str, data: str, *, instance_id: str) -> str:
        """See Invoker."""
        function = self._functions["activityTrigger", name]
        converter = get_binding_registry().get("activityTrigger")  # type: ignore[no-untyped-call] # the SDK's own
        argument = {function.get_trigger().name: converter.decode(meta.Datum(data, "json"), trigger_metadata=None)}
        call = function.get_user_function()
        try:
            if inspect.iscoroutinefunction(call):
                result = await call(**argument)
            else:
                loop = asyncio.get_running_loop()
                result = await loop.run_in_executor(self._threads, lambda: call(**argument))
            return str(converter.encode(result, expected_type=None).value)
        except Exception as error:  # the user's code may raise anything
            raise FunctionFailed(f"{type(error).__name__}: {error}") from error

    def _handle(self, trigger: str, name: str, body: str) -> str:
        with warnings.catch_warnings():
            # As a worker in strict mode: an answer to nothing is an error, an event that came early is not.
            warnings.filterwarnings("ignore", "Potential duplicate Task completion")
            warnings.filterwarnings("error", DUPLICATE_COMPLETION.pattern)
            try:
                return str(self._functions[trigger, name].get_user_function()(body))
            except Exception as error:  # the user's code may raise anything
                raise FunctionFailed(f"{type(error).__name__}: {error}") from error


@asynccontextmanager
async def running_hub(path: Path, app: FunctionRegister, **options: Any) -> AsyncIterator[TaskHub]:
    """A started hub on the functions of `app`, strict unless said otherwise; `options` as for TaskHub."""
    invoker = InProcessInvoker(app)
    disabled = options.pop("disabled", frozenset())
    hub = TaskHub(path, invoker, invoker.table(disabled), **{"strict": True, "durability": "NORMAL", **options})
    await hub.start()
    try:
        yield hub
    finally:
        await hub.stop()
        invoker.close()


async def start(hub: TaskHub, orchestrator: str, value: Any = None, **options: Any) -> str:
    """Starts an orchestration with a value, encoded as the SDK's client does it; gives its id."""
    return await hub.start_new(orchestrator, encoded(value), **options)


def encoded(value: Any) -> str | None:
    """The body that the SDK's client sends for a value: JSON in JSON."""
    return None if value is None else json.dumps(json.dumps(value))


async def advance(hub: TaskHub, clock: FakeClock, duration: timedelta) -> None:
    """Lets the hub live through a time: the clock stops at every durable timer until all that is due has run."""
    end = clock.now() + duration
    await hub.run_until_idle()
    while (due := hub.next_due()) is not None and due <= end:
        clock.move_to(due)
        await hub.run_until_idle()
    clock.move_to(end)
    await hub.run_until_idle()


async def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Waits on the real clock until something holds."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.002)


async def finished(hub: TaskHub, instance_id: str, seconds: float = 60) -> dict[str, Any]:
    """Waits on the real clock until the instance has ended; gives its status."""
    await until(lambda: status_of(hub, instance_id)["runtimeStatus"] in FINISHED, seconds)
    return status_of(hub, instance_id)


def status_of(hub: TaskHub, instance_id: str) -> dict[str, Any]:
    """The status of an instance that there is."""
    status = hub.status(instance_id)
    assert status is not None, f"there is no instance {instance_id}"
    return status


def _say_notices_once() -> None:
    """The SDK says some things once per process by a warning, which would fail whichever test comes first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sdk_json.df_loads("null")
        sdk_json._notify_loose_codec_used()
