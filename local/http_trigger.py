"""Brings HTTP requests to the functions of HTTP triggers, and their replies back."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from local.frames import Frame
from local.functions import Function
from local.keys import AccessKeys
from local.route import RouteTemplate, parse_template
from local.taskhub.invocation import FunctionFailed, WorkerLost

# Azure's limit of a request's body, in bytes.
LONGEST_BODY = 210 * 1024 * 1024

# How long a request waits for a worker while all are being started anew.
PATIENCE_SECONDS = 30.0

# The server sets these to what it really sends.
OWN_HEADERS = {"connection", "content-length", "transfer-encoding"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class HttpRoute:
    """One HTTP trigger: where it listens (as written, and parsed), to what methods (None: all), and who may call it."""

    function: str
    text: str
    template: RouteTemplate
    methods: frozenset[str] | None
    level: str


class Caller(Protocol):
    """Calls functions: the worker pool, with the durable client bound."""

    async def any_worker(self) -> None:
        """Returns when there is a worker to answer."""
        ...

    async def call(self, function: str, value: Mapping[str, Any], body: bytes) -> Frame:
        """The function's answer to its trigger's value. Raises FunctionFailed or WorkerLost."""
        ...


class HttpTriggers:
    """Answers requests by the functions of an app."""

    def __init__(self, routes: Iterable[HttpRoute], keys: AccessKeys, caller: Caller) -> None:
        self._routes = sorted(routes, key=lambda route: route.template.ranks)
        self._keys = keys
        self._caller = caller

    async def answer(self, request: Request) -> Response:
        """The reply of the function whose route, method and level fit; else 404, 405 or 401."""
        path = [unquote(part) for part in _raw_path(request).split("/") if part]
        matches = [(route, found) for route in self._routes if (found := route.template.match(path)) is not None]
        if not matches:
            return Response(status_code=404)
        for route, parameters in matches:
            if route.methods is None or request.method in route.methods:
                return await self._answer_by(route, parameters, request)
        allowed = {method for route, _ in matches for method in route.methods or ()}
        return Response(status_code=405, headers={"allow": ", ".join(sorted(allowed))})

    async def _answer_by(self, route: HttpRoute, parameters: dict[str, str], request: Request) -> Response:
        key = request.query_params.get("code") or request.headers.get("x-functions-key")
        if not self._keys.opens(route.level, key):
            return Response(status_code=401)
        try:
            body = await _body_of(request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        if body is None:
            return PlainTextResponse("The request's body is longer than 210 MB.", status_code=413)
        return await self._call(route, _request_value(request, parameters), body)

    async def _call(self, route: HttpRoute, value: dict[str, Any], body: bytes) -> Response:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._caller.any_worker()
        except TimeoutError:
            return PlainTextResponse("No worker is ready.", status_code=503, headers={"retry-after": "10"})
        try:
            answer = await self._caller.call(route.function, value, body)
        except WorkerLost:
            return PlainTextResponse("The worker ended before it answered.", status_code=502)
        except FunctionFailed:
            logger.exception("function %s failed", route.function)
            return Response(status_code=500)  # the log has the reason; it is not the caller's to know
        return _response(answer)


def parse_route(function: Function, prefix: str) -> HttpRoute:
    """The route of a function below the app's prefix. Raises ValueError for one that is not understood."""
    methods = function.properties.get("methods")
    parts = f"{prefix}/{function.properties['route']}".split("/")
    text = "/" + "/".join(part for part in parts if part)
    return HttpRoute(
        function=function.name,
        text=text,
        template=parse_template(text),
        methods=frozenset(methods) if methods else None,
        level=str(function.properties.get("authLevel", "function")).lower(),
    )


def _raw_path(request: Request) -> str:
    raw: bytes = request.scope["raw_path"]
    return raw.decode("ascii")


async def _body_of(request: Request) -> bytes | None:
    """The body, or None when it is too long."""
    if int(request.headers.get("content-length", 0)) > LONGEST_BODY:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_BODY:
            return None
    return bytes(body)


def _request_value(request: Request, parameters: dict[str, str]) -> dict[str, Any]:
    query = request.scope["query_string"].decode("ascii")
    url = f"{request.url.scheme}://{request.url.netloc}{_raw_path(request)}" + (f"?{query}" if query else "")
    headers = {
        name: ("; " if name == "cookie" else ", ").join(request.headers.getlist(name)) for name in request.headers
    }
    values = {name: ",".join(request.query_params.getlist(name)) for name in request.query_params}
    details = {"method": request.method, "url": url, "headers": headers, "query": values, "params": parameters}
    return {"type": "http", "value": details}


def _response(answer: Frame) -> Response:
    result = answer.head["result"]
    if result["type"] == "http":
        response = Response(answer.body, status_code=result["value"]["status"])
        for name, value in result["value"]["headers"]:
            if name.lower() not in OWN_HEADERS:
                response.headers.append(name, value)
        return response
    if result["value"] is None:
        return Response(status_code=204)
    return PlainTextResponse(result["value"])
