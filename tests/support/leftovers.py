"""Ends what tests share, and finds processes that outlived the test session that started them."""

import os
import signal
import sys
import time
from pathlib import Path

SESSION_VARIABLE = "DILUX_TEST_SESSION"  # children inherit it, so that orphans are found too
SHARED_SERVERS = {
    "tests.support.databases": "stop_servers",
    "tests.support.azurite": "end_plain_azurite",
    "tests.support.cloud": "stop_cloud",
}
"""Modules that start servers for all tests when one first asks for them; each with its function that ends them."""


def end_shared_servers() -> None:
    """Ends the servers that tests share. A module that nobody imported has started nothing."""
    for module, stop in SHARED_SERVERS.items():
        if module in sys.modules:
            getattr(sys.modules[module], stop)()


def end_leftovers(*, patience_seconds: float = 3.0) -> list[str]:
    """One line (pid and command) per process of this session that still runs after the patience; each is killed."""
    deadline = time.monotonic() + patience_seconds
    while (found := _ours()) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in found:
        _kill(pid)
    return [f"{pid}  {command}" for pid, command in sorted(found.items())]


def _ours() -> dict[int, str]:
    """Pid and command line of our children and of whoever inherited this session's variable."""
    mark = f"{SESSION_VARIABLE}={os.environ[SESSION_VARIABLE]}".encode()
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        if pid == os.getpid():
            continue
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            marked = mark in (folder / "environ").read_bytes().split(b"\0")
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:  # it ended meanwhile, or belongs to somebody else
            continue
        # A zombie has no command line: it ended, and only waits to be collected.
        if command and (marked or parent == os.getpid()):
            found[pid] = command
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
