"""App Configuration's key-values on the wire: the REST API that azure-appconfiguration speaks, up to 2026-04-01.

Not here: snapshots, keys for HMAC, and looking into the past by Accept-Datetime, which is refused.
"""

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.cloud.bearer import RequireToken
from local.cloud.setting_filter import NO_LABEL, BadFilter, tags_filter, text_filter
from local.cloud.setting_store import (
    Condition,
    Content,
    PreconditionFailed,
    Setting,
    SettingLocked,
    SettingStore,
)
from local.cloud.tokens import TokenIssuer

AUDIENCE = "https://appconfig.azure.com"  # the one clients take for hosts they do not know
PAGE_SIZE = 100
BODY_LIMIT = 10 * 1024  # bytes of JSON as sent: escapes count, as they do in Azure
KEY_LIMIT = 256  # characters, for labels too
SETTING_TYPE = "application/vnd.microsoft.appconfig.kv+json; charset=utf-8"
SETTINGS_TYPE = "application/vnd.microsoft.appconfig.kvset+json; charset=utf-8"
KEYS_TYPE = "application/vnd.microsoft.appconfig.keyset+json; charset=utf-8"
LABELS_TYPE = "application/vnd.microsoft.appconfig.labelset+json; charset=utf-8"
PROBLEM_TYPE = "application/problem+json; charset=utf-8"

Json = dict[str, Any]
T = TypeVar("T")
Place = tuple[Any, ...]  # what sorts the items of a list


class SettingBody(BaseModel):
    """The body that writes a setting; key, label and the rest of a setting may be there and are not read."""

    model_config = ConfigDict(strict=True)

    value: str | None = None
    content_type: str | None = None
    tags: dict[str, str] | None = None


