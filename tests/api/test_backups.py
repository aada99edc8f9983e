"""Triggering, watching, listing and cancelling runs over real tables."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared import claims, clock, history, progress
from shared.durable_client import PlanStatus
from shared.errors import ConfigurationUnavailable, Conflict, DumpFailed
from shared.models.database import Rung
from shared.models.run import Evidence, Progress, RunRecord, RunStatus
from shared.settings import settings
from tests.api.bodies import new_database
from tests.api.client import OPERATOR, READ, Api, refused
from tests.api.trail import last_line
from tests.support.records import run_record

BACKUP_ID = re.compile(r"backup-\d{8}-\d{6}-[a-z0-9]{6}")
LONG_AGO = datetime(2025, 3, 1, 8, tzinfo=UTC)


@pytest.fixture
def database(api: Api) -> str:
    """A database of the caller's tenant."""
    return str(api.post("/databases", new_database()).json()["id"])


def recorded(database: str, started_at: datetime, status: RunStatus = RunStatus.COMPLETED, **fields: Any) -> RunRecord:
    """A run of the database in history."""
    whole = {"database_id": database, "tenant_id": settings().tenant_id, "seed": f"{database} {started_at}"} | fields
    run = run_record(started_at, status, **whole)
    history.record(run)
    return run


class TestTriggering:
    def test_the_answer_is_the_specified_one(self, api: Api, database: str) -> None:
        answer = api.post(f"/databases/{database}/backup", role=OPERATOR)

        assert answer.status_code == 202
        body = answer.json()
        assert BACKUP_ID.fullmatch(body["backup_id"])
        assert (body["status"], body["estimated_completion"]) == ("queued", None)

    def test_the_run_is_claimed_and_its_plan_started(self, api: Api, database: str) -> None:
        backup_id = api.post(f"/databases/{database}/backup").json()["backup_id"]

        started = api.durable.started[-1]
        assert (started.plan, started.instance_id) == ("backup_database", backup_id)
        assert (started.request.backup_id, started.request.database_id) == (backup_id, database)
        assert (started.request.trigger, started.request.requested_by) == ("manual", "ada@example.com")
        held = claims.holder(database)
        assert held is not None
        assert held.backup_id == backup_id

    def test_status_and_history_know_the_run_at_once(self, api: Api, database: str) -> None:
        backup_id = api.post(f"/databases/{database}/backup").json()["backup_id"]

        assert api.get(f"/backups/{backup_id}/status", role=READ).json()["status"] == "queued"
        (listed,) = api.get(f"/databases/{database}/history").json()["backups"]
        assert (listed["id"], listed["status"]) == (backup_id, "queued")

    def test_it_leaves_a_line_in_the_audit_trail(self, api: Api, database: str) -> None:
        backup_id = api.post(f"/databases/{database}/backup").json()["backup_id"]

        line = last_line("backup_triggered", database)
        assert (line.result, line.details) == ("success", backup_id)

    def test_the_estimate_is_the_median_of_the_last_three_runs(self, api: Api, database: str) -> None:
        for number, seconds in enumerate((9000, 60, 300, 120)):
            began = LONG_AGO + timedelta(days=number)
            recorded(database, began, ended_at=began + timedelta(seconds=seconds))
        before = clock.now().replace(microsecond=0)

        estimate = api.post(f"/databases/{database}/backup").json()["estimated_completion"]

        assert before <= datetime.fromisoformat(estimate) - timedelta(seconds=120) <= clock.now()

    def test_a_second_trigger_is_told_the_run_in_the_way(self, api: Api, database: str) -> None:
        backup_id = api.post(f"/databases/{database}/backup").json()["backup_id"]

        problem = refused(api.post(f"/databases/{database}/backup"), 409, "Conflict")

        assert problem["backup_id"] == backup_id
        assert last_line("backup_triggered", database).result == "conflict"

    def test_of_many_at_once_one_run_is_made(self, api: Api, database: str) -> None:
        with ThreadPoolExecutor(10) as callers:
            answers = list(callers.map(lambda _: api.post(f"/databases/{database}/backup"), range(20)))

        assert sorted(answer.status_code for answer in answers) == [202] + [409] * 19
        assert len({answer.json()["backup_id"] for answer in answers}) == 1
        assert len([started for started in api.durable.started if started.plan == "backup_database"]) == 1

    def test_a_disabled_database_can_be_backed_up_by_hand(self, api: Api, database: str) -> None:
        api.put(f"/databases/{database}", {"enabled": False})

        assert api.post(f"/databases/{database}/backup").status_code == 202

    def test_a_plan_that_cannot_be_started_frees_the_database_and_says_why(self, api: Api, database: str) -> None:
        api.durable.failure = ConfigurationUnavailable("The durable engine did not start backup_database.")

        refused(api.post(f"/databases/{database}/backup"), 503)

        (run,) = history.recent(database, 5, tenant=None)
        assert (run.status, run.error) == (RunStatus.FAILED, api.durable.failure.value())
        assert claims.holder(database) is None
        api.durable.failure = None
        assert api.post(f"/databases/{database}/backup").status_code == 202

    def test_a_start_whose_answer_got_lost_counts_as_started(self, api: Api, database: str) -> None:
        api.durable.failure = Conflict("It is running already.")

        answer = api.post(f"/databases/{database}/backup")

        assert answer.status_code == 202
        held = claims.holder(database)
        assert held is not None
        assert held.backup_id == answer.json()["backup_id"]

    def test_an_unknown_database_is_not_found(self, api: Api) -> None:
        refused(api.post("/databases/nowhere/backup"), 404)


