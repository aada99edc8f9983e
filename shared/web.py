"""The seam between FastAPI and Azure Functions: every path operation becomes a Function of its own name.

FastAPI does validation, OpenAPI and dispatch; Azure sees one HTTP trigger per route, so the portal shows them by name.
The durable client of the invocation reaches a handler as a dependency. Handlers are plain `def` and may block.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Annotated, Any

import azure.durable_functions as df
import azure.functions as func
from fastapi import APIRouter, Depends, FastAPI, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from shared.durable_client import DurableClient
from shared.errors import (
    BackupError,
    Conflict,
    FieldError,
    Forbidden,
    InternalError,
    InvalidRequest,
    NotFound,
    RequestRefused,
    TooManyRequests,
    Unauthenticated,
)
from shared.tokens import Caller, Role, caller_of

log = logging.getLogger(__name__)

PREFIX = "/api"
PROBLEM = "application/problem+json"
STATUS: dict[type[BackupError], int] = {
    InvalidRequest: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    TooManyRequests: 429,
}
"""The HTTP status of each refusal; other errors are 503 where a retry may help, else 500."""

_client: ContextVar[DurableClient] = ContextVar("durable_client")


async def _durable_client() -> DurableClient:
    return _client.get()


Durable = Annotated[DurableClient, Depends(_durable_client)]
"""The durable client of this invocation, as a handler's parameter."""


def needs(role: Role) -> Any:
    """A dependency that gives the caller, or refuses one whose roles do not open what needs `role`."""

    def identify(authorization: Annotated[str | None, Header(include_in_schema=False)] = None) -> Caller:
        caller = caller_of(authorization)
        caller.must_have(role)
        return caller

    return Depends(identify)


Reader = Annotated[Caller, needs(Role.READ)]
Operator = Annotated[Caller, needs(Role.OPERATOR)]
Admin = Annotated[Caller, needs(Role.ADMIN)]


def web_application(routers: Iterable[APIRouter], *, title: str, version: str) -> FastAPI:
    """The FastAPI application over `routers`, with every error as problem+json."""
    app = FastAPI(title=title, version=version, openapi_url=None, docs_url=None, redoc_url=None)
    for router in routers:
        app.include_router(router, prefix=PREFIX)
    app.add_exception_handler(BackupError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_validation)
    app.add_exception_handler(HTTPException, _refuse_http)
    app.add_exception_handler(Exception, _refuse_fault)
    return app


def problem(error: BackupError) -> JSONResponse:
    """`error` as problem+json."""
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 503 if error.retry else 500)
    body: dict[str, Any] = {
        "type": f"urn:dilux:error:{error.code}",
        "title": error.shown_title if isinstance(error, RequestRefused) else error.code.replace("_", " ").capitalize(),
        "status": status,
        "code": error.code,
        "detail": error.message,
    }
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, RequestRefused) and error.errors:
        body["errors"] = [field.model_dump() for field in error.errors]
    if isinstance(error, Conflict) and error.backup_id:
        body["backup_id"] = error.backup_id
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(error.retry_after_seconds)
    return JSONResponse(body, status, headers=headers, media_type=PROBLEM)


async def _refuse(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, BackupError)
    return problem(error)


async def _refuse_validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    fields = tuple(
        FieldError(field=_field_name(fault["loc"]), message=_plain_message(fault)) for fault in error.errors()
    )
    return problem(InvalidRequest("; ".join(f"{field.field}: {field.message}" for field in fields), errors=fields))


def _field_name(location: tuple[int | str, ...]) -> str:
    parts = [str(part) for part in location if part not in ("body", "query", "path")]
    return ".".join(parts) or "body"


def _plain_message(fault: dict[str, Any]) -> str:
    # Never the rejected input itself: it may be a password.
    if fault["type"] == "json_invalid":
        return "The body is not valid JSON."
    if fault["type"] == "extra_forbidden":
        return "There is no such field."
    text = str(fault["msg"]).removeprefix("Value error, ")
    return text if text.endswith(".") else f"{text}."


async def _refuse_http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return problem(NotFound("There is no such route."))
    answer = problem(InvalidRequest(str(error.detail)))
    answer.status_code = error.status_code
    return answer


async def _refuse_fault(request: Request, error: Exception) -> JSONResponse:
    log.error("request failed", exc_info=error, extra={"method": request.method, "route": request.url.path})
    return problem(InternalError("This is a fault of the product; its log has the details."))


def register_routes(app: df.DFApp, web: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Registers every path operation of `routers` in `app`; all of them answer through `web`."""
    middleware: Any = func.AsgiMiddleware(web)  # type: ignore[no-untyped-call]  # the adapter ships no types
    for router in routers:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            _register_route(app, middleware, route)


def _register_route(app: df.DFApp, middleware: Any, route: APIRoute) -> None:
    async def answer(req: func.HttpRequest, context: func.Context, client: str) -> func.HttpResponse:
        inner: Any = client  # the SDK turned the binding's text into its client
        held = _client.set(DurableClient(inner, asyncio.get_running_loop()))
        try:
            reply: func.HttpResponse = await middleware.handle_async(req, context)
            return reply
        finally:
            _client.reset(held)

    answer.__name__ = route.name
    bound: Callable[..., Any] = app.durable_client_input(client_name="client")(answer)
    methods = sorted(route.methods or {"GET"})
    bound = app.route(route=route.path.lstrip("/"), methods=methods, auth_level=func.AuthLevel.ANONYMOUS)(bound)
    app.function_name(route.name)(bound)
