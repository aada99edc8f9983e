"""Streams one dump in a process of its own and tells what that took: `python -m tests.support.stream_worker FILE`.

FILE holds a DumpRequest; the answer is one line of JSON on stdout. Sizes are in bytes.
"""

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from activities.dump_database import stream_dump
from shared.models.run import DumpRequest
from shared.storage.account import ensure_container

LOOK_SECONDS = 0.01
LARGE_FILE_BYTES = 1024 * 1024
KIB = 1024


class Observer:
    """Looks at this process and at those it started, every ten milliseconds."""

    def __init__(self) -> None:
        self.most_of_tools = 0
        self.disk_bytes_of_tools = 0
        self.large_files: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Looks no more."""
        self._over.set()
        self._thread.join()

    def _look_on(self) -> None:
        written: dict[int, int] = {}
        while not self._over.wait(LOOK_SECONDS):
            tools = list(descendants(os.getpid()))
            self.most_of_tools = max(self.most_of_tools, sum(resident(pid) for pid in tools))
            for pid in [os.getpid(), *tools]:
                self.large_files.update(large_files_written(pid))
            written.update({pid: disk_bytes(pid) for pid in tools})
        self.disk_bytes_of_tools = sum(written.values())


def descendants(pid: int) -> Iterator[int]:
    """The processes below a process."""
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _read(children).split():
            yield int(child)
            yield from descendants(int(child))


def resident(pid: int) -> int:
    """The resident memory of a process; 0 when it is gone."""
    return _field(pid, "status", "VmRSS:") * KIB


def disk_bytes(pid: int) -> int:
    """What a process wrote to disks; 0 when it is gone."""
    return _field(pid, "io", "write_bytes:")


def large_files_written(pid: int) -> Iterator[str]:
    """Regular files of over 1 MiB that a process holds open for writing."""
    for entry in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            flags = int(_field_text(pid, f"fdinfo/{entry.name}", "flags:") or "0", 8)
            if flags & os.O_ACCMODE and entry.is_file() and entry.stat().st_size > LARGE_FILE_BYTES:
                yield str(entry.readlink())
        except OSError:  # closed meanwhile
            continue


def most_resident() -> int:
    """The most resident memory of this process since `forget_most_resident`."""
    return _field(os.getpid(), "status", "VmHWM:") * KIB


def forget_most_resident() -> None:
    """Begins to count anew."""
    Path("/proc/self/clear_refs").write_text("5")


def main(path: str) -> None:
    """Streams, and prints what it took."""
    request = DumpRequest.model_validate_json(Path(path).read_text())
    told: dict[str, Any] = {}
    handler = logging.Handler()
    handler.emit = lambda record: told.update(record.__dict__)  # type: ignore[method-assign]  # keeps the last record
    dump_log = logging.getLogger("activities.dump_database")
    dump_log.addHandler(handler)
    dump_log.setLevel(logging.INFO)
    ensure_container(request.blob.container)  # connects once, so that the clients count as there before
    forget_most_resident()
    before, disk_before = resident(os.getpid()), disk_bytes(os.getpid())
    observer = Observer()
    began, processor_began = time.monotonic(), time.process_time()
    dump = stream_dump(request)
    seconds, processor = time.monotonic() - began, time.process_time() - processor_began
    observer.stop()
    answer = {
        "dump": dump.model_dump(mode="json"),
        "seconds": seconds,
        "processor_seconds": processor,
        "most_blocks_held": told["most_blocks_held"],
        "memory_before": before,
        "memory_most": most_resident(),
        "memory_of_tools": observer.most_of_tools,
        "disk_bytes": disk_bytes(os.getpid()) - disk_before + observer.disk_bytes_of_tools,
        "large_files": sorted(observer.large_files),
    }
    sys.stdout.write(json.dumps(answer) + "\n")


def _field(pid: int, file: str, name: str) -> int:
    words = _field_text(pid, file, name).split()
    return int(words[0]) if words else 0


def _field_text(pid: int, file: str, name: str) -> str:
    for line in _read(Path(f"/proc/{pid}/{file}")).splitlines():
        if line.startswith(name):
            return line.removeprefix(name).strip()
    return ""


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # gone meanwhile
        return ""


if __name__ == "__main__":
    main(sys.argv[1])
