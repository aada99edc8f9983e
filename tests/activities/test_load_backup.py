"""Loading a backup: once, by one operation, however often a step is delivered, and however long a server works."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from pydantic import SecretStr

from activities.begin_run import begin_run
from activities.describe_backup import describe_backup
from activities.drop_target import drop_target
from activities.dump_database import dump_database
from activities.inspect_database import inspect_database
from activities.load_backup import load, load_backup
from activities.prepare_target import RESTORING, prepare_target, target_key
from activities.record_operation import record_operation
from activities.record_run import record_run
from activities.upload_backup import upload_backup
from activities.write_manifest import write_manifest
from local.servers import DatabaseServer
from orchestrators.attempt_backup import dump_request, upload_request
from shared import claims, clock, config, progress, secrets
from shared.errors import Conflict, WorkerLost
from shared.models.database import DatabaseType, SslMode, TargetConfig
from shared.models.operation import OperationKind, OperationRecord, OperationStatus
from shared.models.plan import (
    BackupFacts,
    BackupReference,
    BeginRequest,
    LoadRequest,
    ManifestRequest,
    OperationEnd,
    RunEnd,
    TargetRequest,
)
from shared.models.run import Attempt, AttemptRequest, BackupRequest, RunStatus, Trigger
from shared.watch import Pace
from tests.support.cloud import fresh_id
from tests.support.databases import (
    connection,
    drop_database,
    fresh_database,
    mariadb_server,
    postgresql_server,
    rows,
    run_sql,
)
from tests.support.plans import TENANT, new_backup_id, register

pytestmark = pytest.mark.usefixtures("proxy")

SLOW_INDEX = [
    "CREATE TABLE t (a int)",
    "INSERT INTO t VALUES (1), (2)",
    "CREATE FUNCTION slow(a int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT pg_sleep(0.7); SELECT a'",
]
_numbers = count(1)


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The name of a database that is not there yet, on either server."""
    name = f"loaded_{next(_numbers)}"
    yield name
    for server in (mariadb_server(), postgresql_server()):
        drop_database(server, name)


def backed_up(server: DatabaseServer, name: str) -> BackupFacts:
    """All about a proven backup."""
    database = register(server, name)
    request = BackupRequest(
        backup_id=new_backup_id(clock.now()), database_id=database.id, tenant_id=TENANT, trigger=Trigger.SCHEDULED
    )
    plan = begin_run.run(BeginRequest(request=request, now=clock.now()))
    inspection = inspect_database.run(AttemptRequest(run=plan, number=1))
    dump = dump_database.run(dump_request(plan, inspection))
    upload_backup.run(upload_request(plan, inspection, dump))
    attempt = Attempt(inspection=inspection, dump=dump)
    write_manifest.run(ManifestRequest(run=plan, attempt=attempt, number=1))
    end = RunEnd(
        request=request,
        plan=plan,
        status=RunStatus.COMPLETED,
        started_at=plan.started_at,
        ended_at=clock.now(),
        attempts=1,
        attempt=attempt,
    )
    record_run.run(end)
    return describe_backup.run(BackupReference(backup_id=request.backup_id, tenant_id=TENANT))


def asked(server: DatabaseServer, facts: BackupFacts, name: str, *, overwrite: bool = False) -> TargetRequest:
    """A restore of the backup into a database of the server."""
    target = TargetConfig(
        id=fresh_id("target"),
        tenant_id=TENANT,
        name="target",
        type={"mysql": DatabaseType.MYSQL_VM, "postgresql": DatabaseType.POSTGRESQL_VM}[server.family],
        host=server.host,
        port=server.port,
        username=server.admin_user,
        ssl_mode=SslMode.DISABLE,
    )
    secrets.store(target.secret_slug, secrets.Credentials(target.username, SecretStr(server.admin_password)))
    config.targets.create(target)
    return TargetRequest(
        operation_id=f"restore-{next(_numbers)}",
        tenant_id=TENANT,
        target_id=target.id,
        database=name,
        overwrite=overwrite,
        facts=facts,
    )


