# mypy: disable-error-code="misc, untyped-decorator"
# The durable SDK's decorators have no types.
"""A function app that knows nothing of this product: what the embedded host runs, it runs for anyone."""

import asyncio
import http.client
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import azure.functions as func
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

# Where functions leave traces that outlive a process.
TRACES = Path(os.environ["TRACES"])


def leave_trace(name: str, text: str) -> None:
    with (TRACES / name).open("a") as file:
        file.write(f"{text}\n")


# HTTP


@app.route(route="hello/{name?}", methods=["GET"])
def hello(req: func.HttpRequest) -> str:
    return f"Hello, {req.route_params.get('name', 'stranger')}!"


@app.route(route="hello/nobody", methods=["GET"])
def hello_nobody(req: func.HttpRequest) -> str:
    return "Nobody is here."


@app.route(route="numbers/{id:int}", methods=["GET", "DELETE"])
async def number(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps({"method": req.method, "id": req.route_params["id"]}), status_code=203)


@app.route(route="echo/{*rest}", methods=["POST"])
async def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    seen = {
        "url": req.url,
        "rest": req.route_params["rest"],
        "query": dict(req.params),
        "headers": dict(req.headers),
        "function": context.function_name,
        "invocation": context.invocation_id,
    }
    response = func.HttpResponse(req.get_body(), mimetype="application/octet-stream")
    response.headers["x-seen"] = json.dumps(seen)
    response.headers.add("Set-Cookie", "first=1; Path=/; HttpOnly")
    response.headers.add("Set-Cookie", "second=two; Max-Age=60; SameSite=Lax")
    return response


async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
    """The smallest ASGI application: says which path it was asked for, and what the adapter knows of the call."""
    known = {name: str(value) for name, value in scope.items() if name.startswith("azure_functions.")}
    reply = JSONResponse({"path": scope["path"], "body": (await Request(scope, receive).body()).decode(), **known})
    await reply(scope, receive, send)