class BadArgument(Exception):
    """The request asks for something App Configuration does not take."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(detail)
        self.name = name


class BodyTooLarge(Exception):
    """The body is longer than a setting may be."""


def app_configuration_application(store: SettingStore, issuer: TokenIssuer) -> Starlette:
    """One configuration store as an ASGI application."""

    def refuse(reason: str | None) -> Response:
        detail = "A bearer token is needed." if reason is None else f"The bearer token is not valid: {reason}"
        challenge = "HMAC-SHA256, Bearer" if reason is None else 'Bearer error="invalid_token"'
        return _problem(401, "unauthorized", "Unauthorized", detail, headers={"WWW-Authenticate": challenge})

    return Starlette(
        routes=_Configuration(store).routes(),
        middleware=[Middleware(RequireToken, issuer, {AUDIENCE}, refuse)],
        exception_handlers={
            BadArgument: _bad_argument,
            BadFilter: lambda _, error: _problem(400, "invalid-argument", "Invalid filter", str(error)),
            ValidationError: _bad_body,
            BodyTooLarge: lambda *_: _problem(
                413, "too-large", "Too large", f"A key-value is at most {BODY_LIMIT} bytes of JSON."
            ),
            PreconditionFailed: lambda *_: Response(status_code=412),
            SettingLocked: lambda _, error: _problem(
                409, "key-locked", f"The key {error} is locked", "Unlock it before you change it.", name=str(error)
            ),
        },
    )


@dataclass(frozen=True)
class _Configuration:
    store: SettingStore

    def routes(self) -> list[Route]:
        return [
            Route("/kv", self.list_settings, methods=["GET"]),
            Route("/kv/{key:path}", self.get_setting, methods=["GET"]),
            Route("/kv/{key:path}", self.put_setting, methods=["PUT"]),
            Route("/kv/{key:path}", self.delete_setting, methods=["DELETE"]),
            Route("/locks/{key:path}", self.lock_setting, methods=["PUT"]),
            Route("/locks/{key:path}", self.unlock_setting, methods=["DELETE"]),
            Route("/revisions", self.list_revisions, methods=["GET"]),
            Route("/keys", self.list_keys, methods=["GET"]),
            Route("/labels", self.list_labels, methods=["GET"]),
        ]

    async def get_setting(self, request: Request) -> Response:
        key, label = _name(request)
        _refuse_the_past(request)
        setting = await asyncio.to_thread(self.store.get, key, label)
        condition, etag = _condition(request), None if setting is None else setting.etag
        if not condition.matches(etag):
            raise PreconditionFailed
        if setting is None:
            return await self._answer(Response(status_code=404))
        if not condition.differs(etag):
            return await self._answer(Response(status_code=304, headers={"ETag": f'"{etag}"'}))
        return await self._answer_setting(request, setting)

    async def put_setting(self, request: Request) -> Response:
        key, label = _name(request)
        content = await _content(request)
        setting = await asyncio.to_thread(self.store.put, key, label, content, _condition(request))
        return await self._answer_setting(request, setting)

    async def delete_setting(self, request: Request) -> Response:
        key, label = _name(request)
        setting = await asyncio.to_thread(self.store.delete, key, label, _condition(request))
        if setting is None:
            return await self._answer(Response(status_code=204))
        return await self._answer_setting(request, setting)

    async def lock_setting(self, request: Request) -> Response:
        return await self._lock(request, locked=True)

    async def unlock_setting(self, request: Request) -> Response:
        return await self._lock(request, locked=False)

    async def _lock(self, request: Request, *, locked: bool) -> Response:
        key, label = _name(request)
        setting = await asyncio.to_thread(self.store.lock, key, label, locked, _condition(request))
        if setting is None:
            return await self._answer(Response(status_code=404))
        return await self._answer_setting(request, setting)

    async def list_settings(self, request: Request) -> Response:
        settings = _filtered(request, await asyncio.to_thread(self.store.settings))
        return await self._answer_settings(request, settings, lambda setting: (setting.key, setting.label))

    async def list_revisions(self, request: Request) -> Response:
        revisions = _filtered(request, await asyncio.to_thread(self.store.revisions))
        return await self._answer_settings(request, revisions, lambda revision: (-revision.position,))

    async def list_keys(self, request: Request) -> Response:
        passes = text_filter(request.query_params.get("name"))
        settings = await asyncio.to_thread(self.store.settings)
        keys = sorted({setting.key for setting in settings if passes(setting.key)})
        page, link = _page(request, keys, lambda key: (key,))
        return await self._answer_page([{"name": key} for key in page], link, KEYS_TYPE)

    async def list_labels(self, request: Request) -> Response:
        passes = text_filter(request.query_params.get("name"))
        settings = await asyncio.to_thread(self.store.settings)
        labels = sorted({setting.label for setting in settings if passes(setting.label)})
        page, link = _page(request, labels, lambda label: (label,))
        return await self._answer_page([{"name": label or None} for label in page], link, LABELS_TYPE)

    async def _answer_setting(self, request: Request, setting: Setting) -> Response:
        headers = {
            "ETag": f'"{setting.etag}"',
            "Last-Modified": setting.last_modified.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        }
        return await self._answer(_json(_shown(request, setting), SETTING_TYPE, headers=headers))

    async def _answer_settings(
        self, request: Request, settings: Iterable[Setting], order: Callable[[Setting], Place]
    ) -> Response:
        page, link = _page(request, settings, order)
        # The link counts: a page that was the last one has changed when another follows it.
        etag = _digest([*(setting.etag for setting in page), link or ""])
        condition = _condition(request)
        if not condition.matches(etag):
            raise PreconditionFailed
        if not condition.differs(etag):
            return await self._answer(Response(status_code=304, headers={"ETag": f'"{etag}"', **_link_header(link)}))
        shown = [_shown(request, setting) for setting in page]
        return await self._answer_page(shown, link, SETTINGS_TYPE, etag)

    async def _answer_page(
        self, items: Sequence[Json], link: str | None, media_type: str, etag: str | None = None
    ) -> Response:
        body: Json = {"items": items}
        headers = _link_header(link)
        if etag is not None:
            body["etag"] = etag
            headers["ETag"] = f'"{etag}"'
        if link is not None:
            body["@nextLink"] = link
        return await self._answer(_json(body, media_type, headers=headers))

    async def _answer(self, response: Response) -> Response:
        sequence = await asyncio.to_thread(self.store.sequence)
        response.headers["Sync-Token"] = f"local={base64.b64encode(str(sequence).encode()).decode()};sn={sequence}"
        return response


def _name(request: Request) -> tuple[str, str]:
    """Key and label of the one setting that the request is about."""
    key: str = request.path_params["key"]
    label = request.query_params.get("label", NO_LABEL).replace(NO_LABEL, "")
    if not key or key in (".", "..") or "%" in key or len(key) > KEY_LIMIT:
        raise BadArgument("key", f"A key has 1 to {KEY_LIMIT} characters, no percent sign, and is not '.' or '..'.")
    if len(label) > KEY_LIMIT or any(character in label for character in "*,"):
        raise BadArgument("label", f"A label has up to {KEY_LIMIT} characters, no asterisk and no comma.")
    return key, label


def _refuse_the_past(request: Request) -> None:
    if "accept-datetime" in request.headers:
        raise BadArgument("Accept-Datetime", "The local App Configuration cannot look into the past.")


def _condition(request: Request) -> Condition:
    return Condition(*(_tag(request.headers.get(header)) for header in ("if-match", "if-none-match")))


def _tag(header: str | None) -> str | None:
    return None if header is None else header.strip('"')


async def _content(request: Request) -> Content:
    body = await request.body()
    if len(body) > BODY_LIMIT:
        raise BodyTooLarge
    read = SettingBody.model_validate_json(body)
    return Content(read.value, read.content_type, read.tags or {})


def _filtered(request: Request, settings: Iterable[Setting]) -> list[Setting]:
    _refuse_the_past(request)
    query = request.query_params
    key_passes, label_passes = text_filter(query.get("key")), text_filter(query.get("label"))
    tags_pass = tags_filter(query.getlist("tags"))
    return [
        setting
        for setting in settings
        if key_passes(setting.key) and label_passes(setting.label) and tags_pass(setting.content.tags)
    ]


def _page(request: Request, items: Iterable[T], order: Callable[[T], Place]) -> tuple[list[T], str | None]:
    """The items of the page that the request asks for, and the link of the next one if there is one.

    A page begins after a place in the order, not at an index: what is written meanwhile shifts nothing.
    """
    after = request.query_params.get("after")
    place = None if after is None else _read_place(after)
    rest = [item for item in items if place is None or order(item) > place]
    if len(rest) <= PAGE_SIZE:
        return rest, None
    page = rest[:PAGE_SIZE]
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
    token = base64.urlsafe_b64encode(json.dumps(order(page[-1])).encode()).decode()
    return page, f"{request.url.path}?{urlencode([*query, ('after', token)])}"


def _read_place(token: str) -> Place:
    try:
        return tuple(json.loads(base64.urlsafe_b64decode(token)))
    except (ValueError, TypeError) as error:
        raise BadArgument("after", "The continuation token is not one of this store.") from error


def _link_header(link: str | None) -> dict[str, str]:
    return {} if link is None else {"Link": f'<{link}>; rel="next"'}


def _shown(request: Request, setting: Setting) -> Json:
    """The setting's JSON, or the fields of it that $select names."""
    shown = {
        "etag": setting.etag,
        "key": setting.key,
        "label": setting.label or None,
        "content_type": setting.content.content_type,
        "value": setting.content.value,
        "tags": setting.content.tags,
        "locked": setting.locked,
        "last_modified": setting.last_modified.isoformat(timespec="seconds"),
    }
    selected = request.query_params.get("$select")
    return shown if selected is None else {name: shown[name] for name in selected.split(",") if name in shown}


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _json(body: Json, media_type: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(body, status, headers, media_type=media_type)


def _bad_argument(_: Request, error: Exception) -> Response:
    assert isinstance(error, BadArgument)
    return _problem(400, "invalid-argument", f"Invalid {error.name}", str(error), name=error.name)


def _bad_body(_: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError)
    problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return _problem(400, "invalid-argument", "Invalid body", problems, name="body")


def _problem(
    status: int,
    kind: str,
    title: str,
    detail: str,
    *,
    name: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = {"type": f"https://azconfig.io/errors/{kind}", "title": title, "detail": detail, "status": status}
    if name is not None:
        body["name"] = name
    return _json(body, PROBLEM_TYPE, status=status, headers=headers)
