"""Creating, reading, changing and deleting databases over a real vault and a real configuration store."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from shared import clock, config, history, secrets
from shared.config import store
from shared.errors import ConfigurationUnavailable, InvalidCredentials
from shared.models.database import DatabaseType, SslMode
from shared.models.run import RunStatus
from shared.settings import settings
from tests.api.bodies import new_database
from tests.api.client import READ, Api, fields_of, refused
from tests.api.stored import created, move_to_another_tenant
from tests.api.trail import last_line
from tests.support.cloud import forget_settings
from tests.support.records import run_record


class TestCreating:
    def test_the_specified_body_gives_the_specified_answer(self, api: Api) -> None:
        body = new_database(name="New Database")

        answer = api.post("/databases", body)

        assert answer.status_code == 201
        assert answer.json() == {"id": "new_database", "message": "Database configuration created successfully"}

    def test_what_was_sent_is_configured_and_the_rest_has_defaults(self, api: Api) -> None:
        id = created(api, port=..., frequency=..., retention_days=..., enabled=..., tags=...)

        stored = config.databases.get(id, tenant=settings().tenant_id)

        assert (stored.type, stored.host, stored.database) == (
            DatabaseType.MYSQL_FLEXIBLE,
            "myserver.mysql.database.azure.com",
            "my_database",
        )
        assert (stored.port, stored.frequency, stored.schedule, stored.retention_days) == (3306, "1d", None, 30)
        assert (stored.ssl_mode, stored.compress, stored.enabled, stored.tags) == (SslMode.VERIFY_FULL, True, True, ())
        assert abs(stored.created_at - clock.now()) < timedelta(minutes=1)

    def test_the_password_is_in_the_vault_and_nowhere_else(self, api: Api) -> None:
        canary = "c4nary-pässword"

        id = created(api, password=canary)

        stored = config.databases.get(id, tenant=None)
        assert secrets.fetch(stored.secret_slug).password.get_secret_value() == canary
        assert canary not in stored.model_dump_json()
        for path in ("/databases", f"/databases/{id}"):
            assert canary not in api.get(path).text
        assert canary not in last_line("database_created", id).model_dump_json()

    def test_its_plan_is_started(self, api: Api) -> None:
        id = created(api)

        (started,) = api.durable.started
        assert (started.plan, started.instance_id) == ("protect_database", f"protect-{id}")
        assert (started.request.database_id, started.request.tenant_id) == (id, settings().tenant_id)

    def test_a_plan_that_cannot_be_started_is_left_to_the_reconcile_timer(self, api: Api) -> None:
        api.durable.failure = ConfigurationUnavailable("The durable engine does not answer.")

        assert created(api)

    def test_it_leaves_a_line_in_the_audit_trail(self, api: Api) -> None:
        headers = {"X-Forwarded-For": "203.0.113.9:50123, 10.0.0.1", "User-Agent": "curl/8"}
        id = api.post("/databases", new_database(), headers=headers).json()["id"]

        line = last_line("database_created", id)

        assert (line.action, line.result) == ("database_created", "success")
        assert (line.actor.name, line.actor.ip_address, line.actor.user_agent) == (
            "ada@example.com",
            "203.0.113.9",
            "curl/8",
        )

    def test_a_taken_id_is_refused_and_keeps_its_password(self, api: Api) -> None:
        id = created(api, name="Taken Name", password="first")

        refused(api.post("/databases", new_database(name="taken-name", password="second")), 409, "Conflict")

        slug = config.databases.get(id, tenant=None).secret_slug
        assert secrets.fetch(slug).password.get_secret_value() == "first"
        assert last_line("database_created", id).result == "conflict"

    def test_an_id_whose_document_nobody_can_read_is_taken_too(self, api: Api) -> None:
        assert store.write("databases:by_hand", "{}", over=None)

        refused(api.post("/databases", new_database(name="By Hand")), 409)

    def test_an_id_of_another_tenant_is_taken_too(self, api: Api) -> None:
        id = created(api, name="Their Database")
        move_to_another_tenant(id)

        refused(api.post("/databases", new_database(name="Their Database")), 409)

    def test_of_many_at_once_one_is_created_with_its_own_password(self, api: Api) -> None:
        bodies = [new_database(name="Race Day", password=f"password-{number}") for number in range(8)]

        with ThreadPoolExecutor(8) as callers:
            answers = list(callers.map(lambda body: api.post("/databases", body), bodies))

        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
        winner = next(body for body, answer in zip(bodies, answers, strict=True) if answer.status_code == 201)
        assert secrets.fetch("db-race-day").password.get_secret_value() == winner["password"]

    def test_nothing_is_written_when_the_vault_refuses(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        body = new_database(name="Without Vault")
        # Another service answers there: refused at once, where a vault that is gone would be asked for long.
        monkeypatch.setenv("AZURE_KEYVAULT_URL", settings().configuration_store)
        forget_settings()

        refused(api.post("/databases", body), 503)

        refused(api.get("/databases/without_vault"), 404)

    def test_the_secret_goes_again_when_the_document_cannot_be_written(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(config.databases, "_most", 0)
        body = new_database(name="Too Many")

        refused(api.post("/databases", body), 409)

        with pytest.raises(InvalidCredentials):
            secrets.fetch("db-too-many")

    def test_a_deleted_database_can_be_created_again(self, api: Api) -> None:
        id = created(api, name="Again And Again", password="old")
        api.delete(f"/databases/{id}")

        assert created(api, name="Again And Again", password="new") == id
        assert secrets.fetch(f"db-{id.replace('_', '-')}").password.get_secret_value() == "new"

    def test_a_verification_target_must_exist(self, api: Api) -> None:
        body = new_database(verification={"target_id": "nowhere"})

        problem = refused(api.post("/databases", body), 400)

        assert fields_of(problem) == {"verification.target_id"}


class TestReading:
    def test_the_list_has_the_specified_fields(self, api: Api) -> None:
        id = created(api, frequency="6h", tags=["production", "critical"])

        listed = api.get("/databases", role=READ).json()

        assert listed["total"] == len(listed["databases"])
        (shown,) = [database for database in listed["databases"] if database["id"] == id]
        assert {
            "id",
            "name",
            "type",
            "host",
            "database",
            "frequency",
            "enabled",
            "lastBackup",
            "nextBackup",
            "status",
            "tags",
        } <= shown.keys()
        assert (shown["frequency"], shown["tags"]) == ("6h", ["production", "critical"])
        assert (shown["lastBackup"], shown["status"]) == (None, "never_backed_up")

    def test_the_next_backup_is_the_next_due_time(self, api: Api) -> None:
        id = created(api, frequency="6h")

        created_at = config.databases.get(id, tenant=None).created_at
        assert api.get(f"/databases/{id}").json()["nextBackup"] == clock.iso(created_at + timedelta(hours=6))

    def test_a_disabled_database_has_no_next_backup(self, api: Api) -> None:
        id = created(api, enabled=False)

        shown = api.get(f"/databases/{id}").json()

        assert (shown["status"], shown["nextBackup"]) == ("disabled", None)

    @pytest.mark.parametrize(
        ("ends", "health"),
        [
            ([RunStatus.COMPLETED], "healthy"),
            ([RunStatus.COMPLETED, RunStatus.FAILED], "warning"),
            ([RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.FAILED, RunStatus.FAILED], "error"),
        ],
        ids=lambda value: str(value),
    )
    def test_health_and_last_backup_follow_from_the_runs(self, api: Api, ends: list[RunStatus], health: str) -> None:
        id = created(api)
        began = clock.now()
        for number, status in enumerate(ends):
            moment = (began + timedelta(minutes=number)).replace(microsecond=0)
            run = run_record(moment, status, database_id=id, tenant_id=settings().tenant_id)
            history.record(run)

        shown = api.get(f"/databases/{id}").json()

        assert shown["status"] == health
        assert shown["lastBackup"] == clock.iso(began)

    def test_one_database_is_shown_with_all_that_is_configured(self, api: Api) -> None:
        id = created(
            api, schedule="30 2 * * *", frequency=..., time_zone="Europe/Madrid", options=["--complete-insert"]
        )

        shown = api.get(f"/databases/{id}", role=READ).json()

        assert shown["schedule"] == "30 2 * * *"
        assert shown["frequency"] is None
        assert shown["time_zone"] == "Europe/Madrid"
        assert shown["port"] == 3306
        assert shown["verification"] == {"rung": "readable", "target_id": None}
        assert "password" not in shown

    def test_due_times_written_past_the_api_that_nobody_can_read_are_an_error_of_that_database_alone(
        self, api: Api
    ) -> None:
        id = created(api)
        config.databases.update(id, lambda stored: stored.model_copy(update={"frequency": "often"}), tenant=None)

        listed = {database["id"]: database for database in api.get("/databases").json()["databases"]}

        assert (listed[id]["status"], listed[id]["nextBackup"]) == ("error", None)

    @pytest.mark.parametrize("id", ["nowhere", "No-Id", "%2e%2e%2fx", "a%00b", "x" * 300])
    def test_an_id_that_is_none_is_not_found(self, api: Api, id: str) -> None:
        refused(api.get(f"/databases/{id}"), 404)

    def test_another_tenants_database_is_not_found(self, api: Api) -> None:
        id = created(api)
        move_to_another_tenant(id)

        for answer in (
            api.get(f"/databases/{id}"),
            api.put(f"/databases/{id}", {"enabled": False}),
            api.delete(f"/databases/{id}"),
            api.post(f"/databases/{id}/backup"),
            api.get(f"/databases/{id}/history"),
            api.put(f"/databases/{id}/password", {"password": "x"}),
            api.post(f"/databases/{id}/test-connection"),
        ):
            refused(answer, 404)
        assert id not in {database["id"] for database in api.get("/databases").json()["databases"]}
