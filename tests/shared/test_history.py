"""History on a real table service: each run once, newest first, nothing lost and nothing turned back."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from shared import history, naming
from shared.errors import ConfigurationUnavailable, ErrorValue, InternalError
from shared.history import RunPage, Selection, counters
from shared.models.database import Rung
from shared.models.run import Evidence, RunStatus
from shared.storage import tables
from tests.support.cloud import fresh_id
from tests.support.history import CANCELLED, COMPLETED, FAILED, QUEUED, RUNNING, START, Recorder, ids, runs

__all__ = ["runs"]

pytestmark = pytest.mark.usefixtures("cloud")


def test_a_run_comes_back_as_it_was_recorded(runs: Recorder) -> None:
    run = runs.record(
        database_name="Tienda Ñ 🚀",
        bytes_read=5_000_000_000,
        bytes_stored=3_000_000_000,
        sha256_stored="ab" * 32,
        rung=Rung.READABLE,
        evidence=(Evidence(rung=Rung.STORED, check="stored", detail="3 GB", seconds=1.5),),
        warnings=("one", "two"),
        tables=7,
    )

    assert history.get(run.backup_id, tenant=runs.tenant) == run


def test_the_row_shows_people_what_they_look_for(runs: Recorder) -> None:
    run = runs.record(bytes_stored=3_000_000_000, database_name="Shop")

    row = tables.get("BackupHistory", runs.database, naming.history_key(run.backup_id))

    assert row is not None
    assert row.number("BackupSize") == 3_000_000_000
    assert row.moment("EndTime") - row.moment("StartTime") == timedelta(seconds=60)
    assert row.cells["Duration"] == 60.0
    assert row.text("BlobUrl") == run.blob.path if run.blob else False
    assert (row.text("Status"), row.text("DatabaseName")) == ("completed", "Shop")


@pytest.mark.parametrize("backup_id", ["backup-20260101-000000-zzzzzz", "../x", "a%00b", "a/b#c?d", ""])
def test_an_id_that_is_no_run_gives_nothing(backup_id: str) -> None:
    assert history.get(backup_id, tenant=None) is None
    assert history.update(backup_id, lambda run: run) is None
    history.mark_deleted(backup_id, START)


def test_another_tenant_sees_nothing_and_the_product_sees_all(runs: Recorder) -> None:
    run = runs.record()
    other = Selection(tenant="another")

    assert history.get(run.backup_id, tenant="another") is None
    assert history.get(run.backup_id, tenant=None) == run
    assert history.page(other, limit=10, offset=0) == RunPage(runs=(), total=0)
    own_database = other.model_copy(update={"database_id": runs.database})
    assert history.page(own_database, limit=10, offset=0) == RunPage(runs=(), total=0)


def test_a_run_goes_through_its_statuses_in_one_row(runs: Recorder) -> None:
    queued = runs.record(QUEUED)
    history.record(queued.model_copy(update={"status": RUNNING}))
    history.record(queued.model_copy(update={"status": RunStatus.VERIFYING}))
    assert runs.page(status=RunStatus.VERIFYING).total == 1
    assert runs.page(status=QUEUED).total == 0

    history.record(queued.model_copy(update={"status": COMPLETED}))

    found = runs.page()
    assert [run.status for run in found.runs] == [COMPLETED]
    assert found.total == 1


@pytest.mark.parametrize("late", [QUEUED, RUNNING, FAILED, CANCELLED])
def test_a_final_row_stays_as_it_ended(runs: Recorder, late: RunStatus) -> None:
    run = runs.record(COMPLETED)

    history.record(run.model_copy(update={"status": late, "error": ErrorValue(code="x", message="", retry=False)}))

    assert history.get(run.backup_id, tenant=None) == run
    assert runs.page().total == 1
    assert runs.page(status=late).total == 0


def test_the_same_end_recorded_late_takes_nothing_that_was_learned_since(runs: Recorder) -> None:
    run = runs.record(COMPLETED, rung=Rung.READABLE)
    history.mark_deleted(run.backup_id, START)
    corrupted = ErrorValue(code="backup_corrupted", message="It does not pass any more.", retry=False)
    learned = history.update(
        run.backup_id, lambda stored: stored.model_copy(update={"verified_at": None, "error": corrupted})
    )

    history.record(run)

    assert history.get(run.backup_id, tenant=None) == learned
    assert learned is not None
    assert not learned.is_verified


def test_an_update_changes_all_but_the_status(runs: Recorder) -> None:
    run = runs.record(FAILED)

    changed = history.update(run.backup_id, lambda r: r.model_copy(update={"status": COMPLETED, "tables": 3}))

    assert changed == run.model_copy(update={"tables": 3})
    assert history.get(run.backup_id, tenant=None) == changed


def test_the_first_deletion_stays(runs: Recorder) -> None:
    run = runs.record()

    history.mark_deleted(run.backup_id, START)
    history.mark_deleted(run.backup_id, START + timedelta(days=1))

    stored = history.get(run.backup_id, tenant=None)
    assert stored is not None
    assert stored.deleted_at == START


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours catches it."""


