"""Proving and restoring backups that are there: good ones, and ones that somebody damaged, swapped or deleted."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from activities.apply_retention import apply_retention
from local.servers import DatabaseServer
from shared import operations
from shared.models.database import DatabaseType, Rung
from shared.models.operation import OperationStatus, VerifyRequest
from shared.models.plan import RetentionRequest
from shared.models.run import BlobAddress
from shared.naming import manifest_address
from shared.storage.account import blob_client
from shared.storage.blobs import read_small_blob, tags_of
from tests.support.databases import create_database, drop_database, fresh_database, mariadb_server, rows, run_sql
from tests.support.in_process import start
from tests.support.loopback_ports import closed_port
from tests.support.operations import (
    backed_up,
    code_of,
    cut_it_off,
    databases_of,
    delete_it,
    fill,
    flip_a_byte,
    restored,
    row,
    scratches,
    swap_it,
    target_on,
    verified,
)
from tests.support.plans import TENANT, Life, Scenario, register

Live = Callable[[Scenario], None]
TYPES = {"mysql": DatabaseType.MYSQL_VM, "postgresql": DatabaseType.POSTGRESQL_VM}

_numbers = count(1)


@pytest.fixture(params=["mysql", "postgresql"])
def server(request: pytest.FixtureRequest, postgresql: DatabaseServer) -> DatabaseServer:
    return mariadb_server() if request.param == "mysql" else postgresql


@pytest.fixture
def shop(server: DatabaseServer) -> Iterator[str]:
    """A small database of each family."""
    with fresh_database(server) as name:
        fill(server, name)
        yield name


@pytest.fixture
def elsewhere(server: DatabaseServer) -> Iterator[str]:
    """The name of a database that is not there yet."""
    name = f"restored_{next(_numbers)}"
    yield name
    drop_database(server, name)


def test_a_good_backup_is_proven_again_up_to_the_rung_that_was_asked_for(
    live: Live, server: DatabaseServer, shop: str
) -> None:
    async def scenario(life: Life) -> None:
        run = await backed_up(life, register(server, shop))
        proofs = [run.verified_at]
        for rung, reached in (
            (Rung.STORED, Rung.READABLE),
            (Rung.RESTORED, Rung.RESTORED),
            (Rung.READABLE, Rung.RESTORED),
        ):
            operation = await verified(life, run, rung, target_on(server))
            assert (operation.status, operation.error) == (OperationStatus.COMPLETED, None)
            after = row(run.backup_id)
            assert after.rung is reached
            assert (operation.comparison is None) is (rung is not Rung.RESTORED)
            assert not operation.comparison or (operation.comparison.differences, operation.comparison.rows) == ((), 2)
            proofs.append(after.verified_at)
        assert proofs == sorted(set(filter(None, proofs)))

    live(scenario)

    assert scratches(server) == []


@pytest.mark.parametrize("damage", [flip_a_byte, cut_it_off, swap_it], ids=lambda damage: damage.__name__)
def test_a_damaged_backup_loses_its_proof_and_the_one_before_it_is_kept(
    live: Live, postgresql: DatabaseServer, source: str, damage: Callable[[BlobAddress], None]
) -> None:
    async def scenario(life: Life) -> None:
        database = register(postgresql, source, retention_days=1)
        older = await backed_up(life, database)
        await life.live(hours=1)
        newer = await backed_up(life, database)
        assert newer.blob is not None
        assert older.blob is not None
        damage(newer.blob)

        operation = await verified(life, newer, Rung.READABLE)

        assert (operation.status, code_of(operation)) == (OperationStatus.FAILED, "backup_corrupted")
        assert operation.error is not None
        assert newer.blob.path in operation.error.message
        assert tags_of(newer.blob)["verdict"] == "failed"
        after = row(newer.backup_id)
        assert not after.is_verified
        assert after.error == operation.error
        await life.live(days=9)
        asked = RetentionRequest(database_id=database.id, tenant_id=TENANT, retention_days=1, now=life.clock.now())
        assert apply_retention.run(asked).deleted == ()
        assert read_small_blob(older.blob)

    live(scenario)


def test_a_backup_whose_blob_is_gone_loses_its_proof(live: Live, postgresql: DatabaseServer, source: str) -> None:
    async def scenario(life: Life) -> None:
        run = await backed_up(life, register(postgresql, source))
        assert run.blob is not None
        delete_it(run.blob)

        operation = await verified(life, run, Rung.STORED)

        assert code_of(operation) == "blob_missing"
        assert not row(run.backup_id).is_verified

    live(scenario)


def test_a_backup_that_is_not_known_is_not_verified(live: Live, postgresql: DatabaseServer, source: str) -> None:
    async def scenario(life: Life) -> None:
        run = await backed_up(life, register(postgresql, source))
        unknown = run.model_copy(update={"backup_id": "backup-20200101-000000-nobody"})

        assert code_of(await verified(life, unknown, Rung.STORED)) == "not_found"

    live(scenario)


@pytest.mark.parametrize("damage", [flip_a_byte, cut_it_off, swap_it, delete_it], ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("server", ["mysql"], indirect=True)  # whose tool changes the target as it reads
def test_a_bad_backup_costs_nothing_of_what_the_target_holds(
    live: Live, server: DatabaseServer, shop: str, elsewhere: str, damage: Callable[[BlobAddress], None]
) -> None:
    """BR-45."""
    create_database(server, elsewhere)
    fill(server, elsewhere)

    async def scenario(life: Life) -> None:
        run = await backed_up(life, register(server, shop))
        assert run.blob is not None
        damage(run.blob)

        operation = await restored(life, run, target_on(server), elsewhere, overwrite=True)

        assert operation.status is OperationStatus.FAILED
        assert code_of(operation) == ("blob_missing" if damage is delete_it else "backup_corrupted")
        assert not row(run.backup_id).is_verified

    live(scenario)

    assert rows(server, "SELECT count(*) FROM t", database=elsewhere) == [(2,)]


def test_a_target_that_holds_something_is_touched_only_when_that_was_asked_for(
    live: Live, server: DatabaseServer, shop: str, elsewhere: str
) -> None:
    """BR-54."""
    create_database(server, elsewhere)
    run_sql(server, ["CREATE TABLE precious (a int)"], database=elsewhere)

    async def scenario(life: Life) -> None:
        run, target = await backed_up(life, register(server, shop)), target_on(server)

        refused = await restored(life, run, target, elsewhere)
        assert code_of(refused) == "target_not_empty"
        assert refused.error is not None
        assert elsewhere in refused.error.message
        assert rows(server, "SELECT count(*) FROM precious", database=elsewhere) == [(0,)]

        done = await restored(life, run, target, elsewhere, overwrite=True)
        assert (done.status, done.error) == (OperationStatus.COMPLETED, None)
        assert done.comparison is not None
        assert (done.comparison.compared_with, done.comparison.differences) == ("source", ())
        assert row(run.backup_id).rung is Rung.READABLE

    live(scenario)

    assert rows(server, "SELECT a FROM t WHERE a <> 'two'", database=elsewhere) == [("ñandú 🚀",)]


def test_a_backup_is_restored_although_its_source_is_gone(
    live: Live, server: DatabaseServer, shop: str, elsewhere: str
) -> None:
    async def scenario(life: Life) -> None:
        run = await backed_up(life, register(server, shop))
        drop_database(server, shop)

        operation = await restored(life, run, target_on(server), elsewhere)

        assert (operation.status, operation.error) == (OperationStatus.COMPLETED, None)
        comparison = operation.comparison
        assert comparison is not None
        assert (comparison.compared_with, comparison.differences) == ("inventory", ())
        assert (comparison.tables, comparison.rows, comparison.objects) == (1, 2, 1)

    live(scenario)

    assert rows(server, "SELECT count(*) FROM t", database=elsewhere) == [(2,)]


def test_a_source_that_is_gone_proves_nothing(live: Live, server: DatabaseServer, shop: str) -> None:
    async def scenario(life: Life) -> None:
        run = await backed_up(life, register(server, shop))
        drop_database(server, shop)

        operation = await verified(life, run, Rung.RESTORED, target_on(server))

        assert code_of(operation) == "unknown_database"
        after = row(run.backup_id)
        assert (after.rung, after.is_verified) == (Rung.READABLE, True)

    live(scenario)

    assert scratches(server) == []


def test_a_source_that_moved_on_is_told_as_a_difference(live: Live, server: DatabaseServer, shop: str) -> None:
    async def scenario(life: Life) -> None:
        run = await backed_up(life, register(server, shop))
        run_sql(server, ["INSERT INTO t VALUES ('three')"], database=shop)

        operation = await verified(life, run, Rung.RESTORED, target_on(server))

        assert code_of(operation) == "restore_failed"
        assert operation.comparison is not None
        [difference] = operation.comparison.differences
        assert "2 rows instead of 3" in difference
        assert row(run.backup_id).is_verified

    live(scenario)

    assert scratches(server) == []


def other_family(server: DatabaseServer) -> dict[str, Any]:
    return {"type": TYPES["mysql" if server.family == "postgresql" else "postgresql"]}


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (other_family, "unsupported_server"),
        (lambda server: {"port": closed_port()}, "connection_failed"),
        (lambda server: {"username": "nobody"}, "invalid_credentials"),
        (lambda server: {"host": "no-such-host.invalid"}, "unknown_host"),
    ],
    ids=["another family", "closed port", "wrong user", "unknown host"],
)
def test_a_target_that_cannot_be_used_is_named_by_both_operations(
    live: Live, server: DatabaseServer, shop: str, wrong: Callable[[DatabaseServer], dict[str, Any]], code: str
) -> None:
    async def scenario(life: Life) -> None:
        run = await backed_up(life, register(server, shop))
        target = target_on(server, **wrong(server))

        tried = await verified(life, run, Rung.RESTORED, target)
        loaded = await restored(life, run, target, "never_made")

        assert (code_of(tried), code_of(loaded)) == (code, code)
        assert row(run.backup_id).is_verified

    live(scenario)

    assert "never_made" not in databases_of(server)
    assert scratches(server) == []


def test_a_target_that_is_not_known_is_named(live: Live, postgresql: DatabaseServer, source: str) -> None:
    async def scenario(life: Life) -> None:
        run = await backed_up(life, register(postgresql, source))

        assert code_of(await verified(life, run, Rung.RESTORED, "nowhere")) == "not_found"
        assert code_of(await verified(life, run, Rung.RESTORED)) == "invalid_request"

    live(scenario)


def test_a_proof_whose_plan_is_terminated_fails_and_says_so(
    live: Live, postgresql: DatabaseServer, source: str
) -> None:
    async def scenario(life: Life) -> None:
        run = await backed_up(life, register(postgresql, source))
        target = target_on(postgresql, port=closed_port())
        request = VerifyRequest(
            operation_id="verify-ended-by-hand",
            backup_id=run.backup_id,
            database_id=run.database_id,
            tenant_id=TENANT,
            rung=Rung.RESTORED,
            target_id=target,
        )
        await start(life.hub, "verify_backup", request.model_dump(mode="json"), instance_id=request.operation_id)
        await life.live(seconds=1)  # it waits until the scratch database can be dropped
        await life.hub.terminate(f"{request.operation_id}-proof", "by hand")
        await life.live(minutes=15)
        operation = operations.get(request.operation_id, TENANT)
        assert operation is not None
        assert code_of(operation) == "internal_error"

    live(scenario)


def test_a_manifest_that_cannot_be_read_is_a_backup_that_cannot_be_trusted(
    live: Live, postgresql: DatabaseServer, source: str
) -> None:
    async def scenario(life: Life) -> None:
        run = await backed_up(life, register(postgresql, source))
        assert run.blob is not None
        blob_client(manifest_address(run.blob)).upload_blob(b"{}", overwrite=True)

        operation = await verified(life, run, Rung.STORED)

        assert code_of(operation) == "backup_corrupted"

    live(scenario)
