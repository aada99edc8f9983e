"""How each kind of trouble ends a dump: with its named error, and with nothing of it left behind."""

import gzip
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from activities.dump_database import dump_database, stream_dump
from activities.upload_backup import upload_backup
from local.servers import DatabaseServer
from shared import claims, clock, secrets
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
    Timeout,
    ToolKilled,
    ToolMissing,
    WorkerLost,
)
from shared.storage.blobs import read_small_blob
from tests.support.databases import (
    connection,
    fresh_database,
)
from tests.support.dumps import (
    QUICK,
    fails,
    leaves_nothing,
    processes_of,
    real,
    scripted,
    streaming,
    until,
)
from tests.support.fault_proxy import FaultProxy

pytestmark = pytest.mark.usefixtures("proxy")

ENDLESS = "while :; do head -c 65536 /dev/urandom; done"


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


def test_a_tool_that_works_for_long_before_it_writes_is_no_stall(tmp_path: Path) -> None:
    busy = "end=$(($(date +%s)+3)); while [ $(date +%s) -lt $end ]; do :; done"

    assert stream_dump(scripted(tmp_path, f"{busy}; echo dump").request, pace=QUICK).bytes_read == 5


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


def test_the_cause_is_told_also_when_storage_takes_neither_the_log_nor_the_drop(
    tmp_path: Path, proxy: FaultProxy
) -> None:
    claimed = scripted(tmp_path, "echo dump; echo no way >&2; exit 3")
    proxy.answer(403, "AuthorizationFailure", to="commit", times=10)
    proxy.answer(403, "AuthorizationFailure", to="other", times=10)

    with pytest.raises(DumpFailed):
        stream_dump(claimed.request, pace=QUICK)
