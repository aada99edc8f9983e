"""Runs one command and leaves nothing of it behind: `python -m local.guard [--pass-fd N] -- COMMAND ...`.

The guard ends when the command ends, or when its own standard input is closed: the host keeps the other end of that
pipe, and the kernel closes it however the host dies. Before it ends it kills everything the command started. Processes
that lost their parent come to the guard (PR_SET_CHILD_SUBREAPER), whatever process group or session they chose, so a
dump tool outlives neither its worker nor the host.
"""

import argparse
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

# From linux/prctl.h.
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

# A killed process may hang in the kernel (a dead network disk): then the guard leaves it to init.
PATIENCE_SECONDS = 5.0


def die_with_parent() -> None:
    """Has the kernel kill the calling process when the thread that started it ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Makes the calling process the parent of every descendant that loses its own."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def children_of(parent: int) -> list[int]:
    """The ids of the processes whose parent is `parent`, zombies included."""
    return [
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _parent_of(entry) == parent
    ]


def kill_children(patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Kills and reaps the calling process's children, and theirs as they become ours, until none is left."""
    deadline = time.monotonic() + patience_seconds
    while (children := children_of(os.getpid())) and time.monotonic() < deadline:
        for child in children:
            with suppress(PermissionError):  # of another user, by sudo: it is init's then
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, os.WNOHANG)
        time.sleep(0.005)


def run(command: Sequence[str], pass_fds: Sequence[int]) -> int:
    """Runs the command under guard; gives its exit code, 128 + the signal's number if a signal ended it."""
    adopt_orphans()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=pass_fds)
    for descriptor in pass_fds:
        os.close(descriptor)  # or the host would not see its connection end with the worker
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _ending(process.kill))
    threading.Thread(target=_kill_at_end_of_input, args=(process.kill,), daemon=True).start()
    code = _exit_code_of(process)
    kill_children()
    return code if code >= 0 else 128 - code


def main(arguments: Sequence[str] | None = None) -> int:
    """The guard's command line."""
    parser = argparse.ArgumentParser(description="Run one command and leave nothing of it behind.")
    parser.add_argument("--pass-fd", type=int, action="append", default=[], help="an open file to hand on")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    return run(options.command, options.pass_fd)


def _exit_code_of(process: "subprocess.Popen[bytes]") -> int:
    """Waits for the process, and meanwhile buries the orphans that end."""
    while process.returncode is None:
        pid, status = os.waitpid(-1, 0)
        if pid == process.pid:
            process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode


def _kill_at_end_of_input(kill: Callable[[], None]) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    kill()


def _ending(kill: Callable[[], None]) -> Callable[[int, FrameType | None], None]:
    def handler(_number: int, _frame: FrameType | None) -> None:
        kill()

    return handler


def _parent_of(process: Path) -> int | None:
    try:
        status = (process / "stat").read_text(errors="replace")
    except OSError:  # it ended while we looked
        return None
    # "pid (name) state parent ...": the name may hold spaces and brackets.
    return int(status.rpartition(")")[2].split()[1])


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


if __name__ == "__main__":
    sys.exit(main())
