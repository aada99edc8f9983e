"""Key Vault's secrets on the wire: the REST API that azure-keyvault-secrets speaks, versions 7.x to 2026-04-01."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.cloud.bearer import RequireToken
from local.cloud.secret_store import Attributes, NameConflict, NameState, Secret, SecretNotFound, SecretStore
from local.cloud.tokens import TokenIssuer

PAGE_SIZE = 25
VALUE_LIMIT = 25 * 1024  # bytes of UTF-8
RECOVERABLE_DAYS = 90
SECRET_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
CONFLICTS = {
    NameState.BEING_DELETED: "is being deleted: try again later",
    NameState.DELETED: "is deleted and can only be recovered or purged; until then its name is taken",
    NameState.BEING_RECOVERED: "is being recovered: try again later",
}

Json = dict[str, Any]
T = TypeVar("T")


class AttributesBody(BaseModel):
    """The attributes that a request may set; times are Unix seconds."""

    model_config = ConfigDict(strict=True)

    enabled: bool | None = None
    nbf: int | None = None
    exp: int | None = None


class PropertiesBody(BaseModel):
    """The body that changes a version: all but its value."""

    model_config = ConfigDict(strict=True)

    content_type: str | None = Field(None, alias="contentType")
    tags: dict[str, str] | None = None
    attributes: AttributesBody = AttributesBody()

    def to_attributes(self) -> Attributes:
        """The same in the store's words."""
        return Attributes(
            content_type=self.content_type,
            tags=self.tags,
            enabled=self.attributes.enabled,
            not_before=self.attributes.nbf,
            expires=self.attributes.exp,
        )


class SecretBody(PropertiesBody):
    """The body that makes a version."""

    value: str


class BadParameter(Exception):
    """The request asks for something Key Vault does not take."""


class SecretDisabled(Exception):
    """The value of a disabled secret was asked for."""


def key_vault_application(store: SecretStore, issuer: TokenIssuer, port: int) -> Starlette:
    """One vault at https://127.0.0.1:{port}, as an ASGI application."""
    # Clients ask for a token for the resource that the challenge names, after checking that it is a parent domain of
    # the vault's own host and port. For an address that is what stands behind the first dot.
    resource = f"https://0.0.1:{port}"
    challenge = f'Bearer authorization="{issuer.authority}/{issuer.tenant.tenant_id}", resource="{resource}"'

    def refuse(reason: str | None) -> Response:
        message = "A bearer token is needed." if reason is None else f"The bearer token is not valid: {reason}"
        header = challenge if reason is None else f'{challenge}, error="invalid_token"'
        return _error(401, "Unauthorized", message, headers={"WWW-Authenticate": header})

    return Starlette(
        routes=_Vault(store, f"https://127.0.0.1:{port}").routes(),
        middleware=[Middleware(RequireToken, issuer, {resource}, refuse)],
        exception_handlers={
            BadParameter: lambda _, error: _error(400, "BadParameter", str(error)),
            ValidationError: _bad_body,
            SecretDisabled: lambda _, error: _error(
                403, "Forbidden", f"The secret {error} is disabled.", inner="SecretDisabled"
            ),
            SecretNotFound: lambda _, error: _error(404, "SecretNotFound", f"There is no secret {error} here."),
            NameConflict: _conflict,
        },
    )


