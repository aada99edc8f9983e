"""Runs one client tool so that nothing of it stays behind, however this process or the tool ends."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from shared.errors import ToolMissing
from shared.tools.log import ToolLog

PIPE_BYTES = 1024 * 1024
OUTPUT_KIB = 64
"""What a tool gathers before it writes. A slow dump must show within two minutes that it moves, so it is not more."""
TERMINATE_SECONDS = 2.0
DRAIN_SECONDS = 5.0
DRAIN_BYTES = 64 * 1024


class ToolProcess:
    """A running tool. Its output is read from `stdout`, its stderr is drained into `log`.

    A context manager: when it is left, the tool and all it started are gone. Raises ToolMissing when the tool is not on
    this machine. `environment` is added to a minimal one; secrets belong there, never into `argv`. `secrets` are
    redacted in the log. With `takes_input` the tool reads what is written to `stdin`; else it has none.
    """

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        secrets: Sequence[str] = (),
        takes_input: bool = False,
    ) -> None:
        program = shutil.which(argv[0])
        if program is None:
            raise ToolMissing(f"The tool {argv[0]} is not on this machine, or may not be run. Install it.")
        self.log = ToolLog(secrets)
        self._process = subprocess.Popen(
            [*_wrappers(), program, *argv[1:]],
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "HOME": "/nonexistent", **environment},
            cwd="/",
            stdin=subprocess.PIPE if takes_input else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # and so a process group that can be ended whole
        )
        self._reaping = threading.Lock()
        self._drain = threading.Thread(target=self._drain_stderr, name=f"stderr of {program}", daemon=True)
        self._drain.start()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                _widen(pipe.fileno())

    @property
    def pid(self) -> int:
        """Of the tool itself: what stands in front of it replaces itself by it. Also its process group."""
        return self._process.pid

    @property
    def ticks(self) -> int:
        """The processor time that the tool has used, in the kernel's ticks: grows while it works without writing."""
        if self._process.returncode is not None:  # its number may be another process's by now
            return 0
        try:
            # After the name, which may hold anything: state is the first field, utime the 12th, stime the 13th.
            fields = Path(f"/proc/{self.pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # there is no /proc
            return 0
        return int(fields[11]) + int(fields[12])

    @property
    def stdout(self) -> int:
        """The file descriptor of the tool's output."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    @property
    def stdin(self) -> int:
        """The file descriptor of the tool's input."""
        assert self._process.stdin is not None
        return self._process.stdin.fileno()

    def end_input(self) -> None:
        """Tells the tool that no more input comes."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def wait(self) -> int:
        """The exit code, once the tool has ended; negative for a signal. The log is whole then.

        Waits for ever: somebody else must watch, and `kill`.
        """
        while not self._has_ended():
            time.sleep(0.01)
        self._end_group()
        return self._process.returncode

    def kill(self) -> None:
        """Ends the tool's whole process group: asks, and after two seconds insists. May be called by any thread."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + TERMINATE_SECONDS
        while not self._has_ended() and time.monotonic() < deadline:
            time.sleep(0.01)
        self._end_group()

    def __enter__(self) -> "ToolProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self.end_input()
        if self._process.stdout is not None:
            self._process.stdout.close()
        # Not under the drain: if that still waits, it would go on reading whatever gets the same number.
        if self._process.stderr is not None and not self._drain.is_alive():
            self._process.stderr.close()

    def _has_ended(self) -> bool:
        """True once the tool has ended; leaves it unreaped, so that its number is not given to another group."""
        with self._reaping:
            if self._process.returncode is not None:
                return True
            ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            return ended is not None

    def _end_group(self) -> None:
        """Kills what is left of the group, reaps the tool and waits for the rest of its stderr."""
        self._signal(signal.SIGKILL)
        with self._reaping:
            self._process.wait()
        # A process that left the group may hold stderr open; the log then ends here.
        self._drain.join(DRAIN_SECONDS)

    def _signal(self, number: int) -> None:
        with self._reaping:
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, number)

    def _drain_stderr(self) -> None:
        assert self._process.stderr is not None
        descriptor = self._process.stderr.fileno()
        while data := os.read(descriptor, DRAIN_BYTES):
            self.log.feed(data)
        self.log.finish()


def _wrappers() -> list[str]:
    """What stands before the tool: it dies with this thread, and it writes larger pieces. Neither is required."""
    wrappers = []
    if setpriv := shutil.which("setpriv"):
        wrappers += [setpriv, "--pdeathsig", "KILL"]
    if stdbuf := shutil.which("stdbuf"):
        wrappers += [stdbuf, f"-o{OUTPUT_KIB}K"]
    return wrappers


def _widen(descriptor: int) -> None:
    """A pipe of 1 MiB, where the kernel allows it."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
