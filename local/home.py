"""The state folder of a host, for one host at a time."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# A host that was told to end is given a moment; one that runs on has the folder.
HOLDER_SECONDS = 1.0

# A host that was killed leaves its guards for a while, as they kill what it started.
LEFTOVER_SECONDS = 10.0


class HomeError(Exception):
    """The folder cannot be used; the text says why and what to do."""


@contextmanager
def locked_home(path: Path) -> Iterator[int]:
    """Makes the folder, readable by its owner alone, and locks it; gives the open file that holds the lock.

    The workers' guards hold that file too, so the lock ends when the host and all it started are gone, however they
    ended. Raises HomeError when the folder is in use or not fit.
    """
    lock = path / "lock"
    _make_private(path, lock)
    file = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(file, path)
        yield file
    finally:
        os.close(file)


def _make_private(path: Path, lock: Path) -> None:
    if not path.exists():
        path.mkdir(mode=0o700, parents=True)
    if not path.stat().st_mode & 0o077:
        return
    if not lock.exists() and any(path.iterdir()):
        # Somebody's folder, perhaps /tmp: not ours to close.
        raise HomeError(f"{path} is not a state folder: others may read it. Choose another, or chmod 700 it.")
    path.chmod(0o700)


def _take(file: int, path: Path) -> None:
    started = time.monotonic()
    while not _locked(file):
        holder = _holder(file)
        if time.monotonic() - started > (HOLDER_SECONDS if holder else LEFTOVER_SECONDS):
            user = f"Another host (process {holder})" if holder else "What a host left behind"
            raise HomeError(f"{user} uses {path}. Stop it, or choose another folder with --home.")
        time.sleep(0.05)
    os.ftruncate(file, 0)
    os.pwrite(file, f"{os.getpid()} {_start_of(os.getpid())}".encode(), 0)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: int) -> int | None:
    """The process that wrote itself into the lock, if it still lives."""
    words = os.pread(file, 100, 0).decode().split()
    if len(words) == 2 and _start_of(int(words[0])) == words[1]:
        return int(words[0])
    return None


def _start_of(process: int) -> str | None:
    """When the process started, in clock ticks since boot: with the id it names one process for ever."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(errors="replace")
    except OSError:
        return None
    fields = status.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]
