"""What the API refuses before anything is done, over the real host: each with its status, its code and the reason."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from local.cloud.authority import certificate_paths
from local.cloud.cloud import LocalCloud
from local.cloud.ports import kept_ports
from local.cloud.tokens import TokenIssuer, keep_tenant
from tests.support.databases import fresh_database, postgresql_server
from tests.support.forged_tokens import FORGERIES
from tests.support.installation import Installation

GOOD: dict[str, Any] = {
    "name": "A good one",
    "type": "postgresql-vm",
    "host": "127.0.0.1",
    "port": 5432,
    "username": "backup",
    "password": "a password",
    "database": "shop",
    "frequency": "1d",
    "storage_container": "good",
}


class Mint:
    """Signs tokens as the sign-in of a running host does; what the forgeries ask of a local cloud."""

    def __init__(self, home: Path) -> None:
        folder = home / "cloud"
        self._issuer = TokenIssuer(
            keep_tenant(folder / "tenant.json"), f"https://127.0.0.1:{kept_ports(folder / 'ports.json')['identity']}"
        )
        self.ca_certificate = certificate_paths(folder).authority

    def mint_token(self, *, roles: list[str], name: str, lifetime_seconds: int = 3600, **claims: Any) -> str:
        return self._issuer.api_token(roles=roles, name=name, lifetime_seconds=lifetime_seconds, **claims)

    def environment(self) -> dict[str, str]:
        return {"AZURE_AUTHORITY_HOST": self._issuer.authority, "AZURE_TENANT_ID": self._issuer.tenant.tenant_id}


@pytest.fixture
def http(installed: Installation) -> Iterator[httpx.Client]:
    """A caller without a token."""
    with httpx.Client(base_url=f"{installed.host.url}/api", timeout=30) as client:
        yield client


def bearer(token: str) -> dict[bytes, bytes]:
    return {b"Authorization": f"Bearer {token}".encode()}


def refused(answer: httpx.Response, status: int, code: str, *words: str) -> None:
    """The problem of this status and code, whose text names the words."""
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [word for word in words if word not in answer.text] == [], answer.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"storage_container": "Not-A-Container"}, ("storage_container", "Not-A-Container")),
        ({"storage_container": "a--b"}, ("storage_container", "a--b")),
        ({"colour": "blue"}, ("colour",)),
        ({"frequency": "14m"}, ("frequency", "14m", "at least 15m")),
        ({"frequency": "often"}, ("frequency", "often")),
        ({"schedule": "0 2 * * *"}, ("frequency", "schedule")),
        ({"frequency": None, "schedule": "61 2 * * *"}, ("schedule", "61 2 * * *")),
        ({"type": "oracle"}, ("type", "oracle")),
        ({"port": 70_000}, ("port", "1-65535")),
        ({"password": ""}, ("password",)),
        ({"host": "169.254.169.254"}, ("host", "169.254.169.254")),
        ({"options": ["--result-file=/etc/passwd"]}, ("options", "--result-file")),
        ({"retention_days": 0}, ("retention_days",)),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_a_database_that_breaks_a_rule_is_refused_with_the_field_and_the_rule(
    installed: Installation, http: httpx.Client, changes: dict[str, Any], words: tuple[str, ...]
) -> None:
    before = http.get("/databases", headers=bearer(installed.host.token(["Backup.Read"]))).json()["total"]

    answer = http.post("/databases", json=GOOD | changes, headers=bearer(installed.host.token(["Backup.Admin"])))

    refused(answer, 400, "invalid_request", *words)
    after = http.get("/databases", headers=bearer(installed.host.token(["Backup.Read"]))).json()["total"]
    assert after == before


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'"text"', b"\xff\xfe", b"", b'{"name": "a", "name": }', b"null"],
    ids=["cut off", "a list", "a text", "no UTF-8", "empty", "malformed", "null"],
)
def test_a_body_that_is_no_object_is_refused(installed: Installation, http: httpx.Client, body: bytes) -> None:
    headers = {**bearer(installed.host.token(["Backup.Admin"])), b"Content-Type": b"application/json"}

    refused(http.post("/databases", content=body, headers=headers), 400, "invalid_request")


def test_a_name_that_gives_the_id_of_another_database_is_refused(installed: Installation, http: httpx.Client) -> None:
    server = postgresql_server()
    with fresh_database(server) as name:
        taken = installed.register(server, name, name="Ünïque name")

        admin = bearer(installed.host.token(["Backup.Admin"]))
        refused(http.post("/databases", json=GOOD | {"name": "unique  NAME"}, headers=admin), 409, "conflict", taken)

        assert installed.backed_up(taken)["status"] == "completed"


def test_nothing_but_health_and_documents_is_told_without_a_token(http: httpx.Client) -> None:
    for method, path in (("GET", "/databases"), ("POST", "/databases"), ("GET", "/backups"), ("GET", "/types")):
        refused(http.request(method, path), 401, "unauthenticated")
    assert http.get("/health").json().keys() == {"status", "version"}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_token_opens_nothing(installed: Installation, http: httpx.Client, forgery: str) -> None:
    token = FORGERIES[forgery](cast(LocalCloud, Mint(installed.host.home)))

    refused(http.get("/databases", headers=bearer(token)), 401, "unauthenticated")


def test_a_token_that_was_made_as_the_forged_ones_are_opens_the_door(
    installed: Installation, http: httpx.Client
) -> None:
    """Else the forgeries would prove nothing."""
    token = Mint(installed.host.home).mint_token(roles=["Backup.Read"], name="ada")

    assert http.get("/databases", headers=bearer(token)).status_code == 200


RUN = "/backups/backup-20260101-000000-nobody"
TOO_LOW: list[tuple[str, str, str]] = [
    ("Backup.Read", "POST", "/databases"),
    ("Backup.Read", "POST", "/databases/shop/backup"),
    ("Backup.Read", "POST", f"{RUN}/cancel"),
    ("Backup.Read", "POST", f"{RUN}/verify"),
    ("Backup.Operator", "POST", "/databases"),
    ("Backup.Operator", "PUT", "/databases/shop"),
    ("Backup.Operator", "DELETE", "/databases/shop"),
    ("Backup.Operator", "PUT", "/databases/shop/password"),
    ("Backup.Operator", "POST", f"{RUN}/restore"),
    ("Backup.Operator", "GET", f"{RUN}/download"),
    ("Backup.Operator", "POST", "/targets"),
    ("Some.Other.Role", "GET", "/databases"),
]


@pytest.mark.parametrize(("role", "method", "path"), TOO_LOW)
def test_a_role_that_is_too_low_is_refused_whatever_is_asked(
    installed: Installation, http: httpx.Client, role: str, method: str, path: str
) -> None:
    headers = bearer(installed.host.token([role]))
    body: dict[str, Any] = {} if method == "GET" else {"json": {}}

    refused(http.request(method, path, headers=headers, **body), 403, "forbidden")
