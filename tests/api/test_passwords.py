"""New passwords and connection tests against real servers: tested first, stored then, never told."""

from collections.abc import Iterator
from typing import Any

import pytest

from local.servers import DatabaseServer
from shared import config, secrets
from tests.api.bodies import new_database
from tests.api.client import ADMIN, OPERATOR, READ, Api, refused
from tests.api.trail import last_line
from tests.support.databases import fresh_database, mariadb_server, postgresql_server, run_sql

USER = "backup_user"
AWKWARD_PASSWORDS = ["p@ss:w/rd%40#?", "quo'te\"d", " lead and trail ", "$HOME`id`", "ñ漢🔑", "ta\tb", "end\\", "a\nb"]


class Protected:
    """A database on a real server, known to the API under `id`, with an account of its own whose password is `old`."""

    def __init__(self, api: Api, server: DatabaseServer, database: str) -> None:
        self.server = server
        self.fields = {
            "type": "mysql-vm" if server.family == "mysql" else "postgresql-vm",
            "host": server.host,
            "port": server.port,
            "username": USER,
            "ssl_mode": "disable",
            "database": database,
        }
        self.id = str(api.post("/databases", new_database(**self.fields, password="old")).json()["id"])

    @property
    def stored(self) -> str:
        """The password that is stored."""
        slug = config.databases.get(self.id, tenant=None).secret_slug
        return secrets.fetch(slug).password.get_secret_value()

    def set_password(self, password: str) -> None:
        """Changes the account's password on the server, as somebody did there."""
        escaped = password.replace("'", "''")
        if self.server.family == "mysql":
            escaped = escaped.replace("\\", "\\\\")
            statement = f"ALTER USER {USER} IDENTIFIED BY '{escaped}'"
        else:
            statement = f"ALTER ROLE {USER} PASSWORD '{escaped}'"
        run_sql(self.server, [statement])


@pytest.fixture(params=["mariadb", "postgresql"])
def protected(api: Api, request: pytest.FixtureRequest) -> Iterator[Protected]:
    """A protected database of either family."""
    server = mariadb_server() if request.param == "mariadb" else postgresql_server()
    with fresh_database(server) as database:
        if server.family == "mysql":
            grants = [
                f"CREATE USER {USER} IDENTIFIED BY 'old'",
                f"GRANT ALL ON {database}.* TO {USER}",
            ]
        else:
            grants = [f"CREATE ROLE {USER} LOGIN PASSWORD 'old'"]
        run_sql(server, grants)
        try:
            yield Protected(api, server, database)
        finally:
            run_sql(server, [f"DROP USER {USER}"])


class TestNewPasswords:
    def test_one_that_opens_the_database_is_stored(self, api: Api, protected: Protected) -> None:
        protected.set_password("new")

        answer = api.put(f"/databases/{protected.id}/password", {"password": "new"})

        assert answer.status_code == 200
        assert answer.json() == {"status": "password_updated"}
        assert protected.stored == "new"
        assert last_line("password_updated", protected.id).result == "success"

    def test_one_that_does_not_leaves_the_old_one(self, api: Api, protected: Protected) -> None:
        answer = api.put(f"/databases/{protected.id}/password", {"password": "wr0ng-canary"})

        problem = refused(answer, 400, "Connection test failed")
        assert problem["errors"][0]["field"] == "login"
        assert "wr0ng-canary" not in answer.text
        assert protected.stored == "old"
        assert last_line("password_updated", protected.id).result == "invalid_request"

    @pytest.mark.parametrize("password", AWKWARD_PASSWORDS)
    def test_every_password_that_a_server_takes_works(self, api: Api, protected: Protected, password: str) -> None:
        protected.set_password(password)

        assert api.put(f"/databases/{protected.id}/password", {"password": password}).status_code == 200
        assert api.post(f"/databases/{protected.id}/test-connection").json()["success"]

    @pytest.mark.parametrize("body", [{}, {"password": ""}, {"password": None}, None])
    def test_without_one_nothing_happens(self, api: Api, protected: Protected, body: Any) -> None:
        refused(api.ask("PUT", f"/databases/{protected.id}/password", json=body), 400, "Password required")

    def test_another_field_is_refused(self, api: Api, protected: Protected) -> None:
        refused(api.put(f"/databases/{protected.id}/password", {"password": "old", "username": "x"}), 400)

    @pytest.mark.parametrize("role", [READ, OPERATOR])
    def test_only_an_administrator_may(self, api: Api, protected: Protected, role: str) -> None:
        refused(api.put(f"/databases/{protected.id}/password", {"password": "old"}, role=role), 403, "Forbidden")


class TestConnections:
    def test_the_stored_one_is_tried_by_an_operator(self, api: Api, protected: Protected) -> None:
        answer = api.post(f"/databases/{protected.id}/test-connection", role=OPERATOR)

        assert answer.status_code == 200
        assert answer.json()["success"]
        assert {check["name"] for check in answer.json()["checks"]} >= {"host", "port", "login", "database"}

    def test_another_password_is_tried_and_not_stored(self, api: Api, protected: Protected) -> None:
        wrong = api.post(f"/databases/{protected.id}/test-connection", {"password": "other"}, role=ADMIN).json()
        protected.set_password("other")
        right = api.post(f"/databases/{protected.id}/test-connection", {"password": "other"}, role=ADMIN).json()

        assert (wrong["success"], right["success"]) == (False, True)
        assert protected.stored == "old"

    def test_a_password_that_changed_in_the_vault_is_tried_at_once(self, api: Api, protected: Protected) -> None:
        api.post(f"/databases/{protected.id}/test-connection")
        protected.set_password("new")

        assert not api.post(f"/databases/{protected.id}/test-connection").json()["success"]
        api.put(f"/databases/{protected.id}/password", {"password": "new"})
        assert api.post(f"/databases/{protected.id}/test-connection").json()["success"]

    def test_without_a_stored_password_the_login_fails(self, api: Api, protected: Protected) -> None:
        secrets.remove(config.databases.get(protected.id, tenant=None).secret_slug)

        answer = api.post(f"/databases/{protected.id}/test-connection").json()

        assert not answer["success"]
        assert [check["name"] for check in answer["checks"]] == ["login"]

    def test_one_that_is_not_stored_is_tried_by_an_administrator(self, api: Api, protected: Protected) -> None:
        right = api.post("/databases/test-connection", {**protected.fields, "password": "old"})
        wrong = api.post("/databases/test-connection", {**protected.fields, "password": "no"})

        assert (right.json()["success"], wrong.json()["success"]) == (True, False)

    @pytest.mark.parametrize(
        ("field", "value"),
        [("type", "oracle"), ("host", "::1"), ("port", 0), ("password", ""), ("database", ""), ("name", "x")],
    )
    def test_a_bad_field_is_refused(self, api: Api, field: str, value: Any) -> None:
        body = {"type": "mysql-vm", "host": "127.0.0.1", "username": "x", "password": "x", "database": "x"}

        refused(api.post("/databases/test-connection", {**body, field: value}), 400)