class TestStatus:
    def test_a_run_that_works_is_shown_with_its_progress(self, api: Api, database: str) -> None:
        run = recorded(database, clock.now().replace(microsecond=0), RunStatus.IN_PROGRESS)
        api.durable.plans[run.backup_id] = PlanStatus(running=True, runtime_status="Running", phase="dumping")
        eta = clock.now().replace(microsecond=0) + timedelta(minutes=3)
        progress.write(
            Progress(
                id=run.backup_id,
                phase="dumping",
                percent=65,
                bytes_read=6500,
                bytes_stored=1300,
                bytes_per_second=100,
                eta_at=eta,
                logs=("Connecting to database...", "Dumping tables... (65% complete)"),
                updated_at=clock.now(),
            )
        )

        shown = api.get(f"/backups/{run.backup_id}/status", role=READ).json()

        assert shown["id"] == run.backup_id
        assert (shown["status"], shown["phase"], shown["progress"]) == ("in_progress", "dumping", 65)
        assert (shown["bytes_read"], shown["bytes_stored"], shown["bytes_per_second"]) == (6500, 1300, 100)
        assert shown["started_at"] == clock.iso(run.started_at)
        assert shown["estimated_completion"] == clock.iso(eta)
        assert shown["logs"][-1] == "Dumping tables... (65% complete)"

    def test_a_proven_run_is_shown_with_its_evidence(self, api: Api, database: str) -> None:
        evidence = Evidence(rung=Rung.READABLE, check="gzip", detail="one member to its end", seconds=1.5)
        run = recorded(
            database, LONG_AGO, rung=Rung.READABLE, evidence=(evidence,), bytes_read=10, bytes_stored=4, tables=2
        )

        shown = api.get(f"/backups/{run.backup_id}/status").json()

        assert (shown["status"], shown["progress"], shown["estimated_completion"]) == ("completed", 100, None)
        assert (shown["bytes_read"], shown["bytes_stored"], shown["error"]) == (10, 4, None)
        assert shown["verification"]["rung"] == "readable"
        assert shown["verification"]["verified_at"] == clock.iso(LONG_AGO + timedelta(minutes=1))
        assert shown["verification"]["evidence"] == [evidence.model_dump(mode="json")]

    def test_a_failed_run_is_shown_with_its_error_and_never_complete(self, api: Api, database: str) -> None:
        error = DumpFailed("The tool ended with 2. See its log.").value()
        run = recorded(database, LONG_AGO, RunStatus.FAILED, error=error)
        progress.write(Progress(id=run.backup_id, phase="done", percent=100, updated_at=clock.now()))

        shown = api.get(f"/backups/{run.backup_id}/status").json()

        assert (shown["status"], shown["progress"]) == ("failed", 99)
        assert shown["error"] == {"code": "dump_failed", "message": error.message}

    @pytest.mark.parametrize(("runtime", "status"), [("Failed", "failed"), ("Terminated", "cancelled")])
    def test_a_run_whose_plan_is_over_is_not_shown_as_running(
        self, api: Api, database: str, runtime: str, status: str
    ) -> None:
        run = recorded(database, clock.now().replace(microsecond=0), RunStatus.IN_PROGRESS)
        api.durable.plans[run.backup_id] = PlanStatus(running=False, runtime_status=runtime)

        shown = api.get(f"/backups/{run.backup_id}/status").json()

        assert shown["status"] == status
        assert (shown["error"] is not None) == (status == "failed")

    def test_a_run_estimates_its_end_by_its_median_while_it_shows_no_progress(self, api: Api, database: str) -> None:
        recorded(database, LONG_AGO)
        began = clock.now().replace(microsecond=0)
        run = recorded(database, began, RunStatus.QUEUED)

        shown = api.get(f"/backups/{run.backup_id}/status").json()

        assert shown["estimated_completion"] == clock.iso(began + timedelta(minutes=1))
        assert (shown["phase"], shown["progress"], shown["logs"]) == ("queued", 0, [])

    def test_an_engine_that_does_not_answer_is_no_status(self, api: Api, database: str) -> None:
        running = recorded(database, clock.now().replace(microsecond=0), RunStatus.IN_PROGRESS)
        ended = recorded(database, LONG_AGO)
        api.durable.failure = ConfigurationUnavailable("The durable engine does not answer.")

        refused(api.get(f"/backups/{running.backup_id}/status"), 503)
        assert api.get(f"/backups/{ended.backup_id}/status").status_code == 200

    @pytest.mark.parametrize(
        "id",
        [
            "backup-20250101-000000-zzzzzz",
            "backup-20251301-000000-zzzzzz",
            "..%2Fx",
            "..%252Fx",
            "a%00b",
            "https:%2F%2Fx.example.com%2Fblob",
            "new-db-backups%2F2025%2F03%2F01%2Fbackup.sql.gz",
            "%24logs",
            "x" * 2000,
            "ñ🚀",
        ],
    )
    def test_an_id_is_looked_up_and_never_a_path(self, api: Api, id: str) -> None:
        for method, path, body in (
            ("GET", "status", None),
            ("GET", "download", None),
            ("POST", "verify", {}),
            ("POST", "restore", {"target": {"target_id": "spare", "database": "x"}}),
            ("POST", "cancel", None),
        ):
            refused(api.ask(method, f"/backups/{id}/{path}", json=body), 404)

    def test_a_run_of_another_tenant_is_not_found(self, api: Api, database: str) -> None:
        run = recorded(database, LONG_AGO, tenant_id="22222222-2222-2222-2222-222222222222")

        refused(api.get(f"/backups/{run.backup_id}/status"), 404)
        refused(api.get(f"/backups/{run.backup_id}/download"), 404)
        refused(api.post(f"/backups/{run.backup_id}/cancel"), 404)


