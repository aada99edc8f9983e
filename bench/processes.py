"""What processes use, read from /proc: memory, processor time, what they write to disks."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

LOOK_SECONDS = 0.05
LARGE_FILE_BYTES = 1024 * 1024
KIB = 1024
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Observer:
    """Looks at this process and at those it started, twenty times a second. Sizes are in bytes."""

    def __init__(self) -> None:
        self.most_memory_of_tools = 0
        self.large_files: set[str] = set()
        """Regular files of over 1 MiB that were open for writing."""
        self._disk_of_tools: dict[int, int] = {}
        self._own_disk_before = disk_bytes(os.getpid())
        self._command = _command(os.getpid())
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="observer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Looks no more."""
        self._over.set()
        self._thread.join()

    @property
    def disk_bytes(self) -> int:
        """What was written to disks since the observer began to look."""
        return disk_bytes(os.getpid()) - self._own_disk_before + sum(self._disk_of_tools.values())

    def _look_on(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            # A child that is not its own program yet still shows this process's memory as its own.
            tools = [pid for pid in descendants(os.getpid()) if _command(pid) != self._command]
            self.most_memory_of_tools = max(self.most_memory_of_tools, sum(map(resident, tools)))
            for pid in (os.getpid(), *tools):
                self.large_files.update(_large_files_written(pid))
            self._disk_of_tools.update({pid: disk_bytes(pid) for pid in tools})


def descendants(pid: int) -> Iterator[int]:
    """The processes below a process."""
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _read(children).split():
            yield int(child)
            yield from descendants(int(child))


def resident(pid: int) -> int:
    """The resident memory of a process in bytes; 0 when it is gone."""
    return _number(pid, "status", "VmRSS:") * KIB


def disk_bytes(pid: int) -> int:
    """What a process wrote to disks; 0 when it is gone."""
    return _number(pid, "io", "write_bytes:")


def processor_seconds(pid: int) -> float:
    """Processor time of a process, of those below it, and of those of them that ended and were waited for."""
    ticks = 0
    for process in (pid, *descendants(pid)):
        fields = _read(Path(f"/proc/{process}/stat")).rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS_PER_SECOND


def machine_seconds() -> float:
    """Processor time that this machine spent on anything, all cores together."""
    fields = _read(Path("/proc/stat")).split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _waiting, interrupts, soft_interrupts, *_ = map(int, fields)
    return (user + nice + system + interrupts + soft_interrupts) / TICKS_PER_SECOND


def most_resident() -> int:
    """The most resident memory of this process, in bytes, since `forget_most_resident`."""
    return _number(os.getpid(), "status", "VmHWM:") * KIB


def forget_most_resident() -> None:
    """Begins to count anew."""
    Path("/proc/self/clear_refs").write_text("5")


def _large_files_written(pid: int) -> Iterator[str]:
    for entry in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            flags = int(_text(pid, f"fdinfo/{entry.name}", "flags:") or "0", 8)
            if flags & os.O_ACCMODE and entry.is_file() and entry.stat().st_size > LARGE_FILE_BYTES:
                yield str(entry.readlink())
        except OSError:  # closed meanwhile
            continue


def _command(pid: int) -> str:
    return _read(Path(f"/proc/{pid}/cmdline"))


def _number(pid: int, file: str, name: str) -> int:
    words = _text(pid, file, name).split()
    return int(words[0]) if words else 0


def _text(pid: int, file: str, name: str) -> str:
    for line in _read(Path(f"/proc/{pid}/{file}")).splitlines():
        if line.startswith(name):
            return line.removeprefix(name).strip()
    return ""


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # gone meanwhile
        return ""
