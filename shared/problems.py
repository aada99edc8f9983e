"""Every refusal and failure as the API tells it: application/problem+json, RFC 9457, never with a secret.

All bad input is 400. `title` is the specification's exact text where it gives one and nothing else is wrong.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic_core import PydanticCustomError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

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

log = logging.getLogger(__name__)

T = TypeVar("T")

MEDIA_TYPE = "application/problem+json"
STATUS: dict[type[BackupError], int] = {
    InvalidRequest: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    TooManyRequests: 429,
}
"""The HTTP status of each refusal; other errors are 503 where a retry may help, else 500."""

_BAD_FIELD = "bad_field"
_MESSAGES = {
    "extra_forbidden": "There is no such field.",
    "model_attributes_type": "Must be a JSON object, sent with Content-Type: application/json.",
    "model_type": "Must be a JSON object.",
}
"""Our words for pydantic's kinds of fault, where its own would puzzle a caller."""


def bad_field(message: str, *, field: str = "", title: str | None = None) -> PydanticCustomError:
    """What a validator raises for a fault of the caller's.

    `field` names the culprit where the validator sees the whole body; `title` is the specification's exact text.
    """
    return PydanticCustomError(_BAD_FIELD, "{message}", {"message": message, "field": field, "title": title})


@contextmanager
def refusals_as_faults() -> Iterator[None]:
    """Within a validator, turns an InvalidRequest into a fault of the field, to be told with all other faults."""
    try:
        yield
    except InvalidRequest as refusal:
        title = refusal.shown_title if refusal.shown_title != InvalidRequest.title else None
        raise bad_field(refusal.message, title=title) from refusal


def checked(check: Callable[[T], object]) -> Callable[[T], T]:
    """A validator that lets a value pass when `check`, which refuses by InvalidRequest, lets it."""

    def validate(value: T) -> T:
        with refusals_as_faults():
            check(value)
        return value

    return validate


def invalid_fields(faults: Sequence[Mapping[str, Any]]) -> InvalidRequest:
    """All faults that pydantic found as one refusal; the first part of each location says where it stands."""
    fields = tuple(FieldError(field=_field_name(fault), message=_message(fault)) for fault in faults)
    text = "; ".join(f"{field.field}: {field.message}" for field in fields)
    title = faults[0].get("ctx", {}).get("title") if len(faults) == 1 else None
    return InvalidRequest(text, title=title, errors=fields)


def problem(error: BackupError, status: int | None = None) -> JSONResponse:
    """`error` as problem+json, with the HTTP status of its kind unless another is given."""
    kind = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 503 if error.retry else 500)
    body: dict[str, Any] = {
        "type": f"urn:dilux:error:{error.code}",
        "title": error.shown_title if isinstance(error, RequestRefused) else error.code.replace("_", " ").capitalize(),
        "status": status or kind,
        "code": error.code,
        "detail": error.message,
    }
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, RequestRefused) and error.errors:
        body["errors"] = [field._asdict() for field in error.errors]
    if isinstance(error, Conflict) and error.backup_id:
        body["backup_id"] = error.backup_id
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(error.retry_after_seconds)
    return JSONResponse(body, status or kind, headers=headers, media_type=MEDIA_TYPE)


def answer_with_problems(app: FastAPI, identify: Callable[[Request], object]) -> None:
    """Makes `app` answer every error as a problem. `identify` raises Unauthenticated for a request without a caller."""

    async def refuse(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, BackupError)
        return problem(error)

    async def refuse_fields(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        if any(fault["type"] == "json_invalid" for fault in error.errors()):
            return await refuse_body(request, "The body is not valid JSON.")
        return problem(invalid_fields(error.errors()))

    async def refuse_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            return problem(NotFound("There is no such route."))
        if error.status_code == 400:
            return await refuse_body(request, "The body cannot be read: send JSON in UTF-8.")
        return problem(InvalidRequest(f"{error.detail}.", title=error.detail), error.status_code)

    async def refuse_body(request: Request, why: str) -> JSONResponse:
        # FastAPI reads the body before it asks who is calling; whoever has no token shall hear that first.
        try:
            await run_in_threadpool(identify, request)
        except BackupError as refusal:
            return problem(refusal)
        return problem(InvalidRequest(why, errors=(FieldError(field="body", message=why),)))

    app.add_exception_handler(BackupError, refuse)
    app.add_exception_handler(RequestValidationError, refuse_fields)
    app.add_exception_handler(HTTPException, refuse_http)
    app.add_middleware(_FaultsAnswered)


class _FaultsAnswered:
    """Answers a fault of ours as a problem.

    FastAPI's own handler for Exception raises the fault again after it answered, and then Azure answers in our place.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception:  # whatever it is; its text may hold a secret, so the caller gets ours
            log.exception("request failed", extra={"method": scope.get("method"), "route": scope.get("path")})
            answer = problem(InternalError("This is a fault of the product; its log has the details."))
            await answer(scope, receive, send)


def _field_name(fault: Mapping[str, Any]) -> str:
    parts = [str(part) for part in fault["loc"][1:]]
    named = fault.get("ctx", {}).get("field")
    return ".".join([*parts, named] if named else parts) or "body"


def _message(fault: Mapping[str, Any]) -> str:
    # Never the rejected input itself: it may be a password.
    text = str(_MESSAGES.get(fault["type"], fault["msg"])).removeprefix("Value error, ")
    return text if text.endswith(".") or fault["type"] == _BAD_FIELD else f"{text}."
