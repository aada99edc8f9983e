"""The API's description, for programs and for people. It tells no secret, so it needs no token."""

from typing import Any

from fastapi import APIRouter, Request, Response

from api.docs_page import CONTENT_SECURITY_POLICY, page
from api.openapi import describe

router = APIRouter(tags=["Description"])


@router.get("/openapi.json", name="GetOpenApi", summary="This API as an OpenAPI document")
def get_openapi(request: Request) -> dict[str, Any]:
    """The OpenAPI 3.1 document of all routes."""
    return describe(request.app)


@router.get("/docs", name="GetDocs", summary="This API as a page to read", response_class=Response)
def get_docs(request: Request) -> Response:
    """One page without scripts, made from the OpenAPI document."""
    address = str(request.base_url).rstrip("/")
    headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "X-Content-Type-Options": "nosniff"}
    return Response(page(describe(request.app), address), media_type="text/html", headers=headers)
