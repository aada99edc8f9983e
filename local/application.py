"""A Python v2 function app, loaded and called as Azure's Python worker does it.

The rules are those of azure-functions-python-worker: the folder comes last on `sys.path`, one `FunctionRegister` object
lives in `function_app`, arguments go by binding name through the SDK's own converters, `async def` runs on the loop
and `def` in a thread.
"""

import asyncio
import importlib
import inspect
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.functions
from azure.functions import meta

from local.datums import RETURN, decode_datum, encode_datum
from local.frames import Frame


class ApplicationError(Exception):
    """The folder holds no function app that can be run."""


@dataclass(frozen=True)
class LoadedFunction:
    """One function of the app, ready to be called."""

    name: str
    call: Callable[..., Any]
    bindings: list[dict[str, Any]]

    @property
    def trigger(self) -> dict[str, Any]:
        """The binding that starts it."""
        return next(binding for binding in self.bindings if binding["type"].endswith("Trigger"))

    async def invoke(self, invocation: Frame, executor: Executor) -> Frame:
        """Calls the function with the inputs of an `invoke` frame; gives a frame with the result.

        Raises what the function raised, or what its converters find wrong with an input or the result.
        """
        arguments = self._arguments(invocation.head["inputs"], invocation.body, invocation.head["invocation_id"])
        if inspect.iscoroutinefunction(self.call):
            result = await self.call(**arguments)
        else:
            loop = asyncio.get_running_loop()
            outcome = await loop.run_in_executor(executor, _outcome_of, self.call, arguments)
            if outcome.error:
                raise outcome.error
            result = outcome.value
        return encode_datum(self._output(result))

    def _arguments(self, inputs: Mapping[str, Any], body: bytes, invocation_id: str) -> dict[str, Any]:
        arguments = {}
        for binding in self.bindings:
            if binding["name"] in inputs:
                datum = decode_datum(inputs[binding["name"]], body)
                arguments[binding["name"]] = _converter(binding).decode(datum, trigger_metadata={})
        if "context" in inspect.signature(self.call).parameters and "context" not in arguments:
            arguments["context"] = InvocationContext(self.name, invocation_id)
        return arguments

    def _output(self, result: Any) -> meta.Datum:
        binding = self.trigger
        if not _converter(binding).has_implicit_output():
            if result is None:
                return meta.Datum(None, None)
            binding = next((binding for binding in self.bindings if binding["name"] == RETURN), {})
            if not binding:
                raise TypeError(f"function {self.name!r} has no output binding but returned {type(result).__name__}")
        datum: meta.Datum = _converter(binding).encode(result, expected_type=None)
        return datum


class InvocationContext(azure.functions.Context):
    """The `context` argument of a function that asks for it."""

    _thread_local_storage = threading.local()

    def __init__(self, function_name: str, invocation_id: str) -> None:
        self._function_name = function_name
        self._invocation_id = invocation_id

    @property
    def function_name(self) -> str:
        """The name of the function that runs."""
        return self._function_name

    @property
    def invocation_id(self) -> str:
        """A new id for each call."""
        return self._invocation_id

    @property
    def function_directory(self) -> str:
        """The folder of the app."""
        return str(Path.cwd())

    @property
    def thread_local_storage(self) -> Any:
        """Storage of the thread, where functions that start threads keep the invocation id for their logs."""
        return self._thread_local_storage

    @property
    def trace_context(self) -> Any:
        """Empty: the embedded host does not trace."""
        return SimpleNamespace(trace_parent="", trace_state="", attributes={})

    @property
    def retry_context(self) -> Any:
        """Empty: the embedded host retries no function by itself."""
        return SimpleNamespace(retry_count=0, max_retry_count=0, exception=None)


def load_application(folder: Path) -> dict[str, LoadedFunction]:
    """Imports `function_app` from the folder, as the current directory; gives its functions by name.

    Raises ApplicationError when the folder has no app in it; what the app raises at import passes through.
    """
    folder = folder.resolve()
    if not (folder / "function_app.py").is_file():
        raise ApplicationError(f"There is no function_app.py in {folder}.")
    os.chdir(folder)
    # Last, as in Azure: a folder of the app never hides a module of Python or of an installed package.
    sys.path.append(str(folder))
    module = importlib.import_module("function_app")
    registers = {
        id(value): value for value in vars(module).values() if isinstance(value, azure.functions.FunctionRegister)
    }
    if len(registers) != 1:
        raise ApplicationError(f"{module.__file__} must hold one function app, it holds {len(registers)}.")
    [register] = registers.values()
    functions = {}
    for function in register.get_functions():
        name = str(function.get_function_name())
        bindings = json.loads(function.get_function_json())["bindings"]
        functions[name] = LoadedFunction(name, function.get_user_function(), bindings)
    return functions


def _converter(binding: Mapping[str, Any]) -> Any:
    registry: Callable[[], Any] = meta.get_binding_registry  # the SDK gives it no type
    return registry().get(binding["type"])


@dataclass(frozen=True)
class _Outcome:
    value: Any = None
    error: Exception | SystemExit | None = None


def _outcome_of(call: Callable[..., Any], arguments: dict[str, Any]) -> _Outcome:
    # The error is a value: the future of a thread can hold no StopIteration, it would never be done.
    try:
        return _Outcome(call(**arguments))
    except (Exception, SystemExit) as error:  # user code may raise anything, and must not end the worker
        return _Outcome(error=error)
