"""Streaming a dump: what arrives, how each kind of trouble ends it, and that nothing of it stays behind."""

import gzip
import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from activities.check_blob import check_blob
from activities.check_content import check_content
from activities.discard_upload import discard_upload
from activities.dump_database import dump_database, stream_dump
from activities.upload_backup import upload_backup
from local.servers import DatabaseServer
from shared import claims, clock, naming, progress, secrets
from shared.errors import (
    BackupError,
    Cancelled,
    ConnectionLost,
    DumpFailed,
    InvalidCredentials,
    Replaced,
    Stalled,
    StorageDenied,
    StorageFull,
    StorageUnavailable,
    Timeout,
    ToolKilled,
    ToolMissing,
    WorkerLost,
)
from shared.models.run import BlobAddress, Dump
from shared.storage.account import blob_client, blob_service
from shared.storage.blobs import read_small_blob
from shared.storage.staged_blob import DISCARDED
from tests.support.databases import (
    connection,
    drop_database,
    fresh_database,
    mariadb_server,
    postgresql_server,
    sample_database,
)
from tests.support.dumps import PASSWORD, QUICK, Claimed, real, scripted
from tests.support.fault_proxy import FaultProxy

pytestmark = pytest.mark.usefixtures("proxy")

ENDLESS = "while :; do head -c 65536 /dev/urandom; done"
SERVERS = {"mysql": mariadb_server, "postgresql": postgresql_server}


@pytest.fixture(params=["mysql", "postgresql"])
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    return SERVERS[request.param]()


def names_in(container: str) -> list[str]:
    """All blobs of a container, and the names that only have staged blocks."""
    pages = blob_service().get_container_client(container)
    return [found.name for found in pages.list_blobs(include=["uncommittedblobs"])]


def processes_of(claimed: Claimed) -> list[int]:
    """The living processes that run the claimed database's tool."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if claimed.request.tool.path.encode() in words.split(b"\0"):
            found.append(int(entry.name))
    return found


def until(claim: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@contextmanager
def streaming(claimed: Claimed) -> Iterator["Future[Dump]"]:
    """The dump at work in a thread of its own, with its tool running."""
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(stream_dump, claimed.request, pace=QUICK)
        until(lambda: bool(processes_of(claimed)))
        yield future


def fails(claimed: Claimed, error: type[BackupError], match: str | None = None) -> None:
    """The dump fails with this error and leaves nothing behind: no process, no blob, no staged block."""
    with pytest.raises(error, match=match):
        stream_dump(claimed.request, pace=QUICK)
    leaves_nothing(claimed)


def leaves_nothing(claimed: Claimed) -> None:
    until(lambda: processes_of(claimed) == [])
    assert names_in(claimed.request.blob.container) == []


def log_of(claimed: Claimed) -> str:
    """The tool's whole log, as kept in storage."""
    return gzip.decompress(read_small_blob(naming.log_address(claimed.request.backup_id))).decode()


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


def test_a_wrong_password_is_named_and_asked_for_anew_next_time(server: DatabaseServer) -> None:
    with fresh_database(server) as name:
        claimed = real(server, name)
        wrong = secrets.Credentials(server.admin_user, SecretStr("wrong"))
        secrets.store(claimed.database.secret_slug, wrong)
        fails(claimed, InvalidCredentials)
        right = secrets.Credentials(server.admin_user, SecretStr(server.admin_password))
        secrets.store(claimed.database.secret_slug, right)

        assert dump_database.run(claimed.request).bytes_read > 0


def test_a_tool_that_is_gone_is_named_and_leaves_no_thread(tmp_path: Path) -> None:
    claimed = scripted(tmp_path, "echo dump")
    Path(claimed.request.tool.path).unlink()
    before = threading.active_count()

    fails(claimed, ToolMissing, match=claimed.request.tool.path)

    assert threading.active_count() <= before + 1


@pytest.mark.parametrize("script", ["true", "echo note >&2"])
def test_a_good_end_without_a_dump_is_a_failure(tmp_path: Path, script: str) -> None:
    """BR-03."""
    fails(scripted(tmp_path, script), DumpFailed, match="wrote nothing")


def test_a_bad_end_after_a_whole_looking_dump_is_a_failure(tmp_path: Path) -> None:
    """BR-01: only the exit code tells."""
    fails(scripted(tmp_path, "echo '-- Dump completed'; exit 3"), DumpFailed)


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


def test_a_tool_killed_by_somebody_is_told_as_that(tmp_path: Path) -> None:
    claimed = scripted(tmp_path, ENDLESS)

    with streaming(claimed) as future:
        os.kill(processes_of(claimed)[0], signal.SIGKILL)
        with pytest.raises(ToolKilled):
            future.result()

    leaves_nothing(claimed)


FIND_DUMP = {
    "mysql": "select id from information_schema.processlist where db = %s and info like '%%FROM `slow`%%' limit 1",
    "postgresql": "select pid from pg_stat_activity where datname = %s and application_name = 'pg_dump'",
}
CUT = {"mysql": "kill %s", "postgresql": "select pg_terminate_backend(%s)"}


