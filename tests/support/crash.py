"""An installation that is killed and started again, and what must be true of it after each time."""

import json
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from os import kill
from pathlib import Path
from typing import Any

from entities.backup_slots import INSTALLATION, backup_slots
from local.servers import DatabaseServer
from local.taskhub.client_links import RPC_PREFIX
from shared.claims import CLAIMS
from shared.models.run import RunStatus
from shared.naming import manifest_address
from tests.support.databases import run_sql
from tests.support.embedded_host import ROOT, RunningHost, start_host, wait_until_gone
from tests.support.installation import LOOPBACK, Installation
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
TOOLS = ("mariadb-dump", "mysqldump", "mariadb", "mysql", "pg_dump", "pg_restore", "psql")
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
    arguments: Sequence[str] = ("--strict",)
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
            *self.arguments,
            ALLOWED_NETWORKS=LOOPBACK,
            BACKUP_RETRIES="1",
            DILUX_CRASH_POINT=str(self.plan),
            TMPDIR=str(self.temporary),
        )
        self.installed = Installation(host)

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
        wait_until(lambda: not _still(began), GONE_SECONDS, lambda: f"still running: {_still(began)}")
        return [*began.values()]

    def stop(self) -> None:
        """Ends the host in good order."""
        self.host.stop()
        wait_until_gone(self.home, GONE_SECONDS)

    def assert_in_order(self, servers: Sequence[DatabaseServer] = ()) -> None:
        """Whatever happened before: nothing is stuck, held, half-made or left over. Waits for what is under way."""
        url = self.host.url
        wait_until(lambda: not unfinished(url), END_SECONDS, lambda: f"{unfinished(url)}\n{self.host.output[-3000:]}")
        # The plan of a database gives its run's slot back after the run.
        wait_until(lambda: not holders(url), END_SECONDS, lambda: f"slots are held by {holders(url)}")
        tools = tools_of(servers)
        assert tools == [], f"tools are left: {tools}"
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
def crashing_installation(folder: Path, *arguments: str) -> Iterator[CrashingInstallation]:
    """A running one, in an empty folder; at the end nothing of it runs."""
    made = CrashingInstallation(folder, arguments or ("--strict",))
    made.start()
    try:
        yield made
    finally:
        if made.host.process.poll() is None:
            made.stop()


def fill(server: DatabaseServer, database: str, megabytes: int) -> None:
    """Makes a table of so many MB that do not compress well, so that a dump takes its time."""
    rows = megabytes * 1024
    if server.family == "mysql":
        body = ", ".join(f"SHA2(seq * 8 + {number}, 512)" for number in range(8))
        source = f"SELECT seq, CONCAT({body}) FROM seq_1_to_{rows}"
    else:
        body = " || ".join(f"encode(sha512((n * 8 + {number})::text::bytea), 'hex')" for number in range(8))
        source = f"SELECT n, {body} FROM generate_series(1, {rows}) AS n"
    run_sql(
        server,
        ["CREATE TABLE bulk (id INT PRIMARY KEY, body VARCHAR(1024))", f"INSERT INTO bulk {source}"],
        database=database,
    )


def descendants(ancestor: int) -> dict[int, str]:
    """Pid and command line of all that a process started, and what those started."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended while we looked
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found = {ancestor}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return {pid: command for pid in found - {ancestor} if (command := _command(pid))}


def tools_of(servers: Sequence[DatabaseServer]) -> list[str]:
    """The command lines of client tools that speak to one of the servers."""
    ports = {str(server.port).encode() for server in servers}
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended while we looked
            words = (folder / "cmdline").read_bytes().split(b"\0")
            known = set((folder / "environ").read_bytes().split(b"\0"))
            is_tool = Path(words[0].decode(errors="replace")).name in TOOLS
            if is_tool and any(b"--port=" + port in words or b"PGPORT=" + port in known for port in ports):
                found.append(b" ".join(words).decode(errors="replace"))
    return found


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


def _still(began: dict[int, str]) -> list[str]:
    return [f"{pid} {command}" for pid, command in began.items() if _command(pid) == command]


def _command(pid: int) -> str:
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""