class TestLists:
    def test_a_history_is_paged_as_specified(self, api: Api, database: str) -> None:
        for number in range(45):
            recorded(database, LONG_AGO + timedelta(hours=number))

        first = api.get(f"/databases/{database}/history?limit=10&offset=0", role=READ).json()
        last = api.get(f"/databases/{database}/history?limit=10&offset=40").json()
        beyond = api.get(f"/databases/{database}/history?limit=10&offset=99999").json()

        assert (first["total"], first["page"], first["pages"], len(first["backups"])) == (45, 1, 5, 10)
        assert first["backups"][0]["timestamp"] == clock.iso(LONG_AGO + timedelta(hours=44))
        assert (last["total"], last["page"], last["pages"], len(last["backups"])) == (45, 5, 5, 5)
        assert (beyond["total"], beyond["backups"]) == (45, [])

    def test_an_item_has_the_specified_fields(self, api: Api, database: str) -> None:
        run = recorded(database, LONG_AGO, bytes_stored=1048576, rung=Rung.READABLE)

        (item,) = api.get(f"/databases/{database}/history").json()["backups"]

        assert item["id"] == run.backup_id
        assert item["timestamp"] == "2025-03-01T08:00:00Z"
        assert (item["status"], item["duration"], item["size_bytes"]) == ("completed", 60.0, 1048576)
        assert item["blob_url"].endswith("/shop-backups/2025/03/01/backup.sql.gz")
        assert "?" not in item["blob_url"]

    def test_a_run_without_a_blob_has_no_url(self, api: Api, database: str) -> None:
        recorded(database, LONG_AGO, RunStatus.FAILED, error=DumpFailed("It ended with 2.").value())
        deleted = recorded(database, LONG_AGO + timedelta(days=1))
        history.mark_deleted(deleted.backup_id, LONG_AGO + timedelta(days=2))

        gone, failed = api.get(f"/databases/{database}/history").json()["backups"]

        assert (gone["blob_url"], gone["deleted_at"]) == (None, clock.iso(LONG_AGO + timedelta(days=2)))
        assert (failed["blob_url"], failed["error"]["code"]) == (None, "dump_failed")

    def test_runs_of_one_second_stand_on_one_page_each(self, api: Api, database: str) -> None:
        runs = [recorded(database, LONG_AGO, seed=f"{database} {number}") for number in range(3)]

        pages = [api.get(f"/databases/{database}/history?limit=1&offset={number}").json() for number in range(3)]

        assert {page["backups"][0]["id"] for page in pages} == {run.backup_id for run in runs}
        assert {page["total"] for page in pages} == {3}

    @pytest.mark.parametrize(
        ("query", "days"),
        [
            ("", [4, 3, 2, 1]),
            ("from=2025-03-02", [4, 3, 2]),
            ("to=2025-03-02", [2, 1]),
            ("from=2025-03-02&to=2025-03-03", [3, 2]),
            ("from=2025-03-02T08:00:00Z&to=2025-03-03T08:00:00Z", [2]),
            ("from=2025-03-02T10:00:00%2B02:00", [4, 3, 2]),
            ("status=failed", [4]),
            ("status=completed&limit=2", [3, 2]),
            ("status=completed&limit=2&offset=2", [1]),
            ("from=2030-01-01", []),
        ],
    )
    def test_all_runs_are_filtered_by_database_time_and_status(
        self, api: Api, database: str, query: str, days: list[int]
    ) -> None:
        for day in (1, 2, 3, 4):
            recorded(database, LONG_AGO.replace(day=day), RunStatus.FAILED if day == 4 else RunStatus.COMPLETED)

        listed = api.get(f"/backups?database_id={database}&{query}", role=READ).json()

        assert [datetime.fromisoformat(item["timestamp"]).day for item in listed["backups"]] == days

    def test_the_list_holds_the_runs_of_all_databases_of_the_tenant(self, api: Api, database: str) -> None:
        other = api.post("/databases", new_database()).json()["id"]
        ours = {recorded(id, LONG_AGO.replace(year=2026)).backup_id for id in (database, other)}
        theirs = recorded(database, LONG_AGO.replace(year=2026, day=2), tenant_id="2").backup_id

        listed = {item["id"] for item in api.get("/backups?from=2026-03-01&to=2026-03-02").json()["backups"]}

        assert ours <= listed
        assert theirs not in listed


