"""The life and death of the Azurite process."""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from azure.data.tables import TableServiceClient
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobServiceClient

from local.cloud.authority import ensure_certificates
from local.cloud.azurite import ATTEMPTS, Azurite, AzuriteFailed, AzuritePorts
from local.cloud.ports import listen
from tests.support.running_cloud import running_cloud


def azurites_on(folder: Path) -> list[int]:
    """The pids of the Azurite processes that work on folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it ended meanwhile
            continue
        if str(folder).encode() in arguments:
            found.append(int(process.name))
    return found


def wait_until(holds: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def azurite(folder: Path, **options: float) -> Azurite:
    certificates = ensure_certificates(folder.parent, datetime.now(UTC))
    folder.mkdir(exist_ok=True)
    return Azurite(folder, certificates.server, certificates.authority, **options)


def run(coroutine: Coroutine[Any, Any, object]) -> None:
    asyncio.run(coroutine)


def test_it_ends_when_it_is_stopped(tmp_path: Path) -> None:
    folder = tmp_path / "azurite"

    async def start_and_stop() -> None:
        subject = azurite(folder)
        await subject.start(None)
        assert len(azurites_on(folder)) == 1
        await subject.stop()
        await subject.stop()

    run(start_and_stop())

    assert azurites_on(folder) == []


def test_one_that_does_not_listen_is_ended_within_five_seconds(tmp_path: Path) -> None:
    folder = tmp_path / "azurite"

    async def start_and_stop() -> None:
        subject = azurite(folder)
        await subject.start(None)
        os.kill(azurites_on(folder)[0], signal.SIGSTOP)
        begin = time.monotonic()
        await subject.stop()
        assert time.monotonic() - begin < 5

    run(start_and_stop())

    assert azurites_on(folder) == []


def test_one_that_died_by_itself_can_still_be_stopped(tmp_path: Path) -> None:
    folder = tmp_path / "azurite"

    async def start_and_stop() -> None:
        subject = azurite(folder)
        await subject.start(None)
        os.kill(azurites_on(folder)[0], signal.SIGKILL)
        while azurites_on(folder):
            await asyncio.sleep(0.02)
        await subject.stop()

    run(start_and_stop())


def test_a_start_that_is_cancelled_leaves_no_process(tmp_path: Path) -> None:
    folder = tmp_path / "azurite"

    async def start_and_cancel() -> None:
        starting = asyncio.create_task(azurite(folder).start(None))
        while not azurites_on(folder):
            await asyncio.sleep(0.01)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting

    run(start_and_cancel())

    assert azurites_on(folder) == []


def test_a_taken_port_is_replaced_by_a_free_one(tmp_path: Path) -> None:
    with listen(None) as taken:
        taken.listen()
        port = taken.getsockname()[1]

        async def start_and_stop() -> None:
            subject = azurite(tmp_path / "azurite")
            ports = await subject.start(AzuritePorts(blob=port, queue=port, table=port))
            await subject.stop()
            assert len({ports.blob, ports.queue, ports.table, port}) == 4

        run(start_and_stop())


async def take_its_port(folder: Path, taken: contextlib.ExitStack, times: int) -> None:
    """Listens on the port that Azurite was told to use, before it does."""
    seen: set[int] = set()
    while len(seen) < times:
        for pid in set(azurites_on(folder)) - seen:
            arguments = (Path("/proc") / str(pid) / "cmdline").read_bytes().split(b"\0")
            if b"--blobPort" in arguments:
                taken.enter_context(listen(int(arguments[arguments.index(b"--blobPort") + 1]))).listen()
                seen.add(pid)
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("times", [1, ATTEMPTS])
def test_a_port_that_is_taken_in_the_last_moment_is_replaced_a_few_times(tmp_path: Path, times: int) -> None:
    folder = tmp_path / "azurite"

    async def start_and_stop() -> None:
        with contextlib.ExitStack() as taken:
            subject = azurite(folder)
            taking = asyncio.create_task(take_its_port(folder, taken, times))
            try:
                await subject.start(None)
            finally:
                await taking
                await subject.stop()

    if times < ATTEMPTS:
        run(start_and_stop())
    else:
        with pytest.raises(AzuriteFailed, match="EADDRINUSE"):
            run(start_and_stop())
    assert azurites_on(folder) == []


def test_one_that_never_answers_is_given_up(tmp_path: Path) -> None:
    folder = tmp_path / "azurite"

    with pytest.raises(AzuriteFailed):
        run(azurite(folder, start_seconds=0.05).start(None))
    assert azurites_on(folder) == []


def test_a_wait_for_another_that_is_cancelled_lets_go_of_the_lock(tmp_path: Path) -> None:
    folder = tmp_path / "azurite"
    subject = azurite(folder)

    async def start_and_cancel() -> None:
        with (folder / "azurite.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            starting = asyncio.create_task(subject.start(None))
            await asyncio.sleep(0)
            descriptors = len(list(Path("/proc/self/fd").iterdir()))
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
            assert len(list(Path("/proc/self/fd").iterdir())) == descriptors - 1

    run(start_and_cancel())


def test_a_failed_start_tells_azurites_last_words(tmp_path: Path) -> None:
    folder = tmp_path / "azurite"
    folder.mkdir()
    certificates = ensure_certificates(tmp_path, datetime.now(UTC))
    subject = Azurite(folder, tmp_path / "no-such-certificate", certificates.authority)

    with pytest.raises(AzuriteFailed, match="no-such-certificate"):
        run(subject.start(None))
    assert azurites_on(folder) == []


def test_without_node_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(AzuriteFailed, match="npm ci"):
        run(azurite(tmp_path / "azurite").start(None))


def test_two_never_work_on_one_folder(tmp_path: Path) -> None:
    folder = tmp_path / "azurite"
    subject = azurite(folder, claim_seconds=0.2)
    with (folder / "azurite.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        with pytest.raises(AzuriteFailed, match="Another Azurite"):
            run(subject.start(None))


def start_lonely_host(home: Path) -> tuple[subprocess.Popen[str], dict[str, str]]:
    host = subprocess.Popen(
        [sys.executable, "-m", "tests.local.cloud.lonely_host", str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert host.stdout is not None
    return host, json.loads(host.stdout.readline())


def write(environment: dict[str, str]) -> None:
    with (
        DefaultAzureCredential() as credential,
        BlobServiceClient(environment["BACKUP_STORAGE_ACCOUNT"], credential) as blobs,
        TableServiceClient(environment["BACKUP_TABLES_ACCOUNT"], credential=credential) as tables,
    ):
        blobs.create_container("kept").upload_blob("dump", b"bytes")
        tables.create_table("Kept").create_entity({"PartitionKey": "a", "RowKey": "b"})


def read(environment: dict[str, str]) -> tuple[bytes, int]:
    with (
        DefaultAzureCredential() as credential,
        BlobServiceClient(environment["BACKUP_STORAGE_ACCOUNT"], credential) as blobs,
        TableServiceClient(environment["BACKUP_TABLES_ACCOUNT"], credential=credential) as tables,
    ):
        blob = blobs.get_blob_client("kept", "dump").download_blob().readall()
        return blob, len(list(tables.get_table_client("Kept").list_entities()))


def test_what_it_acknowledged_outlives_a_host_that_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "cloud" / "azurite"
    host, environment = start_lonely_host(tmp_path)
    with host:
        os.environ.update(environment)
        write(environment)
        host.kill()
    wait_until(lambda: not azurites_on(folder))

    with running_cloud(tmp_path) as cloud:
        os.environ.update(cloud.environment())

        assert cloud.environment() == environment
        assert read(environment) == (b"bytes", 1)


def test_being_told_to_end_several_times_does_not_disturb_its_saving(tmp_path: Path) -> None:
    folder = tmp_path / "cloud" / "azurite"
    host, environment = start_lonely_host(tmp_path)
    with host:
        os.environ.update(environment)
        write(environment)
        (subject,) = azurites_on(folder)
        while azurites_on(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(subject, signal.SIGTERM)
            time.sleep(0.001)
        host.communicate("")

    with running_cloud(tmp_path):
        assert read(environment) == (b"bytes", 1)


def test_the_next_host_waits_for_the_azurite_of_a_killed_one(tmp_path: Path) -> None:
    folder = tmp_path / "cloud" / "azurite"
    host, environment = start_lonely_host(tmp_path)
    with host:
        os.environ.update(environment)
        write(environment)
        (earlier,) = azurites_on(folder)
        os.kill(earlier, signal.SIGSTOP)  # as if it took long to save
        host.kill()

    next_host, again = _start_while(tmp_path, lambda: os.kill(earlier, signal.SIGCONT))
    with next_host:
        assert earlier not in azurites_on(folder)
        assert len(azurites_on(folder)) == 1
        assert again == environment
        assert read(environment) == (b"bytes", 1)
        next_host.communicate("")
    assert azurites_on(folder) == []


def _start_while(home: Path, later: Callable[[], None]) -> tuple[subprocess.Popen[str], dict[str, str]]:
    timer = threading.Timer(1.0, later)
    timer.start()
    try:
        return start_lonely_host(home)
    finally:
        timer.join()
