"""Loading a backup into a target: twice, cut short, taken over, damaged on its way, by a tool that ends too early."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from activities.dump_database import dump_database
from activities.load_backup import load, load_backup
from activities.prepare_target import prepare_target, target_key
from activities.upload_backup import upload_backup
from local.servers import DatabaseServer
from shared import claims, clock, config, progress
from shared.errors import BackupCorrupted, BackupError, RestoreFailed, Stalled, Timeout, WorkerLost
from shared.models.plan import BackupFacts, LoadRequest, TargetRequest
from shared.models.run import RunRecord, RunStatus, Trigger
from tests.support.cloud import forget_settings
from tests.support.databases import drop_database, fresh_database, mariadb_server, rows, run_sql
from tests.support.dumps import QUICK, real
from tests.support.fault_proxy import FaultProxy
from tests.support.interference import until
from tests.support.operations import target_on
from tests.support.plans import TENANT

pytestmark = pytest.mark.usefixtures("proxy")

_numbers = count(1)


@pytest.fixture
def facts(server: DatabaseServer, request: pytest.FixtureRequest) -> Iterator[BackupFacts]:
    """A backup of two rows, and of what else a test gives as its parameter."""
    with fresh_database(server) as name:
        run_sql(server, ["CREATE TABLE t (a int)", "INSERT INTO t VALUES (1), (2)"], database=name)
        run_sql(server, getattr(request, "param", []), database=name)
        claimed = real(server, name)
        dump = dump_database.run(claimed.request)
        upload_backup.run(claimed.upload(dump))
        record = RunRecord(
            backup_id=claimed.request.backup_id,
            database_id=claimed.database.id,
            tenant_id=TENANT,
            trigger=Trigger.MANUAL,
            status=RunStatus.COMPLETED,
            started_at=clock.now(),
            blob=dump.blob,
        )
        yield BackupFacts(
            record=record,
            database=claimed.database,
            dump=dump,
            probe=claimed.request.probe,
            tool=claimed.request.tool,
            read_at=clock.now(),
        )


@pytest.fixture
def request_(server: DatabaseServer, facts: BackupFacts) -> Iterator[LoadRequest]:
    """Asks to load it into an empty database, which is held for the operation."""
    name = f"loaded_{next(_numbers)}"
    made = LoadRequest(
        operation_id=f"restore-load-{next(_numbers)}",
        tenant_id=TENANT,
        target_id=target_on(server),
        database=name,
        facts=facts,
        deadline_at=clock.now() + timedelta(minutes=10),
    )
    prepare_target.run(preparing(made))
    yield made
    drop_database(server, name)
    config.targets.delete(made.target_id, tenant=TENANT)


def preparing(request: LoadRequest, *, overwrite: bool = False) -> TargetRequest:
    where = request.model_dump(include={"operation_id", "tenant_id", "target_id", "database"})
    return TargetRequest(**where, overwrite=overwrite, facts=request.facts)


def loaded_rows(server: DatabaseServer, request: LoadRequest) -> list[tuple[int]]:
    return rows(server, "SELECT a FROM t ORDER BY a", database=request.database)


def percent_shown(request: LoadRequest) -> int:
    shown = progress.read(request.operation_id)
    return shown.percent if shown and shown.phase == "restoring" else 0


def fails(request: LoadRequest, error: type[BackupError], match: str) -> None:
    with pytest.raises(error, match=match):
        load(request, pace=QUICK)


def test_a_second_execution_begins_anew(server: DatabaseServer, request_: LoadRequest) -> None:
    load_backup.run(request_)
    run_sql(server, ["DELETE FROM t WHERE a = 1"], database=request_.database)

    again = load_backup.run(request_)

    assert loaded_rows(server, request_) == [(1,), (2,)]
    assert again.bytes_read == request_.facts.dump.bytes_read


def test_an_execution_after_one_that_was_cut_off_between_drop_and_create_makes_the_database(
    server: DatabaseServer, request_: LoadRequest
) -> None:
    load_backup.run(request_)
    drop_database(server, request_.database)

    load_backup.run(request_)

    assert loaded_rows(server, request_) == [(1,), (2,)]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_late_second_preparation_does_not_touch_what_was_loaded(
    server: DatabaseServer, request_: LoadRequest, overwrite: bool
) -> None:
    load_backup.run(request_)

    prepare_target.run(preparing(request_, overwrite=overwrite))

    assert loaded_rows(server, request_) == [(1,), (2,)]


def test_a_dump_that_is_damaged_on_its_way_is_told_as_that(request_: LoadRequest, proxy: FaultProxy) -> None:
    proxy.damage_answer(to="read", times=100)

    fails(request_, BackupCorrupted, match="must not be used")


def test_a_store_that_does_not_answer_is_a_stall(request_: LoadRequest, proxy: FaultProxy) -> None:
    proxy.hang(to="read", times=100)

    fails(request_, Stalled, match=request_.operation_id)


def test_a_passed_deadline_ends_the_load(request_: LoadRequest, proxy: FaultProxy) -> None:
    proxy.hang(to="read", times=100)

    fails(request_.model_copy(update={"deadline_at": clock.now()}), Timeout, match="deadline")


def test_an_execution_that_was_taken_over_stops_and_shows_how_far_it_was(
    request_: LoadRequest, proxy: FaultProxy
) -> None:
    proxy.hang(to="read", times=100)
    key = target_key(request_.target_id, request_.database)

    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(load, request_, pace=QUICK)
        until(lambda: percent_shown(request_) == 50, "the first half, which is not the load's own")
        claims.begin_execution(key, request_.operation_id, "another")
        with pytest.raises(WorkerLost):
            future.result()


SLOW_INDEX = [
    "CREATE FUNCTION slow(a int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT pg_sleep(1.5); SELECT a'",
    "CREATE INDEX ON t (slow(a))",
]


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
@pytest.mark.parametrize("facts", [SLOW_INDEX], indirect=True, ids=["an index of three seconds"])
def test_a_server_that_works_after_the_last_byte_is_waited_for(server: DatabaseServer, request_: LoadRequest) -> None:
    """Large indexes take minutes, while nothing moves between storage, tool and server."""
    load(request_, pace=QUICK)

    assert loaded_rows(server, request_) == [(1,), (2,)]


# A client of MariaDB that does as told, and is newer than the real one, so that it is chosen.


def client(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str, version: str = "99.1.1") -> None:
    program = folder / "mariadb"
    program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "mariadb from {version}-MariaDB" && exit\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setenv("BACKUP_TOOL_FOLDERS", str(folder))
    forget_settings()


@pytest.mark.parametrize("server", ["mysql"], indirect=True)
@pytest.mark.parametrize(
    ("script", "message"),
    [("exit 0", "before it had read all"), ("exit 3", "in part"), ("head -c 100 >/dev/null; exit 1", "in part")],
)
def test_a_tool_that_ends_early_has_not_restored(
    request_: LoadRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    big = request_.facts.database.database
    noise = ["CREATE TABLE noise (b varbinary(1024))", "INSERT INTO noise SELECT RANDOM_BYTES(1024) FROM seq_1_to_4096"]
    run_sql(mariadb_server(), noise, database=big)
    claimed = real(mariadb_server(), big)
    dump = dump_database.run(claimed.request)  # more than a pipe holds
    upload_backup.run(claimed.upload(dump))
    client(tmp_path, monkeypatch, script)

    facts = request_.facts.model_copy(update={"dump": dump})
    fails(request_.model_copy(update={"facts": facts}), RestoreFailed, match=message)


@pytest.mark.parametrize("server", ["mysql"], indirect=True)
@pytest.mark.parametrize(("version", "left_out"), [("11.2.3", 1), ("99.1.1", 0)], ids=["older", "newer"])
def test_a_first_line_that_a_client_does_not_know_is_left_out(
    request_: LoadRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, left_out: int
) -> None:
    """BR-25."""
    taken = tmp_path / "taken"
    client(tmp_path, monkeypatch, f"cat > {taken}", version)

    load_backup.run(request_)

    assert taken.read_bytes().count(b"enable the sandbox mode") == 1 - left_out
    assert b"INSERT INTO `t` VALUES" in taken.read_bytes()
