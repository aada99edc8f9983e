"""An installation that is killed and started again, and what must be true of it after each time."""

import json
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from os import kill, killpg
from pathlib import Path
from typing import Any

from entities.backup_slots import INSTALLATION, backup_slots
from local.servers import DatabaseServer
from local.taskhub.client_links import RPC_PREFIX
from shared.claims import CLAIMS
from shared.models.run import RunStatus
from shared.naming import manifest_address
from tests.support.embedded_host import ROOT, RunningHost, processes_of, start_host, wait_until_gone
from tests.support.installation import LOOPBACK, Installation
from tests.support.process_table import descendants, still_running, tools_of
from tests.support.stored_state import LOGS, stored_state

POINTS = (
    "after_claim",
    "in_dump",
    "after_stage",
    "after_commit",
    "in_verification",
    "in_retention",
    "in_notify",
)
HOST = "-m local host "
KILLED = f"(exit code {-signal.SIGKILL})"
RETENTION_DAYS = 1
"""For the databases of these tests."""
HIT_SECONDS = 60
END_SECONDS = 90
GONE_SECONDS = 15
"""Azurite, which is told to save its data, takes three of them."""
RUNNING = "Running,Pending,Suspended"
ETERNAL = "protect-"


@dataclass
class CrashingInstallation:
    """An installation whose host comes and goes. It reaches no real home or temporary folder but those in `folder`."""

    folder: Path
    installed: Installation = field(init=False)
    _proven: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The host's state folder."""
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        """The folder for temporary files of all processes of the host."""
        return self.folder / "temporary"

    @property
    def plan(self) -> Path:
        """The file that names the crash points to stop at."""
        return self.folder / "points.plan"

    @property
    def host(self) -> RunningHost:
        """The host as it runs now."""
        return self.installed.host

    def start(self) -> None:
        """Starts the host, where it was when it was killed."""
        self.temporary.mkdir(exist_ok=True)
        host = start_host(
            ROOT,
            self.home,
            "--strict",
            ALLOWED_NETWORKS=LOOPBACK,
            BACKUP_RETRIES="1",
            DILUX_CRASH_POINT=str(self.plan),
            TMPDIR=str(self.temporary),
        )
        self.installed = Installation(host)

    def kill_while_starting(self, seconds: float) -> None:
        """Starts the host and kills it so long after, whether it is ready by then or not."""
        with ThreadPoolExecutor(1) as starter:
            started = starter.submit(self.start)
            time.sleep(seconds)
            for process in processes_of(self.home):
                pid, _, command = process.partition(" ")
                if HOST in command:
                    killpg(int(pid), signal.SIGKILL)
            try:
                started.result()
            except AssertionError as failure:
                assert KILLED in str(failure), failure  # else it could not start
        wait_until_gone(self.home, GONE_SECONDS)

    def stop_at(self, point: str) -> None:
        """Lets the first who comes by the point wait there."""
        self.hits.unlink(missing_ok=True)
        self.plan.write_text(f"{point}\n")

    @property
    def hits(self) -> Path:
        """The file in which those who wait say so."""
        return self.plan.with_suffix(".hits")

    def count_hits(self) -> Counter[str]:
        """How often each point was hit since `stop_at`."""
        return Counter(self.hits.read_text().splitlines() if self.hits.exists() else ())

    def kill_at(self, point: str) -> list[str]:
        """Waits until somebody stands at the point, and kills all; gives the command lines of what died."""
        wait_until(lambda: self.count_hits()[point] > 0, HIT_SECONDS, lambda: f"{point}: {self.host.output[-3000:]}")
        return self.kill()

    def kill(self, *, guards_too: bool = False) -> list[str]:
        """Kills the host's process group with SIGKILL, and sees that all it had started goes by itself.

        With `guards_too` nothing of it is spared but Azurite, which stands for a service in another place.
        """
        began = descendants(self.host.process.pid)
        doomed = [pid for pid, command in began.items() if "azurite" not in command] if guards_too else []
        self.host.kill_group()
        for pid in doomed:
            with suppress(ProcessLookupError):
                kill(pid, signal.SIGKILL)
        self.plan.unlink(missing_ok=True)
        wait_until_gone(self.home, GONE_SECONDS)
        wait_until(lambda: not still_running(began), GONE_SECONDS, lambda: f"still running: {still_running(began)}")
        return [*began.values()]

    def stop(self) -> None:
        """Ends the host in good order."""
        self.host.stop()
        wait_until_gone(self.home, GONE_SECONDS)

    def settle(self) -> None:
        """Waits until no work is under way and no slot is held: a run still cleans up after its end is recorded."""
        url = self.host.url
        wait_until(lambda: not unfinished(url), END_SECONDS, lambda: f"{unfinished(url)}\n{self.host.output[-3000:]}")
        wait_until(lambda: not holders(url), END_SECONDS, lambda: f"slots are held by {holders(url)}")

    def expire_backups(self) -> None:
        """Makes every backup so old that the next good one of its database lets retention delete it."""
        self.settle()
        with stored_state(self.home) as state:
            for run in state.runs():
                if run.deleted_at is None:
                    state.age(run.backup_id, days=RETENTION_DAYS + 2)

    def assert_in_order(self, servers: Sequence[DatabaseServer]) -> None:
        """Whatever happened before: nothing is stuck, held, half-made or left over. Waits for what is under way."""
        self.settle()
        tools = tools_of(servers)
        assert tools == {}, f"tools are left: {tools}"
        files = sorted(self.temporary.rglob("*"))
        assert files == [], f"temporary files are left: {files}"
        self.assert_stored_in_order()

    def assert_stored_in_order(self) -> None:
        """No claim is left; what can be listed belongs to completed runs, whole; nothing of theirs is missing."""
        with stored_state(self.home) as state:
            assert state.rows(CLAIMS) == []
            assert state.uncommitted() == []
            runs = state.runs()
            wanted: dict[str, str] = {}
            for run in runs:
                assert run.status.is_final, f"{run.backup_id} is {run.status}"
                assert run.status is RunStatus.COMPLETED or run.error, f"{run.backup_id} failed without a reason"
                assert run.status is RunStatus.SKIPPED or run.notified_at, f"{run.backup_id} was not told of"
                if run.blob and not run.deleted_at:
                    wanted |= {run.blob.path: run.sha256_stored, manifest_address(run.blob).path: ""}
            found = {blob.path: blob for blob in state.blobs() if not blob.path.startswith(f"{LOGS}/")}
            assert sorted(found) == sorted(wanted)
            for path, sha256 in wanted.items():
                known = (path, found[path].etag)
                if sha256 and known not in self._proven:
                    self._proven[known] = state.sha256(path)
                assert not sha256 or self._proven[known] == sha256, f"{path} is not what was streamed"
        for database_id, count in Counter(run.database_id for run in runs).items():
            total = self.installed.reader.get(f"/databases/{database_id}/history")["total"]
            assert total == count, f"{total} runs of {database_id} were counted, there are {count}"


