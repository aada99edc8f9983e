"""Changing and deleting databases over a real vault and a real configuration store."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.keyvault.secrets import SecretClient

from shared import claims, clock, config, history, secrets
from shared.errors import InvalidCredentials, NotFound
from shared.settings import settings
from shared.storage.access import credential
from tests.api.bodies import new_target
from tests.api.client import Api, fields_of, refused
from tests.api.stored import configuration_client, created
from tests.support.records import run_record


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

    @pytest.mark.parametrize("body", [{"frequency": None}, {"schedule": None}])
    def test_without_frequency_and_schedule_the_default_holds(self, api: Api, body: dict[str, None]) -> None:
        id = created(api, frequency=..., schedule="0 3 * * *") if "schedule" in body else created(api, frequency="6h")

        api.put(f"/databases/{id}", body)

        stored = config.databases.get(id, tenant=None)
        assert (stored.frequency, stored.schedule) == ("1d", None)

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

    def test_a_new_user_name_never_brings_back_an_old_password(self, api: Api) -> None:
        id = created(api, password="old")
        slug = config.databases.get(id, tenant=None).secret_slug
        secrets.fetch(slug)
        vault = SecretClient(settings().vault_url, credential())
        vault.set_secret(f"{slug}-password", "changed elsewhere")

        api.put(f"/databases/{id}", {"username": "other"})

        assert vault.get_secret(f"{slug}-password").value == "changed elsewhere"

    def test_a_new_user_name_makes_no_version_of_the_password(self, api: Api) -> None:
        """It would be older than one that somebody stores at the same moment, and yet the latest."""
        id = created(api)
        slug = config.databases.get(id, tenant=None).secret_slug
        vault = SecretClient(settings().vault_url, credential())
        before = vault.get_secret(f"{slug}-password").properties.version

        api.put(f"/databases/{id}", {"username": "other"})

        assert vault.get_secret(f"{slug}-password").properties.version == before

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
        moment = clock.now().replace(microsecond=0) + timedelta(seconds=1)  # after the databases were created
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