@dataclass(frozen=True)
class _Vault:
    store: SecretStore
    url: str

    def routes(self) -> list[Route]:
        return [
            Route("/secrets", self.list_secrets, methods=["GET"]),
            Route("/secrets/{name}", self.set_secret, methods=["PUT"]),
            Route("/secrets/{name}", self.delete_secret, methods=["DELETE"]),
            Route("/secrets/{name}", self.get_secret, methods=["GET"]),
            Route("/secrets/{name}", self.update_secret, methods=["PATCH"]),
            Route("/secrets/{name}/versions", self.list_versions, methods=["GET"]),
            # The SDKs ask for the latest version as an empty one, which leaves a slash at the end.
            Route("/secrets/{name}/{version:path}", self.get_secret, methods=["GET"]),
            Route("/secrets/{name}/{version:path}", self.update_secret, methods=["PATCH"]),
            Route("/deletedsecrets", self.list_deleted, methods=["GET"]),
            Route("/deletedsecrets/{name}", self.get_deleted, methods=["GET"]),
            Route("/deletedsecrets/{name}", self.purge, methods=["DELETE"]),
            Route("/deletedsecrets/{name}/recover", self.recover, methods=["POST"]),
        ]

    async def set_secret(self, request: Request) -> Response:
        name = _name(request)
        body = SecretBody.model_validate_json(await request.body())
        if len(body.value.encode()) > VALUE_LIMIT:
            raise BadParameter(f"The value is longer than {VALUE_LIMIT} bytes.")
        secret = await asyncio.to_thread(self.store.set, name, body.value, body.to_attributes())
        return JSONResponse(self._with_value(secret))

    async def get_secret(self, request: Request) -> Response:
        name, version = _name(request), request.path_params.get("version", "")
        secret = await asyncio.to_thread(self.store.get, name, version)
        if not secret.attributes.enabled:
            raise SecretDisabled(name)
        return JSONResponse(self._with_value(secret))

    async def update_secret(self, request: Request) -> Response:
        name, version = _name(request), request.path_params.get("version", "")
        body = PropertiesBody.model_validate_json(await request.body())
        secret = await asyncio.to_thread(self.store.update, name, version, body.to_attributes())
        return JSONResponse(self._properties(secret, with_version=True))

    async def delete_secret(self, request: Request) -> Response:
        name = _name(request)
        secret = await asyncio.to_thread(self.store.delete, name)
        return JSONResponse(self._deleted(secret, with_version=True))

    async def get_deleted(self, request: Request) -> Response:
        name = _name(request)
        secret = await asyncio.to_thread(self.store.get_deleted, name)
        return JSONResponse(self._deleted(secret, with_version=True))

    async def recover(self, request: Request) -> Response:
        name = _name(request)
        secret = await asyncio.to_thread(self.store.recover, name)
        return JSONResponse(self._properties(secret, with_version=True))

    async def purge(self, request: Request) -> Response:
        name = _name(request)
        await asyncio.to_thread(self.store.purge, name)
        return Response(status_code=204)

    async def list_secrets(self, request: Request) -> Response:
        size, after = _page(request)
        secrets = await asyncio.to_thread(self.store.latest, after, size + 1)
        return self._answer_page(request, secrets, size, self._properties, lambda last: last.name)

    async def list_deleted(self, request: Request) -> Response:
        size, after = _page(request)
        secrets = await asyncio.to_thread(self.store.deleted, after, size + 1)
        return self._answer_page(request, secrets, size, self._deleted, lambda last: last.name)

    async def list_versions(self, request: Request) -> Response:
        name = _name(request)
        size, after = _page(request)
        if after and not after.isdecimal():
            raise BadParameter("The skip token is not one of this vault.")
        secrets = await asyncio.to_thread(self.store.versions, name, int(after or 0), size + 1)
        return self._answer_page(
            request,
            secrets,
            size,
            lambda secret: self._properties(secret, with_version=True),
            lambda last: str(last.position),
        )

    def _answer_page(
        self,
        request: Request,
        secrets: Sequence[Secret],
        size: int,
        show: Callable[[Secret], Json],
        token: Callable[[Secret], str],
    ) -> Response:
        """The first size secrets, and a link to the next page when there are more."""
        page, link = secrets[:size], None
        if len(secrets) > size:
            query = {**request.query_params, "$skiptoken": token(page[-1])}
            link = f"{self.url}{request.url.path}?{urlencode(query)}"
        return JSONResponse({"value": [show(secret) for secret in page], "nextLink": link})

    def _with_value(self, secret: Secret) -> Json:
        return {"value": secret.value, **self._properties(secret, with_version=True)}

    def _properties(self, secret: Secret, *, with_version: bool = False) -> Json:
        attributes = secret.attributes
        shown: Json = {
            "id": f"{self.url}/secrets/{secret.name}" + (f"/{secret.version}" if with_version else ""),
            "attributes": {
                "enabled": attributes.enabled,
                "nbf": attributes.not_before,
                "exp": attributes.expires,
                "created": secret.created,
                "updated": secret.updated,
                "recoveryLevel": "Recoverable+Purgeable",
                "recoverableDays": RECOVERABLE_DAYS,
            },
            "contentType": attributes.content_type,
            "tags": attributes.tags,
        }
        shown["attributes"] = _without_nulls(shown["attributes"])
        return _without_nulls(shown)

    def _deleted(self, secret: Secret, *, with_version: bool = False) -> Json:
        assert secret.deleted is not None
        return {
            **self._properties(secret, with_version=with_version),
            "recoveryId": f"{self.url}/deletedsecrets/{secret.name}",
            "deletedDate": int(secret.deleted),
            "scheduledPurgeDate": int(secret.deleted) + RECOVERABLE_DAYS * 24 * 3600,
        }


def _name(request: Request) -> str:
    name: str = request.path_params["name"]
    if SECRET_NAME.fullmatch(name) is None:
        raise BadParameter(f"The secret name {name!r} is not made of 1 to 127 letters, digits and hyphens.")
    return name


def _page(request: Request) -> tuple[int, str]:
    """Page size, and what the page comes after."""
    size = request.query_params.get("maxresults", str(PAGE_SIZE))
    if not size.isdecimal() or not 1 <= int(size) <= PAGE_SIZE:
        raise BadParameter(f"maxresults is a number from 1 to {PAGE_SIZE}.")
    return int(size), request.query_params.get("$skiptoken", "")


def _without_nulls(values: Json) -> Json:
    return {key: value for key, value in values.items() if value is not None}


def _bad_body(_: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError)
    # Where and why, but never what: the body holds a secret.
    problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return _error(400, "BadParameter", f"The body is not a secret's: {problems}")


def _conflict(_: Request, error: Exception) -> Response:
    assert isinstance(error, NameConflict)
    return _error(409, "Conflict", f"The secret {error.name} {CONFLICTS[error.state]}.", inner=error.state)


def _error(
    status: int, code: str, message: str, *, inner: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    error: Json = {"code": code, "message": message}
    if inner is not None:
        error["innererror"] = {"code": inner}
    return JSONResponse({"error": error}, status, headers)
