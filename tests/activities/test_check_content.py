"""Reading a backup back: whatever was done to the blob is told as evidence; what keeps it from being read is raised."""

import gzip
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from activities.check_blob import check_blob
from activities.check_content import check_content, read_and_check
from activities.dump_database import dump_database
from activities.upload_backup import upload_backup
from shared import claims, clock, progress
from shared.errors import BackupError, Cancelled, Stalled, StorageUnavailable, Timeout
from shared.models.database import DatabaseType, Rung
from shared.models.run import Dump
from shared.storage.account import blob_client
from tests.support.dumps import QUICK, Claimed, scripted
from tests.support.fault_proxy import FaultProxy

pytestmark = pytest.mark.usefixtures("proxy")

BEGIN = """echo '-- MariaDB dump 10.19'
echo '/*!40101 SET NAMES utf8mb4 */;'
head -c 3000000 /dev/zero | tr '\\0' '-'
echo"""
WHOLE = f"{BEGIN}\necho '-- Dump completed on 2026-11-25'"


@pytest.fixture
def backup(tmp_path: Path) -> tuple[Claimed, Dump]:
    """A backup of an empty MySQL database, committed."""
    claimed = scripted(tmp_path, WHOLE)
    dump = dump_database.run(claimed.request)
    upload_backup.run(claimed.upload(dump))
    return claimed, dump


def replace_stored(dump: Dump, change: Callable[[bytes], bytes], **metadata: str) -> None:
    """Changes the stored bytes; the blob keeps its metadata, its tags and the hash it was given."""
    blob = blob_client(dump.blob)
    known = blob.get_blob_properties()
    blob.upload_blob(
        change(blob.download_blob().readall()),
        overwrite=True,
        metadata={**known.metadata, **metadata},
        tags=blob.get_blob_tags(),
    )
    blob.set_http_headers(known.content_settings)


def test_a_good_backup_reaches_both_rungs(backup: tuple[Claimed, Dump]) -> None:
    claimed, dump = backup
    request = claimed.content(dump)

    properties, content = check_blob.run(request), check_content.run(request)

    assert (properties.rung, properties.error) == (Rung.STORED, None)
    assert (content.rung, content.error) == (Rung.READABLE, None)
    assert dump.md5_stored in properties.detail
    assert content.detail


CHANGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "one bit flipped": (lambda data: data[:100] + bytes([data[100] ^ 1]) + data[101:], "SHA-256 of the blob"),
    "cut": (lambda data: data[:-20], "size"),
    "compressed anew": (lambda data: gzip.compress(gzip.decompress(data)), "MD5 of the blob"),
    "another dump": (lambda data: gzip.compress(b"something else"), "SHA-256 of the dump"),
    "emptied": (lambda data: b"", "no end"),
}


@pytest.mark.parametrize(("change", "word"), CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_blob_is_told_as_corrupted_with_what_differs(
    backup: tuple[Claimed, Dump], change: Callable[[bytes], bytes], word: str
) -> None:
    claimed, dump = backup
    replace_stored(dump, change)

    evidence = check_content.run(claimed.content(dump))

    assert evidence.error is not None
    assert evidence.error.code == "backup_corrupted"
    assert word in evidence.error.message


def test_a_dump_that_only_the_hashes_call_whole_is_told_as_corrupted(tmp_path: Path) -> None:
    """The tool ended well, the blob is what was streamed, and yet the dump has no end."""
    claimed = scripted(tmp_path, BEGIN)
    dump = dump_database.run(claimed.request)
    upload_backup.run(claimed.upload(dump))

    evidence = check_content.run(claimed.content(dump))

    assert evidence.error is not None
    assert evidence.error.code == "backup_corrupted"


def test_a_blob_that_is_gone_is_told_by_both_checks(backup: tuple[Claimed, Dump]) -> None:
    claimed, dump = backup
    blob_client(dump.blob).delete_blob()
    request = claimed.content(dump)

    codes = [
        found.error.code if found.error else None for found in (check_blob.run(request), check_content.run(request))
    ]

    assert codes == ["blob_missing", "blob_missing"]


@pytest.mark.parametrize(
    ("change", "metadata", "word"),
    [
        (lambda data: data + b"x", {}, "size"),
        (lambda data: data, {"backup_id": "backup-of-another"}, "backup"),
        (lambda data: data, {"sha256_stored": "0"}, "SHA-256"),
    ],
)
def test_properties_of_another_blob_are_told_as_corrupted(
    backup: tuple[Claimed, Dump], change: Callable[[bytes], bytes], metadata: dict[str, str], word: str
) -> None:
    claimed, dump = backup
    replace_stored(dump, change, **metadata)

    evidence = check_blob.run(claimed.content(dump))

    assert evidence.error is not None
    assert word in evidence.error.message


@pytest.mark.parametrize("check", [check_blob, check_content], ids=["blob", "content"])
def test_a_store_that_does_not_answer_is_raised_for_another_try(
    backup: tuple[Claimed, Dump], proxy: FaultProxy, check: "object"
) -> None:
    claimed, dump = backup
    proxy.answer(503, "ServerBusy", to="properties", retry_after=1000)

    with pytest.raises(StorageUnavailable):
        check.run(claimed.content(dump))  # type: ignore[attr-defined]  # both are activities of one request


def ended_by(claimed: Claimed, dump: Dump, error: type[BackupError], **fields: object) -> None:
    with pytest.raises(error):
        read_and_check(claimed.content(dump, **fields), pace=QUICK)


def test_a_store_that_hangs_is_a_stall(backup: tuple[Claimed, Dump], proxy: FaultProxy) -> None:
    proxy.hang(to="read", times=10)

    ended_by(*backup, Stalled)


def test_a_passed_deadline_ends_the_check(backup: tuple[Claimed, Dump], proxy: FaultProxy) -> None:
    proxy.hang(to="read", times=10)

    ended_by(*backup, Timeout, deadline_at=clock.now() + timedelta(seconds=0.2))


def test_a_cancelled_run_ends_its_check(backup: tuple[Claimed, Dump], proxy: FaultProxy) -> None:
    claimed, dump = backup
    proxy.hang(to="read", times=10)
    claims.cancel(claimed.database.id, claimed.request.backup_id)

    ended_by(claimed, dump, Cancelled)


def test_a_later_verification_needs_no_claim_and_shows_its_own_progress(
    backup: tuple[Claimed, Dump], proxy: FaultProxy
) -> None:
    claimed, dump = backup
    claims.release(claimed.database.id, claimed.request.backup_id)
    proxy.latency_seconds = 0.3

    evidence = read_and_check(claimed.content(dump, holds_claim=False, progress_id="operation-1"), pace=QUICK)

    shown = progress.read("operation-1")
    assert evidence.error is None
    assert shown is not None
    assert shown.phase == "verifying"


def test_a_tool_of_the_check_that_hangs_is_ended_by_the_watch(tmp_path: Path) -> None:
    hanging = tmp_path / "pg_restore"
    hanging.write_text("#!/bin/sh\nsleep 100\n")
    hanging.chmod(0o755)
    claimed = scripted(tmp_path, "printf PGDMP; head -c 3000000 /dev/urandom")
    dump = dump_database.run(claimed.request)
    upload_backup.run(claimed.upload(dump))
    archive = claimed.database.model_copy(update={"type": DatabaseType.POSTGRESQL_VM})

    with ThreadPoolExecutor(1) as threads:
        began = time.monotonic()
        work = threads.submit(ended_by, claimed, dump, Stalled, database=archive)
        work.result(timeout=30)

    assert time.monotonic() - began < 20
