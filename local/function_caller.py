"""Calls functions for the host's triggers and for the task hub: names, inputs and results in the worker's form."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from local.frames import Frame
from local.functions import Function
from local.taskhub.invocation import FunctionFailed
from local.worker_pool import WorkerPool

logger = logging.getLogger(__name__)


class FunctionCaller:
    """Hands calls to the worker pool; an `Invoker` for the task hub.

    `client_binding` gives the text from which a function's durable client is made.
    """

    def __init__(self, pool: WorkerPool, functions: Iterable[Function], client_binding: Callable[[], str]) -> None:
        functions = list(functions)
        self._pool = pool
        self._functions = {function.name: function for function in functions}
        self._durable = {(function.trigger, function.durable_name): function for function in functions}
        self._client_binding = client_binding

    async def any_worker(self) -> None:
        """Returns when there is a worker to answer."""
        await self._pool.any_worker()

    async def call(self, function: str, value: Mapping[str, Any], body: bytes = b"") -> Frame:
        """The function's answer to its trigger's value. Raises FunctionFailed or WorkerLost."""
        return await self._pool.invoke(function, self._inputs(self._functions[function], value), body)

    async def timer(self, function: str, trigger: str) -> None:
        """Runs the function of a timer with the JSON of its trigger. Raises as `call`."""
        await self.call(function, {"type": "json", "value": trigger})

    async def orchestrator(self, name: str, body: str) -> str:
        """See Invoker."""
        return await self._call_durable("orchestrationTrigger", name, body)

    async def activity(self, name: str, data: str, *, instance_id: str) -> str:
        """See Invoker."""
        try:
            return await self._call_durable("activityTrigger", name, data)
        except FunctionFailed:
            # The history keeps the text alone.
            logger.warning("activity %s of %s failed", name, instance_id, exc_info=True)
            raise

    async def entity(self, name: str, body: str) -> str:
        """See Invoker."""
        return await self._call_durable("entityTrigger", name, body)

    async def _call_durable(self, trigger: str, name: str, text: str) -> str:
        function = self._durable[trigger, name]
        inputs = self._inputs(function, {"type": "string", "value": text})
        answer = await self._pool.invoke(function.name, inputs, is_activity=trigger == "activityTrigger")
        result: str = answer.head["result"]["value"]
        return result

    def _inputs(self, function: Function, value: Mapping[str, Any]) -> dict[str, Any]:
        clients = {name: {"type": "string", "value": self._client_binding()} for name in function.clients}
        return {**clients, function.parameter: value}
