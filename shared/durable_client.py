"""Starting plans and asking about them: the durable client for HTTP handlers and timers.

Both run blocking code in threads of their own, while the SDK's client is a coroutine on the worker's loop.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import azure.durable_functions as df
import azure.functions as func
from pydantic import BaseModel

from shared.durable import Orchestrator
from shared.errors import ConfigurationUnavailable, Conflict

log = logging.getLogger(__name__)

Request = TypeVar("Request", bound=BaseModel)
Result = TypeVar("Result")


class PlanStatus(BaseModel):
    """Where an instance of a plan stands, as the durable engine tells it."""

    running: bool
    runtime_status: str
    phase: str | None = None
    output: Any = None


class DurableClient:
    """Starts plans and asks about them, from blocking code: HTTP handlers and timers run in threads of their own."""

    def __init__(self, inner: df.DurableOrchestrationClient, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = inner
        self._loop = loop

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    def start(self, plan: Orchestrator[Request, Any], request: Request, *, instance_id: str) -> None:
        """Starts `plan`. Raises Conflict when an instance of this id is running, ConfigurationUnavailable otherwise."""
        if self.status(instance_id).running:
            raise Conflict(f"{instance_id} is running already.")
        try:
            self._wait(self._inner.start_new(plan.name, instance_id, request.model_dump(mode="json")))
        except Exception as failure:  # the SDK raises plain Exceptions whose text depends on the engine's version
            if self.status(instance_id).running:
                raise Conflict(f"{instance_id} is running already.") from failure
            raise ConfigurationUnavailable(f"The durable engine did not start {plan.name}.") from failure

    def status(self, instance_id: str) -> PlanStatus:
        """Where the instance stands; `NotFound` as runtime status when there is none."""
        try:
            found = self._wait(self._inner.get_status(instance_id))
        except Exception as failure:  # the SDK raises plain Exceptions
            raise ConfigurationUnavailable("The durable engine does not answer.") from failure
        if not found or found.runtime_status is None:
            return PlanStatus(running=False, runtime_status="NotFound")
        name = found.runtime_status.name
        custom = found.custom_status if isinstance(found.custom_status, dict) else {}
        return PlanStatus(
            running=name in ("Running", "Pending", "Suspended", "ContinuedAsNew"),
            runtime_status=name,
            phase=custom.get("phase"),
            output=found.output,
        )

    def wake(self, instance_id: str, event: str) -> None:
        """Raises an event at an instance; one that is gone is no error, since nothing may depend on the event."""
        try:
            self._wait(self._inner.raise_event(instance_id, event, {}))
        except Exception:
            log.info("event not delivered", extra={"instance": instance_id, "event": event})


class Timer:
    """A function that the clock starts, with a durable client in hand."""

    def __init__(self, function: Callable[[DurableClient], None], *, name: str, schedule: str) -> None:
        self.name = name
        self.schedule = schedule
        """An NCRONTAB expression of six fields, seconds first."""
        self.run = function

    def register(self, app: df.DFApp) -> None:
        """Adds the timer to `app`."""

        async def tick(timer: func.TimerRequest, client: str) -> None:
            inner: Any = client  # the SDK turned the binding's text into its client
            await asyncio.to_thread(self.run, DurableClient(inner, asyncio.get_running_loop()))

        tick.__name__ = self.name
        bound: Callable[..., Any] = app.durable_client_input(client_name="client")(tick)
        bound = app.timer_trigger(schedule=self.schedule, arg_name="timer")(bound)
        app.function_name(self.name)(bound)


def timer(name: str, schedule: str) -> Callable[[Callable[[DurableClient], None]], Timer]:
    """Makes a function of the durable client a timer under `name`."""
    return lambda function: Timer(function, name=name, schedule=schedule)
