"""Restores that end badly although the backup is good: each says why, and leaves the backup its proof."""

from collections.abc import Iterator

import pytest

from local.servers import DatabaseServer
from shared.models.database import Rung
from shared.models.operation import OperationStatus
from tests.support.databases import fresh_database, mariadb_server, run_sql
from tests.support.operations import Live, backed_up, code_of, fill, restored, row, scratches, target_on, verified
from tests.support.plans import Life, register


@pytest.fixture
def mariadb() -> DatabaseServer:
    return mariadb_server()


@pytest.fixture
def orphaned(mariadb: DatabaseServer) -> Iterator[str]:
    """A database with a view of an account that is gone, which restores under its own name alone."""
    with fresh_database(mariadb) as name:
        fill(mariadb, name)
        run_sql(mariadb, ["CREATE DEFINER='ghost'@'nowhere' VIEW haunted AS SELECT a FROM t"], database=name)
        yield name


def test_a_dump_that_the_target_does_not_take_fails_verification_and_restore(
    live: Live, mariadb: DatabaseServer, orphaned: str
) -> None:
    """BR-18."""
    with fresh_database(mariadb) as elsewhere:

        async def scenario(life: Life) -> None:
            run = await backed_up(life, register(mariadb, orphaned))
            assert [warning for warning in run.warnings if "haunted" in warning]
            target = target_on(mariadb)

            proof = await verified(life, run, Rung.RESTORED, target)
            restore = await restored(life, run, target, elsewhere)

            for operation in (proof, restore):
                assert (operation.status, code_of(operation)) == (OperationStatus.FAILED, "restore_failed")
                assert operation.error is not None
                assert "in part" in operation.error.message
                assert operation.comparison is None
            assert row(run.backup_id).is_verified

        live(scenario)

    assert scratches(mariadb) == []


def test_a_restore_of_a_backup_that_is_not_known_is_refused(
    live: Live, postgresql: DatabaseServer, source: str
) -> None:
    async def scenario(life: Life) -> None:
        run = await backed_up(life, register(postgresql, source))
        unknown = run.model_copy(update={"backup_id": "backup-20200101-000000-nobody"})

        operation = await restored(life, unknown, target_on(postgresql), "never_made")

        assert code_of(operation) == "not_found"

    live(scenario)
