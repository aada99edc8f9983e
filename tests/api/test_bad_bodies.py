"""Bad input is 400 in one shape, with every fault, and nothing is written, started or told of what was sent."""

from typing import Any

import pytest

from shared import config
from shared.settings import settings
from tests.api.bodies import new_database, new_target
from tests.api.client import Api, fields_of, refused

MISSING: Any = ...
SECRET = "s3cret-of-the-body"
BAD_FIELDS: list[tuple[str, Any, str | None]] = [
    ("name", MISSING, None),
    ("name", "", None),
    ("name", "  ", None),
    ("name", "x" * 101, None),
    ("name", "a\nb", None),
    ("name", "a\0b", None),
    ("name", 7, None),
    ("name", None, None),
    ("name", ["x"], None),
    ("type", MISSING, None),
    ("type", "oracle", None),
    ("type", "azure-sql-db", None),
    ("type", 1, None),
    ("host", MISSING, None),
    ("host", "", "Invalid host format"),
    ("host", "no_host", "Invalid host format"),
    ("host", "169.254.169.254", "Invalid host format"),
    ("host", "::1", "Invalid host format"),
    ("host", "10.0.0.4", "Invalid host format"),
    ("host", "x" * 254 + ".example.com", "Invalid host format"),
    ("host", {}, None),
    ("port", 0, "Port must be between 1-65535"),
    ("port", 65536, "Port must be between 1-65535"),
    ("port", "abc", "Port must be between 1-65535"),
    ("port", "3306", "Port must be between 1-65535"),
    ("port", True, "Port must be between 1-65535"),
    ("port", 3306.5, "Port must be between 1-65535"),
    ("port", 2**70, "Port must be between 1-65535"),
    ("username", MISSING, None),
    ("username", "", None),
    ("username", "a\tb", None),
    ("username", "x" * 129, None),
    ("password", MISSING, None),
    ("password", "", "Password required"),
    ("password", f"{SECRET}\0", None),
    ("password", SECRET * 100, None),
    ("password", 12345, None),
    ("database", MISSING, None),
    ("database", "", None),
    ("database", "x" * 129, None),
    ("database", "a\0b", None),
    ("database", "x" * 65, None),
    ("frequency", "14m", None),
    ("frequency", "1y", None),
    ("frequency", "0h", None),
    ("frequency", "1.5h", None),
    ("frequency", "", None),
    ("frequency", "x" * 5000, None),
    ("frequency", 60, None),
    ("storage_container", MISSING, None),
    ("storage_container", "My-Backups", None),
    ("storage_container", "my_backups", None),
    ("storage_container", "ab", None),
    ("storage_container", "a--b", None),
    ("storage_container", "-a", None),
    ("storage_container", "a-", None),
    ("storage_container", "x" * 64, None),
    ("storage_container", "$logs", None),
    ("retention_days", 0, None),
    ("retention_days", 366, None),
    ("retention_days", "30", None),
    ("retention_days", 1.5, None),
    ("retention_days", True, None),
    ("enabled", "yes", None),
    ("enabled", 1, None),
    ("compress", None, None),
    ("tags", "production", None),
    ("tags", [""], None),
    ("tags", ["x" * 51], None),
    ("tags", ["x"] * 21, None),
    ("tags", [1], None),
    ("ssl_mode", "none", None),
    ("ssl_mode", "preferred", None),
    ("ssl_mode", 1, None),
    ("time_zone", "Mars/Olympus", None),
    ("time_zone", "../../etc/passwd", None),
    ("time_zone", "", None),
    ("starts_at", "2026-01-01T00:00:00", None),
    ("starts_at", "soon", None),
    ("starts_at", 5, None),
    ("starts_at", "9999-12-31T23:59:59Z", None),
    ("starts_at", "0001-01-01T00:00:00Z", None),
    ("verification", {"rung": "restored"}, None),
    ("verification", {"rung": "complete"}, None),
    ("verification", {"rung": "high"}, None),
    ("verification", {"more": 1}, None),
    ("verification", [], None),
    ("options", ["--result-file=/etc/passwd"], None),
    ("options", ["--plugin-dir=/tmp"], None),
    ("options", [""], None),
    ("options", "--quick", None),
    ("unknown", 1, None),
    ("id", "chosen", None),
    ("tenant_id", "other", None),
    ("password_key_vault_ref", "https://vault/secrets/other", None),
]


