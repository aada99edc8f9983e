"""Who may call what: the whole table of routes and roles, and the door that is closed to everybody else."""

import re
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from tests.api.bodies import new_database
from tests.api.client import ADMIN, OPERATOR, READ, ROLES, Api, refused, routers
from tests.support.forged_tokens import FORGERIES, Forge

HANDBOOK = Path(__file__).parents[2] / "docs" / "api.md"
NOBODY = None
TABLE: dict[str, tuple[str, str, str | None]] = {
    "GetDatabases": ("GET", "/databases", READ),
    "CreateDatabase": ("POST", "/databases", ADMIN),
    "GetDatabase": ("GET", "/databases/{database_id}", READ),
    "UpdateDatabase": ("PUT", "/databases/{database_id}", ADMIN),
    "DeleteDatabase": ("DELETE", "/databases/{database_id}", ADMIN),
    "UpdateDatabasePassword": ("PUT", "/databases/{database_id}/password", ADMIN),
    "TestConnection": ("POST", "/databases/{database_id}/test-connection", OPERATOR),
    "TestNewConnection": ("POST", "/databases/test-connection", ADMIN),
    "TriggerManualBackup": ("POST", "/databases/{database_id}/backup", OPERATOR),
    "GetBackupHistory": ("GET", "/databases/{database_id}/history", READ),
    "ListBackups": ("GET", "/backups", READ),
    "GetBackupStatus": ("GET", "/backups/{backup_id}/status", READ),
    "DownloadBackup": ("GET", "/backups/{backup_id}/download", ADMIN),
    "VerifyBackup": ("POST", "/backups/{backup_id}/verify", OPERATOR),
    "RestoreBackup": ("POST", "/backups/{backup_id}/restore", ADMIN),
    "CancelBackup": ("POST", "/backups/{backup_id}/cancel", OPERATOR),
    "GetOperation": ("GET", "/operations/{operation_id}", READ),
    "GetTargets": ("GET", "/targets", READ),
    "CreateTarget": ("POST", "/targets", ADMIN),
    "GetTarget": ("GET", "/targets/{target_id}", READ),
    "UpdateTarget": ("PUT", "/targets/{target_id}", ADMIN),
    "DeleteTarget": ("DELETE", "/targets/{target_id}", ADMIN),
    "GetTypes": ("GET", "/types", READ),
    "GetHealth": ("GET", "/health", NOBODY),
    "GetOpenApi": ("GET", "/openapi.json", NOBODY),
    "GetDocs": ("GET", "/docs", NOBODY),
}
"""Function name -> method, path, and the lowest role that it is open to."""
OPENS = {READ: {READ, OPERATOR, ADMIN}, OPERATOR: {OPERATOR, ADMIN}, ADMIN: {ADMIN}}
GUARDED = [name for name, (_, _, role) in TABLE.items() if role is not NOBODY]


def path_of(name: str) -> str:
    """A path of the route whose ids nothing has."""
    return TABLE[name][1].replace("{", "no").replace("}", "")


def test_every_route_stands_in_the_table() -> None:
    found = {}
    for router in routers():
        for route in router.routes:
            assert isinstance(route, APIRoute)
            assert route.name not in found, "names are unique: each becomes a Function"
            found[route.name] = (" ".join(route.methods or ()), route.path)

    assert found == {name: (method, path) for name, (method, path, _) in TABLE.items()}


def test_the_handbook_shows_the_same_table() -> None:
    rows = [
        f"| `{name}` | {method} | `{path}` | {role or 'everybody'} |" for name, (method, path, role) in TABLE.items()
    ]

    assert [line for line in HANDBOOK.read_text().splitlines() if re.match(r"\| `[A-Z]", line)] == rows


@pytest.mark.parametrize("name", GUARDED)
def test_without_a_token_nothing_opens(api: Api, name: str) -> None:
    answer = api.ask(TABLE[name][0], path_of(name), role=None)

    refused(answer, 401, "Unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("name", GUARDED)
def test_without_a_token_a_bad_body_is_not_even_looked_at(api: Api, name: str) -> None:
    headers = {"Content-Type": "application/json"}
    for content in (b"{", b"\xff\xfe", b'{"unknown": 1}', b"[]"):
        refused(api.ask(TABLE[name][0], path_of(name), role=None, content=content, headers=headers), 401)


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_token_opens_nothing(api: Api, forge: Forge) -> None:
    token = forge(api.cloud)
    headers = {"Authorization": f"Bearer {token}".encode()}

    for name in GUARDED:
        refused(api.ask(TABLE[name][0], path_of(name), role=None, headers=headers), 401, "Unauthorized")


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Token x"])
def test_another_scheme_opens_nothing(api: Api, header: str) -> None:
    for name in GUARDED:
        refused(api.ask(TABLE[name][0], path_of(name), role=None, headers={"Authorization": header}), 401)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", GUARDED)
def test_a_route_is_open_to_its_role_and_above_and_to_no_other(api: Api, name: str, role: str) -> None:
    method, _, needed = TABLE[name]
    assert needed is not None

    answer = api.ask(method, path_of(name), role=role)

    if role in OPENS[needed]:
        assert answer.status_code in (200, 400, 404), answer.text
    else:
        refused(answer, 403, "Forbidden")


def test_a_token_without_a_role_opens_nothing(api: Api) -> None:
    token = api.cloud.mint_token(roles=[], name="eve")

    for name in GUARDED:
        answer = api.ask(TABLE[name][0], path_of(name), role=None, headers={"Authorization": f"Bearer {token}"})
        refused(answer, 403, "Forbidden")


def test_headers_that_a_platform_would_set_are_ignored(api: Api) -> None:
    headers = {"X-MS-CLIENT-PRINCIPAL": "eyJyb2xlcyI6WyJCYWNrdXAuQWRtaW4iXX0=", "X-MS-CLIENT-PRINCIPAL-NAME": "eve"}

    refused(api.get("/databases", role=None, headers=headers), 401)


def test_a_new_password_is_for_an_administrator_to_test(api: Api) -> None:
    id = api.post("/databases", new_database()).json()["id"]

    refused(api.post(f"/databases/{id}/test-connection", {"password": "x"}, role=OPERATOR), 403, "Forbidden")


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("GET", "/api/databases"), ("GET", "/databases/")])
def test_there_is_no_other_route(api: Api, method: str, path: str) -> None:
    refused(api.ask(method, path), 404)


def test_a_method_that_a_route_has_not_is_refused(api: Api) -> None:
    refused(api.ask("PATCH", "/databases"), 405, "Method Not Allowed")
