"""Creating, reading, changing and deleting databases over a real vault and a real configuration store."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.appconfiguration import AzureAppConfigurationClient

from shared import claims, clock, config, history, secrets
from shared.config import store
from shared.errors import ConfigurationUnavailable, InvalidCredentials, NotFound
from shared.models.database import DatabaseType, SslMode
from shared.models.run import RunStatus
from shared.settings import settings
from shared.storage.access import credential
from tests.api.bodies import new_database, new_target
from tests.api.client import READ, Api, fields_of, refused
from tests.api.trail import last_line
from tests.support.cloud import forget_settings
from tests.support.records import run_record


def created(api: Api, **fields: Any) -> str:
    """The id of a new database."""
    answer = api.post("/databases", new_database(**fields))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


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
        secrets.forget(slug)
        assert secrets.fetch(slug).password.get_secret_value() == "first"
        assert last_line("database_created", id).result == "conflict"

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
        began = clock.now() - timedelta(minutes=10)
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


class TestChanging:
    def test_the_specified_body_changes_its_fields_and_no_other(self, api: Api) -> None:
        id = created(api)
        before = config.databases.get(id, tenant=None)

        answer = api.put(f"/databases/{id}", {"frequency": "3h", "retention_days": 45})

        assert answer.status_code == 200
        assert answer.json() == {"message": "Database configuration updated successfully"}
        after = config.databases.get(id, tenant=None)
        assert after == before.model_copy(update={"frequency": "3h", "retention_days": 45})

    def test_the_plan_is_woken(self, api: Api) -> None:
        id = created(api)

        api.put(f"/databases/{id}", {"enabled": False})

        assert api.durable.woken == [(f"protect-{id}", "wake")]

    def test_a_schedule_takes_the_place_of_the_frequency_and_back(self, api: Api) -> None:
        id = created(api)

        api.put(f"/databases/{id}", {"schedule": "0 3 * * *"})
        scheduled = config.databases.get(id, tenant=None)
        api.put(f"/databases/{id}", {"frequency": "2h"})
        again = config.databases.get(id, tenant=None)

        assert (scheduled.frequency, scheduled.schedule) == (None, "0 3 * * *")
        assert (again.frequency, again.schedule) == ("2h", None)

    def test_starts_at_can_be_set_and_taken_back(self, api: Api) -> None:
        id = created(api)

        api.put(f"/databases/{id}", {"starts_at": "2030-01-01T06:00:00+02:00"})
        assert config.databases.get(id, tenant=None).starts_at == datetime(2030, 1, 1, 4, tzinfo=UTC)
        api.put(f"/databases/{id}", {"starts_at": None})
        assert config.databases.get(id, tenant=None).starts_at is None

    def test_a_new_user_name_is_stored_beside_the_old_password(self, api: Api) -> None:
        id = created(api, password="kept")

        api.put(f"/databases/{id}", {"username": "other"})

        credentials = secrets.fetch(config.databases.get(id, tenant=None).secret_slug)
        assert (credentials.username, credentials.password.get_secret_value()) == ("other", "kept")

    def test_a_user_name_can_change_while_no_password_is_stored(self, api: Api) -> None:
        id = created(api)
        secrets.remove(config.databases.get(id, tenant=None).secret_slug)

        assert api.put(f"/databases/{id}", {"username": "other"}).status_code == 200

    @pytest.mark.parametrize("field", ["id", "type"])
    def test_what_never_changes_is_named(self, api: Api, field: str) -> None:
        id = created(api)

        problem = refused(api.put(f"/databases/{id}", {field: "mysql-vm"}), 400)

        assert fields_of(problem) == {field}

    def test_null_is_refused_where_it_means_nothing(self, api: Api) -> None:
        id = created(api)

        assert fields_of(refused(api.put(f"/databases/{id}", {"host": None}), 400)) == {"host"}

    def test_a_change_is_judged_together_with_what_is_stored(self, api: Api) -> None:
        id = created(api)

        problem = refused(
            api.put(f"/databases/{id}", {"host": "10.0.0.4", "options": ["--result-file=/etc/passwd"]}), 400
        )

        assert fields_of(problem) == {"host", "options"}

    def test_a_verification_target_must_exist_and_fits(self, api: Api) -> None:
        id = created(api)
        target = api.post("/targets", new_target()).json()["id"]

        refused(api.put(f"/databases/{id}", {"verification": {"target_id": "nowhere"}}), 400)
        assert api.put(f"/databases/{id}", {"verification": {"target_id": target}}).status_code == 200
        refused(api.delete(f"/targets/{target}"), 409)

    def test_an_unknown_database_is_not_found(self, api: Api) -> None:
        refused(api.put("/databases/nowhere", {"enabled": False}), 404)

    def test_concurrent_changes_of_different_fields_all_stay(self, api: Api) -> None:
        id = created(api)
        changes: list[dict[str, Any]] = [{"retention_days": 7}, {"tags": ["x"]}, {"enabled": False}, {"name": "Other"}]

        with ThreadPoolExecutor(4) as callers:
            answers = list(callers.map(lambda change: api.put(f"/databases/{id}", change), changes))

        assert {answer.status_code for answer in answers} == {200}
        stored = config.databases.get(id, tenant=None)
        assert (stored.retention_days, stored.tags, stored.enabled, stored.name) == (7, ("x",), False, "Other")


class TestDeleting:
    def test_the_answer_is_the_specified_one_and_a_second_time_it_is_not_found(self, api: Api) -> None:
        id = created(api)

        answer = api.delete(f"/databases/{id}")

        assert answer.status_code == 200
        assert answer.json() == {"message": "Database configuration deleted successfully"}
        refused(api.delete(f"/databases/{id}"), 404)

    def test_configuration_and_password_go_and_the_plan_is_woken(self, api: Api) -> None:
        id = created(api)
        slug = config.databases.get(id, tenant=None).secret_slug

        api.delete(f"/databases/{id}")

        with pytest.raises(NotFound):
            config.databases.get(id, tenant=None)
        with pytest.raises(InvalidCredentials):
            secrets.fetch(slug)
        assert api.durable.woken == [(f"protect-{id}", "wake")]

    def test_a_run_that_goes_on_is_cancelled(self, api: Api) -> None:
        id = created(api)
        backup_id = api.post(f"/databases/{id}/backup").json()["backup_id"]

        api.delete(f"/databases/{id}")

        held = claims.holder(id)
        assert held is not None
        assert (held.backup_id, held.cancelled) == (backup_id, True)

    def test_backups_are_kept_unless_they_shall_expire(self, api: Api) -> None:
        kept, expiring = created(api, retention_days=7), created(api, retention_days=7)
        moment = clock.now().replace(microsecond=0) - timedelta(days=1)
        runs = {
            id: run_record(moment, database_id=id, tenant_id=settings().tenant_id, seed=id) for id in (kept, expiring)
        }
        for run in runs.values():
            history.record(run)

        api.delete(f"/databases/{kept}")
        api.delete(f"/databases/{expiring}?backups=expire")

        ends = {id: history.get(run.backup_id, tenant=None) for id, run in runs.items()}
        assert ends[kept] == runs[kept]
        assert ends[expiring] == runs[expiring].model_copy(update={"expires_at": moment + timedelta(days=7)})

    def test_another_fate_of_backups_is_refused(self, api: Api) -> None:
        id = created(api)

        problem = refused(api.delete(f"/databases/{id}?backups=delete"), 400)

        assert fields_of(problem) == {"backups"}

    def test_a_deletion_that_failed_half_way_can_be_repeated(self, api: Api) -> None:
        id = created(api)
        locked = configuration_client().get_configuration_setting(f"databases:{id}")
        assert locked is not None
        configuration_client().set_read_only(locked)

        refused(api.delete(f"/databases/{id}"), 409)
        assert api.get(f"/databases/{id}").status_code == 200
        configuration_client().set_read_only(locked, False)

        assert api.delete(f"/databases/{id}").status_code == 200


def configuration_client() -> AzureAppConfigurationClient:
    """App Configuration as an administrator of Azure reaches it, past the product."""
    return AzureAppConfigurationClient(settings().configuration_store, credential())


def move_to_another_tenant(id: str) -> None:
    """Makes a stored database another tenant's."""
    setting = store.read(f"databases:{id}")
    assert setting is not None
    document = setting.value.replace(settings().tenant_id, "22222222-2222-2222-2222-222222222222")
    assert store.write(f"databases:{id}", document, over=setting)
