"""The seam between FastAPI and Azure Functions: every path operation becomes a Function of its own name.

FastAPI does validation, OpenAPI and dispatch; Azure sees one HTTP trigger per route, so the portal shows them by name.
The durable client of the invocation reaches a handler as a dependency. Handlers are plain `def` and may block.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Annotated, Any

import azure.durable_functions as df
import azure.functions as func
from fastapi import APIRouter, Depends, FastAPI, Request, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from shared.durable_client import DurableClient
from shared.problems import answer_with_problems
from shared.tokens import Caller, Role, caller_of

PREFIX = "/api"

_client: ContextVar[DurableClient] = ContextVar("durable_client")


async def current_client() -> DurableClient:
    """The durable client of the invocation that is being answered."""
    return _client.get()


Durable = Annotated[DurableClient, Depends(current_client)]
"""The durable client of this invocation, as a handler's parameter."""

_scheme = HTTPBearer(
    auto_error=False,
    scheme_name="EntraId",
    bearerFormat="JWT",
    description="A token of Entra ID for this API, with one of its app roles.",
)


def caller_behind(request: Request) -> Caller:
    """The caller that the request's token names; raises Unauthenticated."""
    return caller_of(request.headers.get("Authorization"))


def needs(role: Role) -> Any:
    """A dependency that gives the caller, or refuses one whose roles do not open what needs `role`."""

    # The scheme and the scope are how token and role get into the OpenAPI document; neither decides anything.
    def identify(request: Request, _: Annotated[object, Depends(_scheme)]) -> Caller:
        caller = caller_behind(request)
        caller.must_have(role)
        return caller

    return Security(identify, scopes=[role.value])


Reader = Annotated[Caller, needs(Role.READ)]
Operator = Annotated[Caller, needs(Role.OPERATOR)]
Admin = Annotated[Caller, needs(Role.ADMIN)]


def web_application(routers: Iterable[APIRouter], *, title: str, version: str) -> FastAPI:
    """The FastAPI application over `routers`, with every error as problem+json."""
    app = FastAPI(
        title=title,
        version=version,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # the redirect's address would come from the caller's Host header
        generate_unique_id_function=lambda route: route.name,
    )
    for router in routers:
        app.include_router(router, prefix=PREFIX)
    answer_with_problems(app, caller_behind)
    return app


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
