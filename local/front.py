"""All that the host answers on its port: functions, the durable management API, tokens, and a page that says so."""

import json
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from local.http_trigger import HttpTriggers
from local.taskhub.client_links import RPC_PREFIX, WEBHOOK_PREFIX

TOKEN_SECONDS = 3600

ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

# A page of another site whose name was made to lead to 127.0.0.1 must not get tokens from us.
OWN_NAMES = ["127.0.0.1", "localhost"]


def build_front(
    triggers: HttpTriggers, management: list[BaseRoute], mint_token: Callable[..., str], welcome: str
) -> Starlette:
    """The application of the host's port; `mint_token` as LocalCloud's, `welcome` is the text of `GET /`."""

    async def function(request: Request) -> Response:
        response = await triggers.answer(request)
        if response.status_code == 404 and request.url.path == "/":
            return PlainTextResponse(welcome)
        return response

    async def token(request: Request) -> Response:
        wanted = _token_request(await request.body())
        if wanted is None:
            return JSONResponse({"error": 'Send {"roles": ["..."], "name": "..."} as JSON.'}, status_code=400)
        minted = mint_token(roles=wanted["roles"], name=wanted["name"], lifetime_seconds=TOKEN_SECONDS)
        return JSONResponse({"access_token": minted, "expires_in": TOKEN_SECONDS})

    routes = [
        Mount(WEBHOOK_PREFIX, routes=management),
        Mount(RPC_PREFIX, routes=management),
        Route("/local/token", token, methods=["POST"]),
        Route("/{path:path}", function, methods=ALL_METHODS),
    ]
    return Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=OWN_NAMES)])


def _token_request(body: bytes) -> dict[str, Any] | None:
    try:
        wanted = json.loads(body)
    except ValueError:
        return None
    if not isinstance(wanted, dict) or not isinstance(wanted.get("name"), str):
        return None
    roles = wanted.get("roles")
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        return None
    return wanted