def test_a_connection_that_is_cut_amid_the_dump_is_told_as_that(server: DatabaseServer, proxy: FaultProxy) -> None:
    """BR-17."""
    with fresh_database(server) as name, connection(server, name) as admin, admin.cursor() as cursor:
        cursor.execute("create table slow (a text)")
        for _ in range(16):
            cursor.execute("insert into slow values (repeat('x', 65000))" + ", (repeat('y', 65000))" * 63)
        claimed = real(server, name, compression_level=0)
        proxy.bytes_per_second = 1_000_000
        with ThreadPoolExecutor(1) as threads:
            future = threads.submit(stream_dump, claimed.request)
            found: list[tuple[int]] = []

            def is_amid() -> bool:
                cursor.execute(FIND_DUMP[server.family], (name,))
                found[:] = cursor.fetchall()
                return bool(found) and proxy.seen["block"] > 0

            until(is_amid)
            cursor.execute(CUT[server.family], found[0])
            proxy.heal()
            with pytest.raises(ConnectionLost):
                future.result()
    leaves_nothing(claimed)


def test_a_silent_tool_is_a_stall(tmp_path: Path) -> None:
    fails(scripted(tmp_path, "echo begin; sleep 100"), Stalled)


def test_a_tool_that_closes_its_output_and_stays_is_a_stall(tmp_path: Path) -> None:
    fails(scripted(tmp_path, "echo begin; sleep 100 >&-"), Stalled)


def test_a_store_that_takes_blocks_and_never_answers_is_a_stall(tmp_path: Path, proxy: FaultProxy) -> None:
    proxy.hang(to="block", times=1000)

    with pytest.raises(Stalled):
        stream_dump(scripted(tmp_path, ENDLESS).request, pace=QUICK)


def test_a_cancelled_run_stops_its_tool_and_leaves_nothing(tmp_path: Path) -> None:
    claimed = scripted(tmp_path, f"trap '' TERM; {ENDLESS}")

    with streaming(claimed) as future:
        asked_at = time.monotonic()
        assert claims.cancel(claimed.database.id, claimed.request.backup_id)
        with pytest.raises(Cancelled):
            future.result()

    # With the product's pace: at most 30 s until the claim is renewed, and what was measured here.
    assert time.monotonic() - asked_at < 5
    leaves_nothing(claimed)


def test_an_execution_that_was_taken_over_stops_and_leaves_the_blocks_to_the_other(tmp_path: Path) -> None:
    claimed = scripted(tmp_path, "echo mine; sleep 100")
    other = scripted(tmp_path, "echo other")

    with streaming(claimed) as future:
        second = stream_dump(claimed.request.model_copy(update={"tool": other.request.tool}), pace=QUICK)
        with pytest.raises(WorkerLost):
            future.result()

    upload_backup.run(claimed.upload(second))
    assert gzip.decompress(read_small_blob(claimed.request.blob)) == b"other\n"


def test_a_run_whose_claim_is_gone_stops(tmp_path: Path) -> None:
    claimed = scripted(tmp_path, ENDLESS)

    with streaming(claimed) as future:
        claims.release(claimed.database.id, claimed.request.backup_id)
        with pytest.raises(Replaced):
            future.result()

    assert processes_of(claimed) == []


def test_a_passed_deadline_ends_the_dump(tmp_path: Path) -> None:
    fails(scripted(tmp_path, ENDLESS, deadline_at=clock.now() + timedelta(seconds=0.5)), Timeout)


def test_a_dump_larger_than_the_limit_ends_with_the_limit_named(tmp_path: Path) -> None:
    fails(scripted(tmp_path, ENDLESS, max_size_bytes=1_000_000), StorageFull, match="1000000 bytes")


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [(403, "AuthorizationPermissionMismatch", StorageDenied), (409, "MemoryExtentStoreAtSizeLimit", StorageFull)],
)
def test_a_store_that_refuses_blocks_ends_the_dump_with_its_reason(
    tmp_path: Path, proxy: FaultProxy, status: int, code: str, error: type[BackupError]
) -> None:
    proxy.answer(status, code, to="block", times=1000)

    fails(scripted(tmp_path, ENDLESS), error)


def test_the_cause_is_told_also_when_storage_does_not_let_the_blocks_be_dropped(
    tmp_path: Path, proxy: FaultProxy
) -> None:
    claimed = scripted(tmp_path, "echo dump; exit 3")
    proxy.answer(403, "AuthorizationFailure", to="commit", times=10)
    proxy.answer(403, "AuthorizationFailure", to="other", times=10)

    with pytest.raises(DumpFailed):
        stream_dump(claimed.request, pace=QUICK)


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
    assert (shown.phase, shown.percent, shown.bytes_read) == ("dumping", 50, 500_000)
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
