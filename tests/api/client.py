"""A caller of the API, as the tests play it."""

import asyncio
import importlib
import pkgutil
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI

import api
from local.cloud.cloud import LocalCloud
from shared.durable_client import DurableClient
from shared.web import current_client, web_application
from tests.support.durable_client import RecordingDurableClient

READ, OPERATOR, ADMIN = "Backup.Read", "Backup.Operator", "Backup.Admin"
ROLES = (READ, OPERATOR, ADMIN)
PROBLEM = "application/problem+json"


def routers() -> list[APIRouter]:
    """The routers of all resources, found as the function app finds them."""
    modules = (importlib.import_module(f"api.{found.name}") for found in pkgutil.iter_modules(api.__path__))
    return [module.router for module in modules if hasattr(module, "router")]


@lru_cache(maxsize=1)
def application() -> FastAPI:
    """The application, made once; the durable client that it uses is that of the last Api."""
    return web_application(routers(), title="Dilux Database Backup", version="1.2.3")


@dataclass
class Api:
    """Sends requests into the application; an administrator's unless the test says another role, or None."""

    cloud: LocalCloud
    durable: RecordingDurableClient = field(default_factory=RecordingDurableClient)
    person: str = "ada@example.com"

    def __post_init__(self) -> None:
        async def client() -> DurableClient:
            return self.durable

        self.application = application()
        self.application.dependency_overrides[current_client] = client

    def token(self, role: str, **claims: Any) -> str:
        """A token of the person in one role."""
        return self.cloud.mint_token(roles=[role], name=self.person, **claims)

    def ask(self, method: str, path: str, *, role: str | None = ADMIN, **request: Any) -> httpx.Response:
        """The answer to one request; `request` is what httpx takes."""
        headers = dict(request.pop("headers", {}))
        if role is not None:
            headers.setdefault("Authorization", f"Bearer {self.token(role)}")
        return asyncio.run(self._ask(method, path, headers=headers, **request))

    async def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.application)
        async with httpx.AsyncClient(transport=transport, base_url="https://backup.example.com/api") as caller:
            return await caller.request(method, path, **request)

    def get(self, path: str, **request: Any) -> httpx.Response:
        """GET."""
        return self.ask("GET", path, **request)

    def post(self, path: str, body: Any = None, **request: Any) -> httpx.Response:
        """POST of a JSON body, if there is one."""
        return self.ask("POST", path, **({} if body is None else {"json": body}), **request)

    def put(self, path: str, body: Any, **request: Any) -> httpx.Response:
        """PUT of a JSON body."""
        return self.ask("PUT", path, json=body, **request)

    def delete(self, path: str, **request: Any) -> httpx.Response:
        """DELETE."""
        return self.ask("DELETE", path, **request)


def refused(answer: httpx.Response, status: int, title: str | None = None) -> dict[str, Any]:
    """The problem in an answer, after checking that it is one, with this status and title."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == PROBLEM
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert {"type", "title", "code", "detail"} <= problem.keys()
    assert "Traceback" not in answer.text
    if title is not None:
        assert problem["title"] == title, problem
    return problem


def fields_of(problem: dict[str, Any]) -> set[str]:
    """The bad fields that a problem names."""
    return {error["field"] for error in problem.get("errors", ())}
