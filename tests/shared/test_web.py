"""Routes as Functions: names, bindings, the client of each invocation, and what a caller gets when we are at fault."""

import asyncio
import json
import threading
from types import SimpleNamespace
from typing import Any

import azure.durable_functions as df
import azure.functions as func
import pytest
from fastapi import APIRouter

from shared.web import Durable, register_routes, web_application

pytestmark = pytest.mark.unit

router = APIRouter()
both_inside = threading.Barrier(2)


@router.get("/things/{id}", name="GetThing")
def get_thing(id: str, q: str = "") -> dict[str, str]:
    """A route with a parameter in its path and one behind it."""
    return {"id": id, "q": q}


@router.post("/clients", name="ShowClient")
def show_client(durable: Durable) -> dict[str, str]:
    """Tells which durable client it was handed, once two invocations are inside."""
    both_inside.wait(timeout=10)
    inner: Any = durable._inner
    return {"hub": inner._orchestration_bindings.task_hub_name}


@router.get("/faults", name="BreakDown")
def break_down() -> None:
    """A fault of ours whose text holds a secret."""
    raise RuntimeError("c4nary-password")


@pytest.fixture(scope="module")
def functions() -> dict[str, Any]:
    """The function app's functions by name; the SDK lets an app list them once."""
    app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    register_routes(app, web_application([router], title="Test", version="1"), [router])
    return {str(function.get_function_name()): function for function in app.get_functions()}


async def invoked(function: Any, method: str, url: str, hub: str = "hub") -> func.HttpResponse:
    """The answer of one function, called as the worker calls it."""
    request = func.HttpRequest(method=method, url=f"https://backup.example.com/api{url}", headers={}, body=b"")
    invocation = SimpleNamespace(
        invocation_id="1",
        function_name=function.get_function_name(),
        function_directory="",
        thread_local_storage=None,
        trace_context=None,
        retry_context=None,
    )
    binding = {
        "taskHubName": hub,
        "creationUrls": {},
        "managementUrls": {},
        "baseUrl": "http://127.0.0.1:1",
        "requiredQueryStringParameters": "",
        "rpcBaseUrl": "http://127.0.0.1:1/",
    }
    answer: func.HttpResponse = await function.get_user_function()(
        req=request, context=invocation, client=json.dumps(binding)
    )
    return answer


def test_each_path_operation_is_a_function_of_its_name(functions: dict[str, Any]) -> None:
    triggers = {name: function.get_trigger() for name, function in functions.items()}

    assert triggers.keys() == {"GetThing", "ShowClient", "BreakDown"}
    assert triggers["GetThing"].route == "things/{id}"
    assert [method.value for method in triggers["GetThing"].methods] == ["GET"]
    assert {trigger.auth_level.value for trigger in triggers.values()} == {"anonymous"}


def test_a_function_answers_through_the_whole_application(functions: dict[str, Any]) -> None:
    answer = asyncio.run(invoked(functions["GetThing"], "GET", "/things/a%20b?q=%C3%B1"))

    assert (answer.status_code, json.loads(answer.get_body())) == (200, {"id": "a b", "q": "ñ"})


def test_invocations_at_the_same_time_have_their_own_clients(functions: dict[str, Any]) -> None:
    async def two() -> list[func.HttpResponse]:
        function = functions["ShowClient"]
        return await asyncio.gather(*(invoked(function, "POST", "/clients", hub) for hub in ("first", "second")))

    answers = asyncio.run(two())

    assert [json.loads(answer.get_body())["hub"] for answer in answers] == ["first", "second"]


def test_our_own_fault_is_a_problem_that_tells_nothing(
    functions: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    answer = asyncio.run(invoked(functions["BreakDown"], "GET", "/faults"))

    assert (answer.status_code, answer.mimetype) == (500, "application/problem+json")
    assert json.loads(answer.get_body())["code"] == "internal_error"
    assert b"c4nary" not in answer.get_body()
    (record,) = [record for record in caplog.records if record.message == "request failed"]
    assert record.exc_info is not None
