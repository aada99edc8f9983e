"""Preparing a target that others prepare, fill or restore into at the same time."""

from collections.abc import Iterator
from itertools import count

import pytest

from activities.drop_target import drop_target
from activities.prepare_target import prepare_target
from local.servers import DatabaseServer
from shared import clock, config
from shared.errors import Conflict
from shared.models.plan import BackupFacts, TargetRequest
from shared.models.run import BlobAddress, Dump, RunRecord, RunStatus, Trigger
from tests.support.databases import create_database, drop_database, run_sql
from tests.support.dumps import real
from tests.support.operations import databases_of, target_on
from tests.support.plans import TENANT

pytestmark = pytest.mark.usefixtures("proxy")

_numbers = count(1)


@pytest.fixture
def name(server: DatabaseServer) -> Iterator[str]:
    """Of a database that is not there yet."""
    made = f"prepared_{next(_numbers)}"
    yield made
    drop_database(server, made)


@pytest.fixture
def wanted(server: DatabaseServer, name: str) -> Iterator[TargetRequest]:
    """Asks for it, to take a backup of any database of the server."""
    claimed = real(server, "mysql" if server.family == "mysql" else "postgres")
    dump = Dump(
        blob=BlobAddress(container="any", name="any"), execution="", blocks=0, bytes_read=0, bytes_stored=0,
        sha256_source="", sha256_stored="", md5_stored="", seconds=0,
    )  # fmt: skip
    run = RunRecord(
        backup_id=claimed.request.backup_id, database_id=claimed.database.id, tenant_id=TENANT, trigger=Trigger.MANUAL,
        status=RunStatus.COMPLETED, started_at=clock.now(),
    )  # fmt: skip
    facts = BackupFacts(
        record=run, database=claimed.database, dump=dump, probe=claimed.request.probe, tool=claimed.request.tool,
        read_at=clock.now(),
    )  # fmt: skip
    target_id = target_on(server)
    yield TargetRequest(
        operation_id=f"restore-prepare-{next(_numbers)}",
        tenant_id=TENANT,
        target_id=target_id,
        database=name,
        overwrite=False,
        facts=facts,
    )
    config.targets.delete(target_id, tenant=TENANT)


def test_a_target_is_made_once_however_often_it_is_prepared(
    server: DatabaseServer, wanted: TargetRequest, name: str
) -> None:
    prepare_target.run(wanted)
    prepare_target.run(wanted)

    assert name in databases_of(server)


def test_two_restores_into_one_database_do_not_meet(wanted: TargetRequest) -> None:
    prepare_target.run(wanted)
    other = wanted.model_copy(update={"operation_id": "restore-other"})

    with pytest.raises(Conflict, match=f"{wanted.database} .* is being restored by {wanted.operation_id}"):
        prepare_target.run(other)

    drop_target.run(wanted)
    prepare_target.run(other)


def test_a_database_that_was_made_meanwhile_is_taken_while_it_is_empty(
    server: DatabaseServer, wanted: TargetRequest, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_database(server, name)
    monkeypatch.setattr("activities.prepare_target.is_there", lambda *question: False)  # asked a moment before

    prepare_target.run(wanted)

    run_sql(server, ["CREATE TABLE t (a int)"], database=name)
    with pytest.raises(Conflict, match=name):
        prepare_target.run(wanted)


def test_a_scratch_database_is_dropped_however_often_that_is_asked(
    server: DatabaseServer, wanted: TargetRequest, name: str
) -> None:
    prepare_target.run(wanted)

    drop_target.run(wanted)
    drop_target.run(wanted)

    assert name not in databases_of(server)
