"""Taking back what a failed attempt left: staged blocks, a blob, a locked blob, and never somebody else's."""

from datetime import timedelta
from pathlib import Path

import pytest

from activities.inspect_database import blob_of
from activities.reject_backup import reject_backup
from shared import clock
from shared.models.run import AttemptRequest, BackupRequest, BlobAddress, RetryPolicy, RunPlan, Trigger
from shared.naming import manifest_address
from shared.storage.account import blob_client, blob_service, ensure_container
from shared.storage.blobs import list_blobs, read_small_blob, tags_of
from tests.support.dumps import Claimed, scripted
from tests.support.fault_proxy import FaultProxy

pytestmark = pytest.mark.usefixtures("proxy")


@pytest.fixture
def attempt(tmp_path: Path) -> AttemptRequest:
    """The second attempt of a run."""
    return attempt_of(scripted(tmp_path, "true"))


def attempt_of(claimed: Claimed) -> AttemptRequest:
    run = RunPlan(
        request=BackupRequest(
            backup_id=claimed.request.backup_id,
            database_id=claimed.database.id,
            tenant_id=claimed.database.tenant_id,
            trigger=Trigger.MANUAL,
        ),
        database=claimed.database,
        started_at=clock.now(),
        deadline_at=clock.now() + timedelta(hours=1),
        retry=RetryPolicy(),
        compression_level=2,
        max_size_bytes=2**30,
    )
    return AttemptRequest(run=run, number=2)


def published(attempt: AttemptRequest, backup_id: str | None = None) -> BlobAddress:
    """The attempt's blob and its manifest, of this run unless another one is named."""
    address = blob_of(attempt)
    ensure_container(address.container)
    blob_client(address).upload_blob(b"dump", metadata={"backup_id": backup_id or attempt.run.request.backup_id})
    blob_client(manifest_address(address)).upload_blob(b"{}")
    return address


def names(attempt: AttemptRequest) -> list[str]:
    return [blob.address.name for blob in list_blobs(attempt.run.database.storage_container)]


def test_blob_and_manifest_are_deleted_however_often_that_is_asked(attempt: AttemptRequest) -> None:
    published(attempt)

    reject_backup.run(attempt)
    reject_backup.run(attempt)

    assert names(attempt) == []


def test_what_was_only_staged_is_dropped(attempt: AttemptRequest) -> None:
    address = blob_of(attempt)
    ensure_container(address.container)
    blob_client(address).stage_block("block", b"dump")

    reject_backup.run(attempt)

    pages = blob_service().get_container_client(address.container).list_blobs(include=["uncommittedblobs"])
    assert list(pages) == []


def test_a_blob_that_is_locked_is_marked(
    attempt: AttemptRequest, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    address = published(attempt)
    proxy.answer(409, "BlobImmutableDueToPolicy", to="delete")

    reject_backup.run(attempt)

    assert tags_of(address)["verdict"] == "failed"
    assert "failed backup kept" in caplog.text


def test_a_blob_that_went_when_its_lock_ended_is_gone_as_it_should_be(
    attempt: AttemptRequest, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "activities.reject_backup")
    published(attempt)
    proxy.answer(409, "BlobImmutableDueToPolicy", to="delete")
    proxy.answer(404, "BlobNotFound", to="other")

    reject_backup.run(attempt)

    assert "failed backup is gone" in caplog.text


def test_a_blob_of_another_run_is_left_alone(attempt: AttemptRequest) -> None:
    address = published(attempt, backup_id="backup-20260101-000000-nobody")

    reject_backup.run(attempt)

    assert read_small_blob(address) == b"dump"
    assert read_small_blob(manifest_address(address)) == b"{}"
