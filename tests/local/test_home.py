"""The state folder: private, and for one host at a time."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local import home
from local.home import HomeError, locked_home

HOLDER = """
import sys, time
from pathlib import Path
from local.home import locked_home
with locked_home(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(600)
"""


def test_makes_a_folder_that_only_its_owner_may_read(tmp_path: Path) -> None:
    with locked_home(tmp_path / "deep" / "home"):
        assert (tmp_path / "deep" / "home").stat().st_mode & 0o777 == 0o700


def test_a_second_host_on_the_same_folder_is_refused_soon(tmp_path: Path) -> None:
    started = time.monotonic()

    with (
        locked_home(tmp_path),
        pytest.raises(HomeError, match=rf"Another host \(process {os.getpid()}\) uses {tmp_path}"),
        locked_home(tmp_path),
    ):
        pass

    assert time.monotonic() - started < 5


def test_the_lock_ends_with_the_host(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"locked\n"
        holder.kill()

        with locked_home(tmp_path):
            pass


def test_waits_for_what_a_killed_host_left_and_then_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "LEFTOVER_SECONDS", 0.2)
    with locked_home(tmp_path) as lock_file:
        # As a guard would hold the lock, whose host is no more: no process has this number.
        os.pwrite(lock_file, b"4194305 1", 0)
        os.ftruncate(lock_file, 9)

        with pytest.raises(HomeError, match="What a host left behind"), locked_home(tmp_path):
            pass


def test_an_ended_process_holds_no_folder(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        holder.kill()
        os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie

        with locked_home(tmp_path):
            pass


def test_closes_its_folder_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "lock").touch()
    (tmp_path / "taskhub.sqlite").touch()

    with locked_home(tmp_path):
        assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_leaves_a_folder_alone_that_is_somebody_elses(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "photos").mkdir()

    with pytest.raises(HomeError, match="is not a state folder"), locked_home(tmp_path):
        pass

    assert tmp_path.stat().st_mode & 0o777 == 0o755