@pytest.mark.parametrize("before", [QUEUED, None])
def test_a_process_killed_between_any_two_writes_leaves_nothing_uncounted_or_counted_twice(
    monkeypatch: pytest.MonkeyPatch, before: RunStatus | None
) -> None:
    kills = 0
    for writes in count():
        runs = Recorder()
        run = runs.make(COMPLETED)
        if before is not None:
            history.record(run.model_copy(update={"status": before}))
        with monkeypatch.context() as patch:
            left = count(writes, -1)
            for name in ("insert", "replace"):
                write = getattr(tables, name)

                def killed(*arguments: Any, write: Any = write, left: Any = left) -> Any:
                    if next(left) == 0:
                        raise Killed
                    return write(*arguments)

                patch.setattr(tables, name, killed)
            try:
                history.record(run)
            except Killed:
                kills += 1
                survived = False
            else:
                survived = True
        history.record(run)
        history.record(run)

        assert runs.page() == RunPage(runs=(run,), total=1)
        assert runs.page(status=COMPLETED) == RunPage(runs=(run,), total=1)
        assert runs.page(everything=True, status=COMPLETED) == RunPage(runs=(run,), total=1)
        if survived:
            break
    # A new run has five writes: entry, row, both counters, entry again; one that was queued has three.
    assert kills == (5 if before is None else 3)


def test_many_who_record_one_run_count_it_once(runs: Recorder) -> None:
    run = runs.make(COMPLETED)
    versions = [run.model_copy(update={"status": status}) for status in (QUEUED, RUNNING, COMPLETED)] * 5

    with ThreadPoolExecutor(len(versions)) as pool:
        for recorded in [pool.submit(history.record, version) for version in versions]:
            recorded.result()

    assert runs.page() == RunPage(runs=(run,), total=1)
    assert runs.page(status=COMPLETED).total == 1
    assert ids(runs.page(everything=True, status=COMPLETED)) == [run.backup_id]


def test_many_runs_recorded_at_once_are_all_counted(runs: Recorder) -> None:
    made = [runs.make(FAILED) for _ in range(30)]

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(history.record, made))

    assert runs.page().total == 30
    assert runs.page(status=FAILED).total == 30
    assert ids(runs.page()) == ids(made[::-1])


def test_counters_remember_only_the_last_runs(runs: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "REMEMBERED_RUNS", 2)
    for _ in range(4):
        runs.record(hours=0.5)

    row = tables.get("BackupCounters", runs.database, "202601-completed")

    assert row is not None
    assert (row.number("Count"), len(row.text("Runs").split())) == (4, 2)