@contextmanager
def crashing_installation(folder: Path) -> Iterator[CrashingInstallation]:
    """A running one, in an empty folder; at the end nothing of it runs."""
    made = CrashingInstallation(folder)
    made.start()
    try:
        yield made
    finally:
        if made.host.process.poll() is None:
            made.stop()


def holders(url: str) -> dict[str, str]:
    """Who holds a backup slot, and until when, as the durable management API tells it."""
    found: dict[str, str] = _management(url, f"/entities/{backup_slots.name}/{INSTALLATION}")["holders"]
    return found


def unfinished(url: str) -> dict[str, str]:
    """Id and status of the instances that have not ended; the eternal ones of the databases are left out."""
    found = _management(url, f"/instances/?runtimeStatus={RUNNING}&showInput=false")
    return {
        status["instanceId"]: status["runtimeStatus"]
        for status in found
        if not status["instanceId"].startswith((ETERNAL, "@"))
    }


def wait_until(condition: Callable[[], bool], seconds: float, why: Callable[[], str]) -> None:
    """Returns when the condition holds; AssertionError with the reason when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, why()
        time.sleep(0.02)


def _management(url: str, path: str) -> Any:
    with urllib.request.urlopen(f"{url}{RPC_PREFIX}{path}", timeout=30) as answer:
        return json.load(answer)