@app.route(route="asgi/{*rest}")
async def through_asgi(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    return await func.AsgiMiddleware(asgi).handle_async(req, context)  # type: ignore[no-any-return, no-untyped-call] # untyped SDK


@app.route(route="nothing")
def nothing(req: func.HttpRequest) -> None:
    return None


@app.route(route="keyed", auth_level=func.AuthLevel.FUNCTION)
def keyed(req: func.HttpRequest) -> str:
    return "open"


@app.route(route="master", auth_level=func.AuthLevel.ADMIN)
def master(req: func.HttpRequest) -> str:
    return "wide open"


@app.route(route="fail")
def fail(req: func.HttpRequest) -> str:
    errors = {"ValueError": ValueError, "StopIteration": StopIteration, "SystemExit": SystemExit}
    raise errors[req.params["with"]]("why")


@app.route(route="fail-async")
async def fail_async(req: func.HttpRequest) -> str:
    raise asyncio.CancelledError


@app.route(route="slow")
def slow(req: func.HttpRequest) -> str:
    time.sleep(float(req.params["seconds"]))
    return "slow"


@app.route(route="slow-async")
async def slow_async(req: func.HttpRequest) -> str:
    await asyncio.sleep(float(req.params["seconds"]))
    return "slow"


@app.route(route="die")
def die(req: func.HttpRequest) -> str:
    os._exit(7)


@app.route(route="hang-up")
def hang_up(req: func.HttpRequest) -> None:
    """Ends the connection to the host, though the process lives on."""
    os.close(int(sys.argv[sys.argv.index("--socket") + 1]))


@app.route(route="worker")
def worker(req: func.HttpRequest) -> str:
    """What a function can see of the process it runs in."""
    print("printed by a function")  # noqa: T201 - the host must bring it to the log
    logging.getLogger("foreign").info("logged by a function")
    setting = req.params.get("setting", "")
    seen = {
        "pid": os.getpid(),
        "path": sys.path,
        "folder": str(Path.cwd()),
        "python_path": os.environ.get("PYTHONPATH"),
        "http": http.client.__file__,
        "setting": os.environ.get(setting),
    }
    return json.dumps(seen)


@app.route(route="child", methods=["POST"])
def child(req: func.HttpRequest) -> str:
    """Starts a process in a session of its own, which would outlive everyone."""
    command = [sys.executable, "-c", "import time; time.sleep(600)", os.environ["TRACES"]]
    return str(subprocess.Popen(command, start_new_session=True).pid)


# Durable functions


def input_of(context: df.DurableOrchestrationContext) -> dict[str, Any]:
    given: dict[str, Any] = context.get_input() or {}
    return given


@app.route(route="start/{plan}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: Any) -> func.HttpResponse:
    plan = req.route_params["plan"]
    instance = await client.start_new(plan, req.params.get("id"), json.loads(req.get_body() or b"null"))
    return client.create_check_status_response(req, instance)  # type: ignore[no-any-return] # untyped SDK


@app.orchestration_trigger(context_name="context")
def chain(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    """Calls the activity so many times, one after the other; gives what they gave."""
    steps = input_of(context)["steps"]
    done = []
    for step in range(steps):
        done.append((yield context.call_activity("slow_step", {"step": step, "run": context.instance_id})))
    yield context.call_entity(df.EntityId("tally", "chains"), "add", 1)
    return done


@app.orchestration_trigger(context_name="context")
def fan(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    steps = input_of(context)["steps"]
    calls = [context.call_activity("slow_step", {"step": step, "run": context.instance_id}) for step in range(steps)]
    return (yield context.task_all(calls))


@app.orchestration_trigger(context_name="context")
def nap(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=input_of(context)["seconds"]))
    return "rested"


@app.orchestration_trigger(context_name="context")
def overrun(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    try:
        yield context.call_activity("endless_step", None)
    except Exception as error:  # the SDK raises this type and no other
        return str(error)
    return "the activity ended"


@app.orchestration_trigger(context_name="context")
def call_disabled(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    return (yield context.call_activity("disabled_step", None))


@app.orchestration_trigger(context_name="context")
def call_failing(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    return (yield context.call_activity("failing_step", None))


@app.activity_trigger(input_name="nothing")
def failing_step(nothing: None) -> None:
    raise ValueError("out of salt")


@app.activity_trigger(input_name="order")
def slow_step(order: dict[str, Any]) -> dict[str, Any]:
    leave_trace("steps", f"{order['run']} {order['step']} begins in {os.getpid()}")
    time.sleep(0.3)
    leave_trace("steps", f"{order['run']} {order['step']} ends in {os.getpid()}")
    return {"step": order["step"], "thread": threading.current_thread().name.partition("_")[0]}


@app.activity_trigger(input_name="nothing")
def endless_step(nothing: None) -> None:
    tool = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    leave_trace("tools", str(tool.pid))
    tool.wait()


@app.activity_trigger(input_name="nothing")
def disabled_step(nothing: None) -> None:
    raise AssertionError("a disabled function ran")


@app.entity_trigger(context_name="context")
def tally(context: df.DurableEntityContext) -> None:
    total = context.get_state(lambda: 0) + context.get_input()
    context.set_state(total)
    context.set_result(total)


# Timers


@app.timer_trigger(arg_name="timer", schedule="%TICKS%", run_on_startup=False)
def tick(timer: func.TimerRequest) -> None:
    """Takes longer than the pause between its runs."""
    leave_trace("ticks", "begins")
    time.sleep(1.2)
    leave_trace("ticks", "ends")


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
def yearly(timer: func.TimerRequest) -> None:
    leave_trace("yearly", f"past due: {timer.past_due}")


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True)
@app.durable_client_input(client_name="client")
async def at_startup(timer: func.TimerRequest, client: Any) -> None:
    leave_trace("startups", await client.start_new("nap", None, {"seconds": 0}))


@app.timer_trigger(arg_name="timer", schedule="%NO_SUCH_SETTING%")
def unscheduled(timer: func.TimerRequest) -> None:
    raise AssertionError("a timer without a schedule ran")


# What the embedded host does not run


@app.queue_trigger(arg_name="message", queue_name="work", connection="AzureWebJobsStorage")
def from_queue(message: func.QueueMessage) -> None:
    raise AssertionError("there is no queue")
