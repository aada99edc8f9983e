"""Signing a backup: once, with its verdict, and only while the run still holds its database."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from activities.describe_backup import describe_backup
from activities.dump_database import dump_database
from activities.upload_backup import upload_backup
from activities.write_manifest import write_manifest
from shared import claims, clock, history
from shared.errors import BlobMissing, Cancelled, Replaced
from shared.manifest import read_manifest
from shared.models.plan import BackupReference, ManifestRequest
from shared.models.run import (
    Attempt,
    BackupRequest,
    Inspection,
    RetryPolicy,
    RunPlan,
    RunRecord,
    RunStatus,
    Trigger,
)
from shared.storage.blobs import tags_of
from tests.support.dumps import Claimed, scripted

pytestmark = pytest.mark.usefixtures("proxy")


@pytest.fixture
def claimed(tmp_path: Path) -> Claimed:
    return scripted(tmp_path, "echo dump")


@pytest.fixture
def signing(claimed: Claimed) -> ManifestRequest:
    """Asks to sign a blob that was committed."""
    dump = dump_database.run(claimed.request)
    upload_backup.run(claimed.upload(dump))
    inspection = Inspection(probe=claimed.request.probe, tool=claimed.request.tool, blob=dump.blob)
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
    return ManifestRequest(run=run, attempt=Attempt(inspection=inspection, dump=dump), number=1)


def test_a_backup_is_signed_however_often_that_is_asked(claimed: Claimed, signing: ManifestRequest) -> None:
    write_manifest.run(signing)
    write_manifest.run(signing)

    assert tags_of(claimed.request.blob)["verdict"] == "verified"
    assert read_manifest(claimed.request.blob).dump == signing.attempt.dump


@pytest.mark.parametrize(("end", "error"), [(claims.release, Replaced), (claims.cancel, Cancelled)])
def test_a_run_that_was_ended_from_outside_signs_nothing(
    claimed: Claimed, signing: ManifestRequest, end: Callable[[str, str], object], error: type[Exception]
) -> None:
    end(claimed.database.id, claimed.request.backup_id)

    with pytest.raises(error, match=claimed.request.backup_id):
        write_manifest.run(signing)

    assert tags_of(claimed.request.blob)["verdict"] == "unverified"
    with pytest.raises(BlobMissing):
        read_manifest(claimed.request.blob)


def test_a_backup_that_retention_deleted_is_missing_and_not_asked_of_storage(
    claimed: Claimed, signing: ManifestRequest
) -> None:
    write_manifest.run(signing)
    run = RunRecord(
        **signing.run.request.model_dump(),
        status=RunStatus.COMPLETED,
        started_at=clock.now(),
        blob=claimed.request.blob,
    )
    history.record(run)
    reference = BackupReference(backup_id=run.backup_id, tenant_id=run.tenant_id)
    assert describe_backup.run(reference).dump == signing.attempt.dump

    history.mark_deleted(run.backup_id, clock.now())

    with pytest.raises(BlobMissing, match=run.backup_id):
        describe_backup.run(reference)