@pytest.mark.parametrize("table", ["BackupHistory", "BackupCounters", "BackupIndex"])
def test_a_table_that_always_changes_is_not_waited_for_without_end(
    runs: Recorder, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    run = runs.record(QUEUED)
    replace = tables.replace

    def somebody_was_first(written: str, row: tables.Row, etag: str) -> str | None:
        if written != table:
            return replace(written, row, etag)
        stored = tables.get(written, row.partition, row.key)
        assert stored is not None
        tables.put(written, stored)
        return replace(written, row, etag)

    for _ in range(2):
        runs.record(FAILED)
    monkeypatch.setattr(tables, "replace", somebody_was_first)

    with pytest.raises(ConfigurationUnavailable, match="written by too many at once"):
        history.record(run.model_copy(update={"status": FAILED}))


def test_a_backup_id_that_is_none_is_a_fault(runs: Recorder) -> None:
    with pytest.raises(InternalError, match="not a backup id"):
        history.record(runs.make(backup_id="../x"))


def test_recent_runs_are_the_last_ones_of_their_database(runs: Recorder) -> None:
    made = [runs.record(status) for status in (COMPLETED, FAILED, RUNNING)]

    assert history.recent(runs.database, 2, tenant=runs.tenant) == [made[2], made[1]]
    assert history.recent(runs.database, 9, tenant=runs.tenant) == made[::-1]
    assert history.recent(fresh_id(), 9, tenant=runs.tenant) == []


def test_retention_is_given_what_has_a_blob_and_health_what_is_proven(runs: Recorder) -> None:
    proven = runs.record(COMPLETED)
    unproven = runs.record(COMPLETED, verified_at=None)
    partial = runs.record(RunStatus.PARTIAL, blob=proven.blob)
    runs.record(RUNNING, blob=proven.blob)
    runs.record(FAILED)
    deleted = runs.record(COMPLETED)
    history.mark_deleted(deleted.backup_id, START)
    newest = runs.record(COMPLETED)

    assert history.present(runs.database, tenant=runs.tenant) == [newest, partial, unproven, proven]
    assert list(history.verified(runs.database, tenant=runs.tenant)) == [newest, proven]
    assert next(history.verified(runs.database, tenant=runs.tenant)) == newest


def test_runs_of_an_earlier_database_that_had_the_same_id_are_not_among_its_own(runs: Recorder) -> None:
    earlier = runs.record(hours=0)
    created_at = START + timedelta(hours=1, microseconds=500)
    runs.record(hours=2, tenant_id="another tenant")
    own = runs.record(hours=1)  # within the second of the creation

    whose: Any = {"tenant": runs.tenant, "since": created_at}
    assert history.recent(runs.database, 9, **whose) == [own]
    assert history.present(runs.database, **whose) == [own]
    assert list(history.verified(runs.database, **whose)) == [own]
    assert history.median_seconds(runs.database, **whose) == 60
    assert history.recent(runs.database, 9, tenant=runs.tenant) == [own, earlier]
    assert len(history.recent(runs.database, 9, tenant=None)) == 3


def test_r_251_the_usual_duration_is_the_median_of_the_last_three_completed_runs(runs: Recorder) -> None:
    assert history.median_seconds(runs.database, tenant=runs.tenant) is None
    for seconds in (1000, 10, 60, 20):
        run = runs.make(COMPLETED)
        history.record(run.model_copy(update={"ended_at": run.started_at + timedelta(seconds=seconds)}))
    runs.record(FAILED)

    assert history.median_seconds(runs.database, tenant=runs.tenant) == 20


def test_br_90_a_run_with_megabytes_of_text_is_cut_not_lost(runs: Recorder) -> None:
    noise = "🚀" * 50_000
    error = ErrorValue(code="dump_failed", message="first words " + noise + " last words", retry=False)
    run = runs.record(
        FAILED,
        error=error,
        warnings=(noise,) * 40,
        evidence=tuple(
            Evidence(rung=Rung.STORED, check="stored", detail="\x01" * 10_000, error=error) for _ in range(40)
        ),
    )

    stored = history.get(run.backup_id, tenant=None)

    assert stored is not None
    assert stored.status is FAILED
    assert stored.error is not None
    assert stored.error.message.startswith("first words")
    assert stored.error.message.endswith("last words")
    assert stored.warnings[0].startswith("🚀")
    assert runs.page(status=FAILED).total == 1


def test_a_run_that_fits_is_not_cut(runs: Recorder) -> None:
    run = runs.record(FAILED, warnings=tuple(f"warning {number}" for number in range(100)))

    assert history.get(run.backup_id, tenant=None) == run