def shown(case: object) -> str:
    """A short name for a parametrised value."""
    return "missing" if case is MISSING else repr(case)[:25]


@pytest.mark.parametrize(("field", "value", "title"), BAD_FIELDS, ids=shown)
def test_a_bad_field_is_named_and_nothing_is_written(api: Api, field: str, value: Any, title: str | None) -> None:
    answer = api.post("/databases", new_database(**{"password": SECRET, field: value}))

    problem = refused(answer, 400, title or "Invalid request")
    assert {name.split(".")[0] for name in fields_of(problem)} == {field}
    assert SECRET not in answer.text
    assert api.durable.started == []
    assert config.databases.list_all(tenant=None).documents == ()


def test_all_faults_come_together(api: Api) -> None:
    body = new_database(host="no host", port=0, frequency=..., schedule="every day", retention_days=0, extra=1)

    problem = refused(api.post("/databases", body), 400, "Invalid request")

    messages = {error["field"]: error["message"] for error in problem["errors"]}
    assert messages.keys() == {"host", "port", "schedule", "retention_days", "extra"}
    assert messages["host"].startswith("Invalid host format")
    assert messages["port"] == "Port must be between 1-65535"
    assert messages["schedule"].startswith("Invalid cron expression")


def test_frequency_and_schedule_exclude_each_other(api: Api) -> None:
    problem = refused(api.post("/databases", new_database(frequency="6h", schedule="0 2 * * *")), 400)

    assert fields_of(problem) == {"schedule"}


@pytest.mark.parametrize(
    "schedule", ["", "* * * *", "* * * * *", "*/5 * * * *", "0 25 * * *", "0 0 30 2 *", "30 0 0 * * *"]
)
def test_a_bad_schedule_is_an_invalid_cron_expression(api: Api, schedule: str) -> None:
    body = new_database(frequency=..., schedule=schedule)

    refused(api.post("/databases", body), 400, "Invalid cron expression")


@pytest.mark.parametrize("schedule", ["0 2 * * *", "0 0 */5 * * *", "*/15 * * * *"])
def test_a_schedule_of_five_or_six_fields_is_taken(api: Api, schedule: str) -> None:
    assert api.post("/databases", new_database(frequency=..., schedule=schedule)).status_code == 201


def test_the_rule_of_containers_is_told(api: Api) -> None:
    problem = refused(api.post("/databases", new_database(storage_container="My_Backups")), 400)

    assert "lower-case letters, digits and hyphens" in problem["errors"][0]["message"]


def test_the_refused_option_is_named(api: Api) -> None:
    problem = refused(api.post("/databases", new_database(options=["--tab=/tmp"])), 400)

    assert "--tab=/tmp" in problem["errors"][0]["message"]


