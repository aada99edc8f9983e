"""Streaming a dump: what arrives in storage, in the log and in the progress row, also when it is done twice."""

import gzip
import hashlib
from pathlib import Path

import pytest

from activities.check_blob import check_blob
from activities.check_content import check_content
from activities.discard_upload import discard_upload
from activities.dump_database import dump_database, stream_dump
from activities.upload_backup import upload_backup
from local.servers import DatabaseServer
from shared import naming, progress
from shared.errors import (
    BackupError,
    DumpFailed,
    Stalled,
    StorageUnavailable,
)
from shared.models.run import BlobAddress
from shared.storage.account import blob_client
from shared.storage.blobs import read_small_blob
from shared.storage.staged_blob import DISCARDED
from tests.support.databases import (
    drop_database,
    fresh_database,
    sample_database,
)
from tests.support.dumps import (
    PASSWORD,
    QUICK,
    fails,
    log_of,
    names_in,
    real,
    scripted,
    streaming,
)

pytestmark = pytest.mark.usefixtures("proxy")


def test_a_real_database_arrives_whole_and_passes_every_check(server: DatabaseServer) -> None:
    name = "sample_to_stream"
    sample_database(server, name)
    try:
        claimed = real(server, name)

        dump = dump_database.run(claimed.request)
        assert names_in(claimed.request.blob.container) == [claimed.request.blob.name]
        upload_backup.run(claimed.upload(dump))
        properties = check_blob.run(claimed.content(dump))
        content = check_content.run(claimed.content(dump))
    finally:
        drop_database(server, name)

    stored = read_small_blob(claimed.request.blob)
    source = gzip.decompress(stored)
    assert (properties.error, content.error) == (None, None)
    assert (dump.bytes_stored, dump.bytes_read) == (len(stored), len(source))
    assert dump.sha256_stored == hashlib.sha256(stored).hexdigest()
    assert dump.md5_stored == hashlib.md5(stored).hexdigest()
    assert dump.sha256_source == hashlib.sha256(source).hexdigest()
    assert "🚀".encode() in source


def test_a_database_of_another_name_than_the_ordinary_is_dumped(server: DatabaseServer) -> None:
    with fresh_database(server, "two wörds; --x='a") as name:
        claimed = real(server, name)

        assert dump_database.run(claimed.request).bytes_read > 0


def test_what_the_script_writes_is_what_arrives(tmp_path: Path) -> None:
    claimed = scripted(tmp_path, "head -c 3000000 /dev/zero; echo end; echo warning >&2")

    dump = dump_database.run(claimed.request)
    upload_backup.run(claimed.upload(dump))

    assert gzip.decompress(read_small_blob(claimed.request.blob)) == b"\0" * 3_000_000 + b"end\n"
    assert dump.warnings == ("warning",)
    assert dump.log_blob == naming.log_address(claimed.request.backup_id)
    assert log_of(claimed) == "warning\n"


def test_dumping_again_under_the_same_claim_gives_one_blob(tmp_path: Path) -> None:
    """BR-83."""
    claimed = scripted(tmp_path, "echo dump")

    first, second = dump_database.run(claimed.request), dump_database.run(claimed.request)
    upload_backup.run(claimed.upload(second))

    assert first.execution != second.execution
    assert names_in(claimed.request.blob.container) == [claimed.request.blob.name]


def test_megabytes_of_emoji_on_stderr_fit_the_error_and_are_kept_whole(tmp_path: Path) -> None:
    """BR-90."""
    rocket = tmp_path / "rockets"
    rocket.write_text("🚀" * 1_250_000)
    claimed = scripted(tmp_path, f'echo dump; cat {rocket} >&2; echo "pass $MYSQL_PWD" >&2; exit 1')

    with pytest.raises(DumpFailed) as raised:
        stream_dump(claimed.request, pace=QUICK)

    assert len(raised.value.message) < 2000
    assert log_of(claimed) == "🚀" * 1_250_000 + "pass [redacted]\n"


def test_the_last_attempts_log_replaces_the_one_before(tmp_path: Path) -> None:
    claimed = scripted(tmp_path, f"echo dump; date +%N >&2; touch {tmp_path}/again; exit 1")
    fails(claimed, DumpFailed)
    before = log_of(claimed)
    fails(claimed, DumpFailed)

    assert log_of(claimed) != before


def test_a_drop_that_was_cut_short_does_not_block_the_next_execution(tmp_path: Path) -> None:
    claimed = scripted(tmp_path, "echo dump")
    first = dump_database.run(claimed.request)
    blob_client(claimed.request.blob).commit_block_list([], metadata={DISCARDED: "true"})

    with pytest.raises(BackupError):
        upload_backup.run(claimed.upload(first))
    upload_backup.run(claimed.upload(dump_database.run(claimed.request)))

    assert gzip.decompress(read_small_blob(claimed.request.blob)) == b"dump\n"


def test_discarding_an_upload_drops_its_blocks_and_is_repeatable(tmp_path: Path) -> None:
    claimed = scripted(tmp_path, "echo dump")
    dump_database.run(claimed.request)

    discard_upload.run(claimed.request)
    discard_upload.run(claimed.request)

    assert names_in(claimed.request.blob.container) == []


def test_a_commit_refused_for_want_of_blocks_is_worth_another_attempt(tmp_path: Path) -> None:
    claimed = scripted(tmp_path, "echo dump")
    dump = dump_database.run(claimed.request)
    discard_upload.run(claimed.request)

    with pytest.raises(StorageUnavailable):
        upload_backup.run(claimed.upload(dump))


def test_progress_tells_bytes_rate_and_remaining_time_and_the_tools_words(tmp_path: Path) -> None:
    words = "reading table orders of the shop"
    claimed = scripted(tmp_path, f"echo {words} >&2; head -c 500000 /dev/zero; sleep 0.5; echo end")

    stream_dump(claimed.request, pace=QUICK)

    shown = progress.read(claimed.request.backup_id)
    assert shown is not None
    assert (shown.phase, shown.percent) == ("dumping", 50)
    assert shown.bytes_read >= 500_000
    assert shown.bytes_per_second > 0
    assert shown.eta_at is not None
    assert any(line.startswith("reading table") for line in shown.logs)  # the end may still hold back a secret


def test_more_bytes_than_expected_show_99_percent_and_no_remaining_time(tmp_path: Path) -> None:
    claimed = scripted(tmp_path, "head -c 5000000 /dev/zero; sleep 0.5; echo end")

    stream_dump(claimed.request, pace=QUICK)

    shown = progress.read(claimed.request.backup_id)
    assert shown is not None
    assert (shown.percent, shown.eta_at) == (99, None)


def test_the_password_is_in_no_command_line_and_no_log(tmp_path: Path) -> None:
    """BR-08."""
    claimed = scripted(tmp_path, 'echo "$MYSQL_PWD" >&2; echo dump; sleep 100')
    lines = b""

    with streaming(claimed) as future:
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                lines += entry.read_bytes()
            except OSError:
                continue
        with pytest.raises(Stalled):
            future.result()

    assert PASSWORD.encode() not in lines
    assert log_of(claimed) == "[redacted]\n"


def test_a_container_is_made_on_first_use(tmp_path: Path) -> None:
    claimed = scripted(tmp_path, "echo dump")
    other = BlobAddress(container=f"{claimed.request.blob.container}-new", name="x.sql.gz")

    dump_database.run(claimed.request.model_copy(update={"blob": other}))

    assert names_in(other.container) == ["x.sql.gz"]
