"""The API's own description, OpenAPI 3.1: made from the routes, then told how this API refuses."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from shared.problems import MEDIA_TYPE

DESCRIPTION = (
    "Backs up databases into Azure Blob Storage and proves every backup. All errors are problems (RFC 9457); "
    "bad input is always 400, with every fault in `errors`. Times are UTC, sizes are bytes, durations are seconds."
)
Document = dict[str, Any]

PROBLEM: Document = {
    "type": "object",
    "title": "Problem",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "description": "`urn:dilux:error:` and the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable: programs decide by it."},
        "detail": {"type": "string", "description": "What failed, on what, and what to do."},
        "errors": {
            "type": "array",
            "description": "Every bad field of the request.",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
        "backup_id": {"type": "string", "description": "The run that is in the way."},
    },
}
MEANINGS = {
    400: "The request is not as it must be.",
    401: "No valid token.",
    403: "A valid token without the role.",
    404: "No such thing in this tenant.",
    409: "It exists already, is running, or changed meanwhile.",
    429: "A limit was reached; `Retry-After` says when to come again.",
    500: "A fault of the product or of its settings.",
    503: "A service that the product needs does not answer; try again.",
}
MORE_REFUSALS = {"DownloadBackup": (409, 429)}
"""What an operation refuses beside that which its form tells."""


def describe(app: FastAPI) -> Document:
    """The document of `app`."""
    document = get_openapi(title=app.title, version=app.version, routes=app.routes, description=DESCRIPTION)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = PROBLEM
    for method, operation in _operations(document):
        operation["responses"].pop("422", None)
        for status in _refusals(method, operation):
            operation["responses"].setdefault(str(status), _problem_answer(status))
    return document


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, Document]]:
    for methods in document["paths"].values():
        yield from methods.items()


def _refusals(method: str, operation: Mapping[str, Any]) -> Iterator[int]:
    places = {parameter["in"] for parameter in operation.get("parameters", ())}
    if "requestBody" in operation or "query" in places:
        yield 400
    if "security" in operation:
        yield from (401, 403)
    if "path" in places:
        yield 404
    if method != "get":
        yield 409
    yield from MORE_REFUSALS.get(operation["operationId"], ())
    yield from (500, 503)


def _problem_answer(status: int) -> Document:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": MEANINGS[status], "content": {MEDIA_TYPE: {"schema": schema}}}
