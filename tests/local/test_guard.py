"""The guard leaves nothing of a command behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.guard import children_of

# Starts a process in a session of its own, says which, and waits.
PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(os.getpid(), child.pid, flush=True)
time.sleep(float(sys.argv[1]))
sys.exit(5)
"""


# Has a child whose own child outlives it for a moment.
ORPHANS = """
import os, subprocess, sys, time
starter = "import subprocess as s; print(s.Popen(['sleep', '0.2'], stdout=s.DEVNULL).pid)"
print(os.getpid(), subprocess.check_output([sys.executable, "-c", starter], text=True).strip(), flush=True)
time.sleep(600)
"""


@contextmanager
def guarded(*command: str, pass_fd: int | None = None) -> Iterator[subprocess.Popen[str]]:
    handed_on = () if pass_fd is None else ("--pass-fd", str(pass_fd))
    process = subprocess.Popen(
        [sys.executable, "-m", "local.guard", *handed_on, "--", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=() if pass_fd is None else (pass_fd,),
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            assert process.stdin
            process.stdin.close()
            process.wait(10)


def read_pids(process: subprocess.Popen[str]) -> list[int]:
    assert process.stdout
    return [int(word) for word in process.stdout.readline().split()]


def lives(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 10
    while any(map(lives, pids)):
        assert time.monotonic() < deadline, f"still running: {pids}"
        time.sleep(0.01)


def test_kills_what_a_command_that_ended_left_and_gives_its_code() -> None:
    with guarded(sys.executable, "-c", PARENT, "0") as process:
        pids = read_pids(process)

        assert process.wait(10) == 5
        wait_until_gone(pids)


def test_kills_the_command_and_its_children_when_the_host_is_gone() -> None:
    with guarded(sys.executable, "-c", PARENT, "600") as process:
        pids = read_pids(process)
        assert process.stdin
        process.stdin.close()

        assert process.wait(10) == 128 + signal.SIGKILL
        wait_until_gone(pids)


def test_kills_what_a_killed_command_left() -> None:
    with guarded(sys.executable, "-c", PARENT, "600") as process:
        pids = read_pids(process)
        os.kill(pids[0], signal.SIGKILL)

        assert process.wait(10) == 128 + signal.SIGKILL
        wait_until_gone(pids)


def test_ends_all_when_it_is_told_to_end() -> None:
    with guarded(sys.executable, "-c", PARENT, "600") as process:
        pids = read_pids(process)
        process.terminate()

        assert process.wait(10) == 128 + signal.SIGKILL
        wait_until_gone(pids)


def test_hands_an_open_file_on_and_keeps_no_copy() -> None:
    reader, writer = os.pipe()
    with guarded(sys.executable, "-c", f"import os; os.write({writer}, b'here')", pass_fd=writer) as process:
        os.close(writer)

        assert os.read(reader, 100) == b"here"
        assert os.read(reader, 100) == b"", "the end of the command is the end of the pipe"
        process.wait(10)
    os.close(reader)


def test_buries_the_orphans_of_a_command_that_runs_on() -> None:
    with guarded(sys.executable, "-c", ORPHANS) as process:
        command, orphan = read_pids(process)

        wait_until_gone([orphan])
        deadline = time.monotonic() + 10
        while children_of(process.pid) != [command]:
            assert time.monotonic() < deadline, "the orphan stays a zombie"
            time.sleep(0.01)


def test_knows_the_children_of_a_process() -> None:
    with guarded(sys.executable, "-c", PARENT, "600") as process:
        command, child = read_pids(process)

        assert children_of(process.pid) == [command]
        assert children_of(command) == [child]
