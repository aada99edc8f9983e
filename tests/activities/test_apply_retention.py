"""Retention on a real store: what expired goes, whatever stands in the way of the rest, and nothing of anybody else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.apply_retention import apply_retention
from shared import history, operations
from shared.errors import StorageUnavailable
from shared.models.operation import OperationKind, OperationRecord, OperationStatus
from shared.models.plan import RetentionRequest
from shared.models.run import BlobAddress, RunRecord
from shared.naming import manifest_address
from shared.storage.account import blob_client
from shared.storage.blobs import list_blobs, write_small_blob
from tests.support.cloud import fresh_id
from tests.support.fault_proxy import FaultProxy
from tests.support.records import OTHER_TENANT, TENANT, run_record

NOW = datetime(2026, 6, 1, tzinfo=UTC)


class Shop:
    """A database of one test's own, kept for ten days; its backups lie in a container of its own."""

    def __init__(self, **request: Any) -> None:
        self.id = fresh_id("shop")
        self.container = self.id.replace("_", "-")
        self.request = RetentionRequest(
            **{"database_id": self.id, "tenant_id": TENANT, "retention_days": 10, "now": NOW, **request}
        )

    def back_up(self, days_ago: float, **fields: Any) -> RunRecord:
        """A proven backup of so many days ago, with its blob and its manifest."""
        address = BlobAddress(container=self.container, name=f"backup-{self.id}-{days_ago}.sql.gz")
        for written in (address, manifest_address(address)):
            write_small_blob(written, b"content", content_type="text/plain")
        whole = {"database_id": self.id, "blob": address, "seed": f"{self.id} {days_ago}", **fields}
        run = run_record(NOW - timedelta(days=days_ago), **whole)
        history.record(run)
        return run

    def left(self) -> list[str]:
        """The blobs that are still there."""
        return [blob.address.name for blob in list_blobs(self.container)]


@pytest.fixture
def shop(proxy: FaultProxy) -> Shop:
    return Shop()


def names(*runs: RunRecord) -> list[str]:
    return sorted(address.name for run in runs if run.blob for address in (run.blob, manifest_address(run.blob)))


def test_what_expired_is_deleted_with_its_manifest_and_stays_in_history(shop: Shop) -> None:
    expired, kept, newest = shop.back_up(30), shop.back_up(5), shop.back_up(1)

    report = apply_retention.run(shop.request)
    again = apply_retention.run(shop.request)

    assert (report.deleted, again.deleted) == ((expired.backup_id,), ())
    assert shop.left() == names(kept, newest)
    stored = history.get(expired.backup_id, tenant=TENANT)
    assert stored is not None
    assert stored.deleted_at == NOW


def test_br_71_a_leased_blob_keeps_no_other_and_is_reported(shop: Shop) -> None:
    oldest, *others = [shop.back_up(days) for days in (50, 40, 30)]
    newest = shop.back_up(1)
    assert oldest.blob is not None
    blob_client(oldest.blob).acquire_lease()

    report = apply_retention.run(shop.request)

    assert report.kept_locked == (oldest.backup_id,)
    assert sorted(report.deleted) == sorted(run.backup_id for run in others)
    assert shop.left() == names(oldest, newest)


def test_a_blob_that_may_not_be_deleted_keeps_no_other(shop: Shop, proxy: FaultProxy) -> None:
    for days in (50, 40, 30, 1):
        shop.back_up(days)
    proxy.answer(403, "AuthorizationPermissionMismatch", to="delete")

    report = apply_retention.run(shop.request)

    assert (len(report.deleted), len(report.kept_locked)) == (2, 1)


def test_a_passing_refusal_keeps_no_other_and_is_worth_another_try(shop: Shop, proxy: FaultProxy) -> None:
    expired = [shop.back_up(days) for days in (50, 40, 30)]
    newest = shop.back_up(1)
    proxy.answer(409, "ContainerBeingDeleted", to="delete")

    with pytest.raises(StorageUnavailable):
        apply_retention.run(shop.request)

    assert len(history.present(shop.id, tenant=TENANT)) == 2
    assert apply_retention.run(shop.request).deleted == (expired[-1].backup_id,)
    assert shop.left() == names(newest)


@pytest.mark.parametrize(
    "theirs",
    [{"tenant_id": OTHER_TENANT}, {"tenant_id": TENANT}],
    ids=["of another tenant", "of a database that was deleted"],
)
def test_backups_of_an_earlier_database_that_had_the_same_id_are_left_alone(
    proxy: FaultProxy, theirs: dict[str, Any]
) -> None:
    shop = Shop(created_at=NOW - timedelta(days=20))
    earlier, earlier_too = shop.back_up(40, **theirs), shop.back_up(30, **theirs)
    expired, newest = shop.back_up(19), shop.back_up(1)

    report = apply_retention.run(shop.request)

    assert report.deleted == (expired.backup_id,)
    assert shop.left() == names(earlier, earlier_too, newest)


def test_a_backup_that_is_being_restored_is_kept_until_that_has_ended(shop: Shop) -> None:
    expired, newest = shop.back_up(30), shop.back_up(1)
    lost = shop.back_up(20)
    begun = [
        OperationRecord(
            id=fresh_id("restore"),
            kind=OperationKind.RESTORE,
            tenant_id=TENANT,
            backup_id=run.backup_id,
            database_id=shop.id,
            status=OperationStatus.IN_PROGRESS,
            started_at=NOW - since,
        )
        for run, since in ((expired, timedelta(hours=1)), (lost, timedelta(days=3)))
    ]
    for operation in begun:
        operations.create(operation)

    first = apply_retention.run(shop.request)
    operations.record(begun[0].model_copy(update={"status": OperationStatus.COMPLETED}))
    second = apply_retention.run(shop.request)

    assert (first.deleted, first.kept_locked) == ((lost.backup_id,), (expired.backup_id,))
    assert second.deleted == (expired.backup_id,)
    assert shop.left() == names(newest)
