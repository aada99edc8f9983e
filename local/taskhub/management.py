"""The durable management API over HTTP, as the SDK's client and Azure's links call it: paths, codes and bodies.

Where versions of Azure's extension differ, the newer one is followed; an id that is under way is answered with 409.
"""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from local.taskhub.client_links import RPC_PREFIX, management_links
from local.taskhub.entity_id import EntityId
from local.taskhub.errors import BadRequest, HubError, InstanceExists, InstanceGone, NoSuchInstance, WrongState
from local.taskhub.history import from_timestamp
from local.taskhub.hub import TaskHub
from local.taskhub.instances import FINISHED, Status
from local.taskhub.status import Detail, InstanceFilter

CONTINUATION_HEADER = "x-ms-continuation-token"

_CODES: Mapping[type[HubError], int] = {
    BadRequest: 400,
    NoSuchInstance: 404,
    InstanceExists: 409,
    InstanceGone: 410,
    WrongState: 412,
}
_START_RETRY_SECONDS = 10
_STATUS_RETRY_SECONDS = 5

Handler = Callable[[TaskHub, Request], Awaitable[Response]]


def management_routes(hub: TaskHub) -> list[BaseRoute]:
    """Gives the routes without a prefix: the host mounts them under WEBHOOK_PREFIX and under RPC_PREFIX.

    Under RPC_PREFIX no key is asked for, as the SDK sends none; everywhere else `code` must be the hub's key.
    """

    def route(path: str, method: str, handler: Handler, codes: Mapping[type[HubError], int] | None = None) -> Route:
        mapped = {**_CODES, **(codes or {})}

        async def endpoint(request: Request) -> Response:
            if not _is_admitted(hub, request):
                return Response(status_code=401)
            try:
                return await handler(hub, request)
            except HubError as refused:
                return _error(mapped[type(refused)], refused)

        return Route(path, endpoint, methods=[method])

    not_valid_now: dict[type[HubError], int] = {WrongState: 500}  # Azure's own code for it
    return [
        route("/orchestrators/{name}", "POST", _start),
        route("/orchestrators/{name}/{id}", "POST", _start),
        *(route(path, "GET", _list) for path in ("/instances", "/instances/")),
        *(route(path, "DELETE", _purge_by) for path in ("/instances", "/instances/")),
        route("/instances/{id}", "GET", _status),
        route("/instances/{id}", "DELETE", _purge),
        route("/instances/{id}/raiseEvent/{event}", "POST", _raise_event),
        route("/instances/{id}/terminate", "POST", _terminate),
        route("/instances/{id}/suspend", "POST", _suspend, not_valid_now),
        route("/instances/{id}/resume", "POST", _resume, not_valid_now),
        route("/instances/{id}/rewind", "POST", _rewind),
        route("/instances/{id}/restart", "POST", _restart, {NoSuchInstance: 400}),
        route("/entities/{name}/{key}", "POST", _signal_entity),
        route("/entities/{name}/{key}", "GET", _read_entity),
    ]


def _is_admitted(hub: TaskHub, request: Request) -> bool:
    if request.scope["root_path"] == RPC_PREFIX:
        # The app's workers are no browsers; a page of another site must not steer the hub through one.
        return "origin" not in request.headers
    return hmac.compare_digest(request.query_params.get("code", "").encode(), hub.key.encode())


async def _start(hub: TaskHub, request: Request) -> Response:
    timeout_seconds = _positive(request, "timeout", default=0)
    interval_seconds = _positive(request, "pollingInterval", default=1)
    instance_id = await hub.start_new(
        request.path_params["name"],
        await _json_body(request),
        instance_id=request.path_params.get("id"),
        version=request.query_params.get("version"),
    )
    if timeout_seconds and (end := await _end_in_time(hub, instance_id, timeout_seconds, interval_seconds)):
        return _output(end)
    return _accepted(hub, request, instance_id)


async def _status(hub: TaskHub, request: Request) -> Response:
    status = hub.status(request.path_params["id"], _detail(request))
    if status is None:
        return Response(status_code=404)
    if status["runtimeStatus"] not in FINISHED:
        again = {"Location": str(request.url), "Retry-After": str(_STATUS_RETRY_SECONDS)}
        return _json(status, 202, again)
    has_failed = status["runtimeStatus"] == Status.FAILED
    return _json(status, 500 if has_failed and _flag(request, "returnInternalServerErrorOnFailure") else 200)


async def _list(hub: TaskHub, request: Request) -> Response:
    page = hub.query(
        _filter(request),
        _detail(request),
        after=_continue_after(request),
        size=_positive(request, "top", default=0) or None,
    )
    token = page.continue_after and base64.urlsafe_b64encode(page.continue_after.encode()).decode()
    return _json(page.statuses, 200, {CONTINUATION_HEADER: token} if token else None)


async def _raise_event(hub: TaskHub, request: Request) -> Response:
    if not request.headers.get("content-type", "application/json").startswith("application/json"):
        raise BadRequest("Only application/json request content is supported")
    await hub.raise_event(request.path_params["id"], request.path_params["event"], await _json_body(request))
    return Response(status_code=202)