@pytest.mark.parametrize(
    "name", ["my-db", "order", "two words", "tick`x", 'quo"te', "ünï", "100%", "a.b", "CaseDb", "a$b"]
)
def test_awkward_database_names_are_taken(api: Api, name: str) -> None:
    id = api.post("/databases", new_database(database=name)).json()["id"]

    assert api.get(f"/databases/{id}").json()["database"] == name


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"type": "mysql"}, {"type": "mysql-flexible"}),
        ({"type": "postgresql"}, {"type": "postgresql-azure"}),
        ({"type": "postgresql-vm", "port": ...}, {"port": 5432}),
        ({"host": ..., "server": "db.example.com"}, {"host": "db.example.com"}),
        ({"ssl_mode": "required"}, {"ssl_mode": "require"}),
        ({"ssl_mode": "preferred", "host": "127.0.0.1"}, {"ssl_mode": "disable"}),
        ({"type": "mysql-vm", "host": "10.0.0.4"}, {"host": "10.0.0.4"}),
    ],
    ids=str,
)
def test_aliases_and_defaults_are_understood(api: Api, sent: dict[str, Any], kept: dict[str, Any]) -> None:
    answer = api.post("/databases", new_database(**sent))

    assert answer.status_code == 201, answer.text
    stored = api.get(f"/databases/{answer.json()['id']}").json()
    assert {name: stored[name] for name in kept} == kept


def test_host_and_its_alias_exclude_each_other(api: Api) -> None:
    refused(api.post("/databases", new_database(server="other.example.com")), 400)


RAW_BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"7",
    b'"text"',
    b"{'name': 1}",
    b"\xff\xfe\x00",
    b'{"name": "\\ud800"}',
    b'{"password": "\xc3\x28"}',
    b"[" * 100_000,
    b'{"name": 1e999}',
    b'{"name": NaN}',
]
WRITES = [
    ("POST", "/databases"),
    ("PUT", "/databases/{database}"),
    ("PUT", "/databases/{database}/password"),
    ("POST", "/databases/test-connection"),
    ("POST", "/targets"),
    ("PUT", "/targets/{target}"),
]


@pytest.mark.parametrize("raw", RAW_BODIES, ids=lambda raw: repr(raw[:14]))
def test_a_body_that_is_no_object_of_json_is_refused_everywhere(api: Api, raw: bytes) -> None:
    database = api.post("/databases", new_database()).json()["id"]
    target = api.post("/targets", new_target()).json()["id"]
    before = config.databases.get(database, tenant=settings().tenant_id)

    for method, path in WRITES:
        answer = api.ask(
            method,
            path.format(database=database, target=target),
            content=raw,
            headers={"Content-Type": "application/json"},
        )
        refused(answer, 400)
    assert config.databases.get(database, tenant=settings().tenant_id) == before


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_json_must_be_called_json(api: Api, kind: str) -> None:
    answer = api.ask("POST", "/databases", content=b'{"name": "x"}', headers={"Content-Type": kind})

    problem = refused(answer, 400)
    assert "application/json" in problem["detail"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=201",
        "limit=abc",
        "limit=1e9",
        "limit=1.5",
        "limit=",
        "limit=99999999999999999999",
        "offset=-1",
        "offset=abc",
        "offset=1000001",
        "status=broken",
        "from=yesterday",
        "from=2026-13-01",
        "from=2026-01-01T00:00:00",
        "from=0001-01-01",
        "to=9999-12-31",
        "from=2026-02-01&to=2026-01-01",
        "order=asc",
        "database_id=" + "x" * 51,
    ],
)
def test_a_bad_query_is_refused(api: Api, query: str) -> None:
    problem = refused(api.get(f"/backups?{query}"), 400)

    assert fields_of(problem)


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "offset=-1", "status=x", "from=2026-01-01"])
def test_a_bad_query_of_a_history_is_refused(api: Api, query: str) -> None:
    database = api.post("/databases", new_database()).json()["id"]

    refused(api.get(f"/databases/{database}/history?{query}"), 400)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("type", "oracle"),
        ("host", "localhost.local_domain"),
        ("port", 0),
        ("username", ""),
        ("password", ""),
        ("ssl_mode", "maybe"),
        ("database", "x"),
    ],
)
def test_a_bad_field_of_a_target_is_named(api: Api, field: str, value: Any) -> None:
    problem = refused(api.post("/targets", new_target(**{field: value})), 400)

    assert fields_of(problem) == {field}
    assert api.get("/targets").json()["total"] == 0
