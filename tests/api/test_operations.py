"""Asking for verifications and restores, and how they go."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared import clock, history, operations, progress
from shared.durable_client import PlanStatus
from shared.errors import ConfigurationUnavailable, Conflict, RestoreFailed
from shared.models.database import Rung
from shared.models.operation import Comparison, OperationRecord, OperationStatus
from shared.models.run import Evidence, Progress, RunRecord, RunStatus
from shared.settings import settings
from tests.api.bodies import new_database, new_target
from tests.api.client import OPERATOR, READ, Api, fields_of, refused
from tests.api.trail import last_line
from tests.support.cloud import fresh_id
from tests.support.records import run_record

OPERATION_ID = re.compile(r"(verify|restore)-\d{8}-\d{6}-[a-z0-9]{6}")
BEGAN = datetime(2025, 4, 1, 8, tzinfo=UTC)


def backup(status: RunStatus = RunStatus.COMPLETED, **fields: Any) -> RunRecord:
    """A run in history, of a database that is gone unless the test says otherwise."""
    whole = {
        "database_id": fresh_id("gone"),
        "database_type": "mysql-vm",
        "tenant_id": settings().tenant_id,
        "seed": fresh_id("seed"),
    }
    run = run_record(BEGAN, status, **whole | fields)
    history.record(run)
    return run


@pytest.fixture
def target(api: Api) -> str:
    """A MySQL server to restore into."""
    return str(api.post("/targets", new_target()).json()["id"])


class TestVerifying:
    def test_it_is_noted_and_its_plan_started(self, api: Api) -> None:
        run = backup()

        answer = api.post(f"/backups/{run.backup_id}/verify", {"rung": "stored"}, role=OPERATOR)

        assert answer.status_code == 202
        id = answer.json()["operation_id"]
        assert OPERATION_ID.fullmatch(id)
        started = api.durable.started[-1]
        assert (started.plan, started.instance_id) == ("verify_backup", id)
        assert (started.request.backup_id, started.request.rung) == (run.backup_id, Rung.STORED)
        noted = operations.get(id, settings().tenant_id)
        assert noted is not None
        assert (noted.status, noted.kind, noted.requested_by) == ("queued", "verify", "ada@example.com")
        assert last_line("verification_requested", run.backup_id).result == "success"

    def test_without_a_body_it_is_read_to_its_end(self, api: Api) -> None:
        api.post(f"/backups/{backup().backup_id}/verify")

        assert api.durable.started[-1].request.rung is Rung.READABLE

    def test_a_restore_goes_to_the_target_that_is_named(self, api: Api, target: str) -> None:
        body = {"rung": "restored", "target_id": target}

        answer = api.post(f"/backups/{backup().backup_id}/verify", body)

        assert answer.status_code == 202
        assert api.durable.started[-1].request.target_id == target

    def test_a_restore_goes_to_the_databases_own_target_by_default(self, api: Api, target: str) -> None:
        database = new_database(type="mysql-vm", verification={"target_id": target})
        database_id = api.post("/databases", database).json()["id"]
        run = backup(database_id=database_id)

        assert api.post(f"/backups/{run.backup_id}/verify", {"rung": "restored"}).status_code == 202
        assert api.durable.started[-1].request.target_id == target

    @pytest.mark.parametrize("of_a_known_database", [True, False])
    def test_a_restore_without_any_target_is_refused(self, api: Api, of_a_known_database: bool) -> None:
        known = api.post("/databases", new_database()).json()["id"]
        run = backup(database_id=known) if of_a_known_database else backup()

        problem = refused(api.post(f"/backups/{run.backup_id}/verify", {"rung": "restored"}), 400)

        assert fields_of(problem) == {"target_id"}

    def test_an_unknown_target_is_refused(self, api: Api) -> None:
        body = {"rung": "restored", "target_id": "nowhere"}

        assert fields_of(refused(api.post(f"/backups/{backup().backup_id}/verify", body), 400)) == {"target_id"}

    def test_a_target_of_another_family_is_refused(self, api: Api, target: str) -> None:
        run = backup(database_type="postgresql-vm")

        refused(api.post(f"/backups/{run.backup_id}/verify", {"rung": "restored", "target_id": target}), 400)

    @pytest.mark.parametrize("body", [{"rung": "complete"}, {"rung": "high"}, {"more": 1}, [], {"target_id": ""}])
    def test_a_bad_body_is_refused(self, api: Api, body: Any) -> None:
        refused(api.post(f"/backups/{backup().backup_id}/verify", body), 400)

    @pytest.mark.parametrize(
        "status", [RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.IN_PROGRESS, RunStatus.SKIPPED]
    )
    def test_a_run_without_a_backup_cannot_be_verified(self, api: Api, status: RunStatus) -> None:
        run = backup(status)

        refused(api.post(f"/backups/{run.backup_id}/verify"), 409, "Conflict")
        assert last_line("verification_requested", run.backup_id).result == "conflict"

    def test_a_deleted_backup_cannot_be_verified(self, api: Api) -> None:
        run = backup()
        history.mark_deleted(run.backup_id, clock.now())

        refused(api.post(f"/backups/{run.backup_id}/verify"), 409, "Conflict")

    def test_a_plan_that_cannot_be_started_is_noted_as_failed(self, api: Api) -> None:
        run = backup()
        api.durable.failure = ConfigurationUnavailable("The durable engine does not answer.")

        refused(api.post(f"/backups/{run.backup_id}/verify"), 503)

        assert last_line("verification_requested", run.backup_id).result == "configuration_unavailable"
        assert api.durable.started == []

    def test_a_start_whose_answer_got_lost_counts_as_started(self, api: Api) -> None:
        api.durable.failure = Conflict("It is running already.")

        assert api.post(f"/backups/{backup().backup_id}/verify").status_code == 202


class TestRestoring:
    def test_it_is_noted_and_its_plan_started(self, api: Api, target: str) -> None:
        run = backup()
        body = {"target": {"target_id": target, "database": "two words"}}

        answer = api.post(f"/backups/{run.backup_id}/restore", body)

        assert answer.status_code == 202
        started = api.durable.started[-1]
        assert started.plan == "restore_backup"
        assert (started.request.target_id, started.request.database) == (target, "two words")
        assert not started.request.overwrite
        shown = api.get(f"/operations/{answer.json()['operation_id']}", role=READ).json()
        assert (shown["kind"], shown["status"], shown["target_id"]) == ("restore", "queued", target)
        assert shown["target_database"] == "two words"
        assert last_line("restore_requested", run.backup_id).details == f"into 'two words' on {target}"

    def test_overwriting_needs_the_databases_name_once_more(self, api: Api, target: str) -> None:
        run = backup()
        body = {"target": {"target_id": target, "database": "shop"}, "overwrite": True}

        for wrong in ({}, {"confirm_name": "Shop"}, {"confirm_name": ""}):
            problem = refused(api.post(f"/backups/{run.backup_id}/restore", body | wrong), 400)
            assert fields_of(problem) == {"confirm_name"}
        assert api.durable.started == []

        assert api.post(f"/backups/{run.backup_id}/restore", body | {"confirm_name": "shop"}).status_code == 202
        assert api.durable.started[-1].request.overwrite

    @pytest.mark.parametrize("database", ["mysql", "MySQL", "information_schema", "sys", "x" * 65])
    def test_a_database_of_the_server_itself_is_never_a_target(self, api: Api, target: str, database: str) -> None:
        body = {"target": {"target_id": target, "database": database}, "overwrite": True, "confirm_name": database}

        problem = refused(api.post(f"/backups/{backup().backup_id}/restore", body), 400)

        assert fields_of(problem) == {"target.database"}

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"target": {}},
            {"target": {"target_id": "nowhere", "database": "x"}},
            {"target": {"target_id": "x"}},
            {"target": {"target_id": "x", "database": ""}},
            {"target": {"target_id": "x", "database": "x", "host": "h"}},
            {"target": {"target_id": "x", "database": "x"}, "overwrite": "yes"},
            {"target": {"target_id": "x", "database": "x"}, "container": "$logs"},
            {"target": "x"},
        ],
    )
    def test_a_bad_body_is_refused(self, api: Api, body: Any) -> None:
        refused(api.post(f"/backups/{backup().backup_id}/restore", body), 400)

    def test_a_run_without_a_backup_cannot_be_restored(self, api: Api, target: str) -> None:
        body = {"target": {"target_id": target, "database": "x"}}

        refused(api.post(f"/backups/{backup(RunStatus.FAILED).backup_id}/restore", body), 409)


class TestAsking:
    def noted(self, **fields: Any) -> OperationRecord:
        """An operation in its table."""
        whole = {
            "id": fresh_id("verify-20250401-080000").replace("_", "-"),
            "kind": "verify",
            "tenant_id": settings().tenant_id,
            "backup_id": "backup-20250401-080000-aaaaaa",
            "database_id": "shop",
            "status": "in_progress",
            "started_at": BEGAN,
        }
        operation = OperationRecord.model_validate(whole | fields)
        operations.create(operation)
        return operation

    def test_one_that_works_is_shown_with_its_progress(self, api: Api) -> None:
        operation = self.noted()
        shown = Progress(id=operation.id, phase="restoring", percent=40, bytes_read=4, logs=("a",), updated_at=BEGAN)
        progress.write(shown)

        answer = api.get(f"/operations/{operation.id}", role=READ).json()

        assert (answer["status"], answer["phase"], answer["progress"]) == ("in_progress", "restoring", 40)
        assert (answer["bytes_read"], answer["logs"], answer["started_at"]) == (4, ["a"], clock.iso(BEGAN))

    def test_one_that_succeeded_is_shown_with_its_proof(self, api: Api) -> None:
        operation = self.noted(
            status=OperationStatus.COMPLETED,
            ended_at=BEGAN + timedelta(minutes=1),
            evidence=(Evidence(rung=Rung.STORED, check="sha256", detail="equal"),),
            comparison=Comparison(tables=2, rows=10, compared_with="source"),
        )

        answer = api.get(f"/operations/{operation.id}").json()

        assert (answer["status"], answer["phase"], answer["progress"]) == ("completed", "completed", 100)
        assert answer["evidence"][0]["check"] == "sha256"
        assert (answer["comparison"]["rows"], answer["error"]) == (10, None)

    def test_one_that_failed_is_shown_with_its_error(self, api: Api) -> None:
        operation = self.noted(status=OperationStatus.FAILED, error=RestoreFailed("3 errors.").value())

        answer = api.get(f"/operations/{operation.id}").json()

        assert (answer["status"], answer["progress"]) == ("failed", 0)
        assert answer["error"] == {"code": "restore_failed", "message": "3 errors."}

    @pytest.mark.parametrize("over", ["Completed", "Failed", "Canceled", "Terminated"])
    def test_one_whose_plan_is_over_without_a_record_is_shown_as_failed(self, api: Api, over: str) -> None:
        id = api.post(f"/backups/{backup().backup_id}/verify", {"rung": "stored"}).json()["operation_id"]
        api.durable.plans[id] = PlanStatus(running=False, runtime_status=over)

        shown = api.get(f"/operations/{id}").json()

        assert (shown["status"], shown["error"]["code"]) == ("failed", "worker_lost")

    def test_one_of_another_tenant_is_not_found(self, api: Api) -> None:
        operation = self.noted(tenant_id="22222222-2222-2222-2222-222222222222")

        refused(api.get(f"/operations/{operation.id}"), 404)

    @pytest.mark.parametrize("id", ["verify-20250401-080000-zzzzzz", "..%2Fx", "a%00b", "x" * 2000, "%23"])
    def test_an_id_that_is_none_is_not_found(self, api: Api, id: str) -> None:
        refused(api.get(f"/operations/{id}"), 404)