def loading(request: TargetRequest) -> LoadRequest:
    fields: dict[str, Any] = request.model_dump(exclude={"overwrite", "facts"})
    return LoadRequest(**fields, facts=request.facts, deadline_at=clock.now() + timedelta(minutes=5))


def by_another(request: TargetRequest) -> TargetRequest:
    return request.model_copy(update={"operation_id": f"restore-{next(_numbers)}", "overwrite": True})


def ended(request: TargetRequest) -> OperationEnd:
    record = OperationRecord(
        id=request.operation_id,
        kind=OperationKind.RESTORE,
        tenant_id=TENANT,
        backup_id=request.facts.record.backup_id,
        database_id=request.facts.record.database_id,
        status=OperationStatus.COMPLETED,
        started_at=clock.now(),
        ended_at=clock.now(),
        target_id=request.target_id,
        target_database=request.database,
    )
    return OperationEnd(record=record)


def test_a_server_that_makes_an_index_for_long_is_waited_for(elsewhere: str) -> None:
    server = postgresql_server()
    with fresh_database(server) as name:
        run_sql(server, SLOW_INDEX, database=name)
        run_sql(server, ["CREATE INDEX ON t (slow(a))"], database=name)
        request = asked(server, backed_up(server, name), elsewhere)

    prepare_target.run(request)
    load(loading(request), pace=Pace(look=0.05, stall=0.5))

    assert rows(server, "SELECT count(*) FROM t", database=elsewhere) == [(2,)]


@pytest.mark.parametrize("server", [mariadb_server, postgresql_server], ids=["mysql", "postgresql"])
def test_steps_that_are_delivered_twice_leave_the_backup_once(server: Any, elsewhere: str) -> None:
    with fresh_database(server()) as name:
        run_sql(server(), ["CREATE TABLE t (a int)", "INSERT INTO t VALUES (1), (2)"], database=name)
        request = asked(server(), backed_up(server(), name), elsewhere, overwrite=True)

    prepare_target.run(request)
    prepare_target.run(request)
    load_backup.run(loading(request))
    load_backup.run(loading(request))
    prepare_target.run(request)  # the late one must not drop what was loaded

    assert rows(server(), "SELECT a FROM t ORDER BY a", database=elsewhere) == [(1,), (2,)]


def test_two_operations_never_restore_into_one_database_at_a_time(elsewhere: str) -> None:
    server = mariadb_server()
    with fresh_database(server) as name:
        run_sql(server, ["CREATE TABLE t (a int)"], database=name)
        request = asked(server, backed_up(server, name), elsewhere)
    prepare_target.run(request)

    with pytest.raises(Conflict, match=f"{elsewhere} .* is being restored by {request.operation_id}"):
        prepare_target.run(by_another(request))

    load_backup.run(loading(request))
    record_operation.run(ended(request))
    prepare_target.run(by_another(request))


def test_a_scratch_database_that_is_dropped_is_free_again(elsewhere: str) -> None:
    server = mariadb_server()
    with fresh_database(server) as name:
        request = asked(server, backed_up(server, name), elsewhere)
    prepare_target.run(request)

    drop_target.run(request)
    drop_target.run(request)

    prepare_target.run(by_another(request))


def test_a_load_that_another_execution_superseded_stops_and_says_so(elsewhere: str) -> None:
    server = postgresql_server()
    with fresh_database(server) as name:
        run_sql(server, ["CREATE TABLE t (a int)"], database=name)
        request = asked(server, backed_up(server, name), elsewhere)
    prepare_target.run(request)

    with connection(server, elsewhere) as blocking, ThreadPoolExecutor(1) as other, blocking.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("CREATE TABLE t (a int)")  # until this ends, nobody else can make one
        loaded = other.submit(load, loading(request), pace=Pace(look=0.02, claim=0.1))
        wait_until(lambda: is_restoring(request.operation_id))
        claims.begin_execution(target_key(request.target_id, elsewhere), request.operation_id, "another")
        with pytest.raises(WorkerLost):
            loaded.result(30)
        cursor.execute("ROLLBACK")


def is_restoring(operation_id: str) -> bool:
    shown = progress.read(operation_id)
    return shown is not None and shown.phase == RESTORING


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