class TestCancelling:
    def test_the_claim_of_the_run_is_told_to_stop(self, api: Api, database: str) -> None:
        backup_id = api.post(f"/databases/{database}/backup").json()["backup_id"]

        answer = api.post(f"/backups/{backup_id}/cancel", role=OPERATOR)

        assert answer.status_code == 202
        assert answer.json() == {"backup_id": backup_id, "status": "cancelling"}
        held = claims.holder(database)
        assert held is not None
        assert held.cancelled
        assert last_line("backup_cancelled", backup_id).result == "success"

    def test_asking_twice_is_asking_once(self, api: Api, database: str) -> None:
        backup_id = api.post(f"/databases/{database}/backup").json()["backup_id"]

        codes = [api.post(f"/backups/{backup_id}/cancel").status_code for _ in range(2)]

        assert codes == [202, 202]

    def test_a_run_that_ended_cannot_be_cancelled(self, api: Api, database: str) -> None:
        run = recorded(database, LONG_AGO)

        refused(api.post(f"/backups/{run.backup_id}/cancel"), 409, "Conflict")

    def test_a_run_that_lost_its_claim_cannot_be_cancelled(self, api: Api, database: str) -> None:
        run = recorded(database, clock.now().replace(microsecond=0), RunStatus.IN_PROGRESS)

        refused(api.post(f"/backups/{run.backup_id}/cancel"), 409, "Conflict")