async def _terminate(hub: TaskHub, request: Request) -> Response:
    await hub.terminate(request.path_params["id"], _reason(request))
    return Response(status_code=202)


async def _suspend(hub: TaskHub, request: Request) -> Response:
    await hub.suspend(request.path_params["id"], _reason(request))
    return Response(status_code=202)


async def _resume(hub: TaskHub, request: Request) -> Response:
    await hub.resume(request.path_params["id"], _reason(request))
    return Response(status_code=202)


async def _rewind(hub: TaskHub, request: Request) -> Response:
    await hub.rewind(request.path_params["id"], _reason(request))
    return Response(status_code=202)


async def _restart(hub: TaskHub, request: Request) -> Response:
    with_new_id = _flag(request, "restartWithNewInstanceId", default=True)
    return _accepted(hub, request, await hub.restart(request.path_params["id"], with_new_id=with_new_id))


async def _purge(hub: TaskHub, request: Request) -> Response:
    await hub.purge(request.path_params["id"])
    return _json({"instancesDeleted": 1})


async def _purge_by(hub: TaskHub, request: Request) -> Response:
    if "createdTimeFrom" not in request.query_params:
        raise BadRequest("Please provide value for 'createdTimeFrom' parameter.")
    purged = await hub.purge_by(_filter(request))
    return _json({"instancesDeleted": purged}) if purged else Response(status_code=404)


async def _signal_entity(hub: TaskHub, request: Request) -> Response:
    target = EntityId(request.path_params["name"], request.path_params["key"])
    await hub.signal_entity(target, request.query_params.get("op", ""), await _json_body(request))
    return Response(status_code=202)


async def _read_entity(hub: TaskHub, request: Request) -> Response:
    state = hub.read_entity(EntityId(request.path_params["name"], request.path_params["key"]))
    return Response(status_code=404) if state is None else Response(state, media_type="application/json")


async def _end_in_time(
    hub: TaskHub, instance_id: str, timeout_seconds: int, interval_seconds: int
) -> dict[str, Any] | None:
    """Gives the status of the finished instance; None when it does not finish while the caller waits."""
    deadline = time.monotonic() + timeout_seconds
    while (left := deadline - time.monotonic()) > 0:
        status = hub.status(instance_id)
        if status is None or status["runtimeStatus"] in FINISHED:
            return status
        await asyncio.sleep(min(interval_seconds, left))
    return None


def _output(end: dict[str, Any]) -> Response:
    """The output of a completed instance; of one that ended otherwise its status, with 500 when it failed."""
    if end["runtimeStatus"] == Status.COMPLETED:
        return _json(end["output"])
    return _json(end, 500 if end["runtimeStatus"] == Status.FAILED else 200)


def _accepted(hub: TaskHub, request: Request, instance_id: str) -> Response:
    base_url = f"{request.url.scheme}://{request.url.netloc}"
    links = management_links(base_url, hub.name, hub.key, instance_id)
    headers = {"Location": links["statusQueryGetUri"], "Retry-After": str(_START_RETRY_SECONDS)}
    return _json(links, 202, headers)


async def _json_body(request: Request) -> str | None:
    """Gives the body's JSON text as it came; None when there is no body."""
    body = await request.body()
    if not body.strip():
        return None
    try:
        text = body.decode()
        json.loads(text)
    except ValueError as problem:
        raise BadRequest(f"the request's body is not JSON: {problem}") from problem
    return text


def _detail(request: Request) -> Detail:
    return Detail(
        input=_flag(request, "showInput", default=True),
        history=_flag(request, "showHistory"),
        history_output=_flag(request, "showHistoryOutput"),
    )


def _filter(request: Request) -> InstanceFilter:
    statuses = request.query_params.get("runtimeStatus", "")
    return InstanceFilter(
        created_from=_moment(request, "createdTimeFrom"),
        created_to=_moment(request, "createdTimeTo"),
        statuses=frozenset(status.strip() for status in statuses.split(",") if status.strip()),
        id_prefix=request.query_params.get("instanceIdPrefix", ""),
    )


def _moment(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        return from_timestamp(text)
    except ValueError as problem:
        raise BadRequest(f"'{name}' is not a time: {text!r:.60}") from problem


def _positive(request: Request, name: str, *, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isdecimal() or int(text) == 0:
        raise BadRequest(f"'{name}' is not a positive whole number: {text!r:.60}")
    return int(text)


def _continue_after(request: Request) -> str:
    token = request.headers.get(CONTINUATION_HEADER, "")
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except ValueError as problem:
        raise BadRequest(f"'{CONTINUATION_HEADER}' is not one of ours") from problem


def _flag(request: Request, name: str, *, default: bool = False) -> bool:
    return request.query_params.get(name, str(default)).lower() == "true"


def _reason(request: Request) -> str:
    return request.query_params.get("reason", "")


def _json(content: Any, code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(content), code, headers, media_type="application/json")


def _error(code: int, refused: HubError) -> Response:
    if code in (404, 410):
        return Response(status_code=code)
    told = {
        "Message": "The request was refused.",
        "ExceptionMessage": str(refused),
        "ExceptionType": type(refused).__name__,
        "StackTrace": "",
    }
    return _json(told, code)
