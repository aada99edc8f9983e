"""A small client of the product's API, as any other system would call it: JSON over HTTP with a bearer token."""

import json
import urllib.error
import urllib.request
from typing import Any

TIMEOUT_SECONDS = 60


class ApiRefused(Exception):
    """The API answered with an error: `status`, and the problem document in `body`."""

    def __init__(self, method: str, path: str, status: int, body: dict[str, Any]) -> None:
        fields = "".join(f"\n  {fault.get('field')}: {fault.get('message')}" for fault in body.get("errors", ()))
        super().__init__(f"{method} {path} answered {status}: {body.get('detail') or body.get('title')}{fields}")
        self.status = status
        self.body = body


class ApiClient:
    """Calls of one caller."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._token = token

    def get(self, path: str) -> dict[str, Any]:
        """The answer of GET `path`, such as `/databases`."""
        return self._call("GET", path, None)

    def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer of POST `path`."""
        return self._call("POST", path, body or {})

    def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer of PUT `path`."""
        return self._call("PUT", path, body)

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310  # the URL is the host's own, http on loopback
            f"{self._url}/api{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310  # as above
                found: dict[str, Any] = json.loads(answer.read() or b"{}")
                return found
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise ApiRefused(method, path, refusal.code, _document(refusal.read())) from None


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {"detail": body[:200].decode(errors="replace")}
    return found if isinstance(found, dict) else {"detail": str(found)[:200]}
