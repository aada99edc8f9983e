"""Starts the embedded host as people do, `python -m local host` in a process of its own, and ends it in many ways."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[2]

START_SECONDS = 120.0
STOP_SECONDS = 10.0


@dataclass
class RunningHost:
    """A host that answers at `url`. A context manager: it is stopped at the end."""

    url: str
    home: Path
    process: "subprocess.Popen[bytes]"
    printed: Path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.stop()

    @property
    def output(self) -> str:
        """What the host has printed so far."""
        return self.printed.read_text(errors="replace")

    def token(self, roles: Sequence[str], name: str = "tester") -> str:
        """A bearer token for the app's API."""
        body = json.dumps({"roles": list(roles), "name": name}).encode()
        request = urllib.request.Request(f"{self.url}/local/token", body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as reply:
            return str(json.load(reply)["access_token"])

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends the host in good order, within ten seconds; gives its exit code."""
        self.process.send_signal(number)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill_group()
            raise

    def kill_group(self) -> None:
        """Kills the host and all in its process group with SIGKILL."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def processes(self) -> list[str]:
        """The command lines of all processes that belong to this host, what its functions started included."""
        return processes_of(self.home)


def processes_of(home: Path) -> list[str]:
    """The command lines of the processes in whose command line or environment the state folder stands."""
    mark = os.fsencode(home)
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and process.name != str(os.getpid()):
            try:
                command = (process / "cmdline").read_bytes()
                if mark in command or mark in (process / "environ").read_bytes():
                    found.append(f"{process.name} {command.replace(bytes(1), b' ').decode(errors='replace')}".strip())
            except OSError:
                continue  # it ended while we looked
    return found


def wait_until_gone(home: Path, seconds: float = 10.0) -> None:
    """Returns when no process of the host is left. Raises AssertionError, naming them, when some stay."""
    deadline = time.monotonic() + seconds
    while left := processes_of(home):
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.02)


def start_host(app: Path, home: Path, *arguments: str, **environment: str) -> RunningHost:
    """A host that is ready, on a free port. `arguments` go to its command line, `environment` to its settings.

    Raises AssertionError with what it printed when it does not get ready.
    """
    home.parent.mkdir(parents=True, exist_ok=True)
    printed = home.parent / f"{home.name}.printed"
    options = ["--app", str(app), "--home", str(home), "--port", "0"]
    with printed.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "local", "host", *options, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    host = RunningHost("", home, process, printed)
    deadline = time.monotonic() + START_SECONDS
    while not host.url:
        ready = [line for line in host.output.splitlines() if line.startswith("ready at ")]
        if ready:
            host.url = ready[0].removeprefix("ready at ")
        elif process.poll() is not None or time.monotonic() > deadline:
            if process.poll() is None:
                host.kill_group()
            raise AssertionError(f"The host did not get ready (exit code {process.returncode}):\n{host.output}")
        time.sleep(0.02)
    return host
