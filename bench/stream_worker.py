"""Streams one dump in a process of its own and tells what that took: `python -m bench.stream_worker FILE`.

FILE holds a Work. The answer, a Taken, is one line of JSON on stdout.
"""

import logging
import os
import sys
import time
from pathlib import Path

from activities.check_content import check_content
from activities.dump_database import dump_database
from activities.upload_backup import upload_backup
from bench.processes import Observer, forget_most_resident, machine_seconds, most_resident, processor_seconds, resident
from shared.models import Value
from shared.models.database import DatabaseConfig
from shared.models.plan import ContentRequest
from shared.models.run import Dump, DumpRequest, UploadRequest
from shared.storage.account import ensure_container


class Work(Value):
    """A dump to stream and to commit; it is read back and checked too when its `database` is given."""

    request: DumpRequest
    database: DatabaseConfig | None = None
    parties: tuple[int, ...] = ()
    """Processes of servers, whose processor time is counted too."""


class Taken(Value):
    """What the work took. Sizes in bytes."""

    dump: Dump
    seconds: float
    """From the start of the tool until the blob is there."""
    processor_seconds: float
    """Of this process, without the tool."""
    processor_seconds_of_all: float
    """Of this process, the tool and the parties."""
    processor_seconds_of_others: float
    """Of whatever else ran on this machine meanwhile: much of it makes all times worthless."""
    check_seconds: float
    check_error: str
    most_blocks_held: int
    memory_before: int
    memory_most: int
    memory_of_tools: int
    disk_bytes: int
    large_files: tuple[str, ...]

    @property
    def added_memory(self) -> int:
        """Of the process beyond what it had before, and of its tools."""
        return self.memory_most - self.memory_before + self.memory_of_tools


class LastRecord(logging.Handler):
    """Keeps the last record of a log."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.told: dict[str, object] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps it."""
        self.told = vars(record)


def work(task: Work) -> Taken:
    """Does the work here and now."""
    request = task.request
    last = LastRecord()
    dump_log = logging.getLogger("activities.dump_database")
    dump_log.addHandler(last)
    dump_log.setLevel(logging.INFO)
    ensure_container(request.blob.container)  # connects, so that what the clients need counts as there before
    forget_most_resident()
    memory_before = resident(os.getpid())
    observer = Observer()
    began, own_began, all_began = time.monotonic(), time.process_time(), _spent(task)
    machine_began = machine_seconds()
    dump = dump_database.run(request)
    upload_backup.run(_upload(request, dump))
    seconds, own, everybody = time.monotonic() - began, time.process_time() - own_began, _spent(task) - all_began
    others = machine_seconds() - machine_began - everybody
    observer.stop()
    memory_most = most_resident()
    check_seconds, check_error = _check(task, dump)
    return Taken(
        dump=dump,
        seconds=seconds,
        processor_seconds=own,
        processor_seconds_of_all=everybody,
        processor_seconds_of_others=max(0.0, others),
        check_seconds=check_seconds,
        check_error=check_error,
        most_blocks_held=int(str(last.told["most_blocks_held"])),
        memory_before=memory_before,
        memory_most=memory_most,
        memory_of_tools=observer.most_memory_of_tools,
        disk_bytes=observer.disk_bytes,
        large_files=tuple(sorted(observer.large_files)),
    )


def _spent(task: Work) -> float:
    """Processor time so far of this process, of tools that ended, and of the parties."""
    times = os.times()
    here = times.user + times.system + times.children_user + times.children_system
    return here + sum(map(processor_seconds, task.parties))


def _upload(request: DumpRequest, dump: Dump) -> UploadRequest:
    return UploadRequest(
        backup_id=request.backup_id,
        database_id=request.database_id,
        tenant_id="",
        dump=dump,
        tool=request.tool,
        server=request.probe.server,
    )


def _check(task: Work, dump: Dump) -> tuple[float, str]:
    """Seconds, and what is wrong with the backup; nothing of both when no check was asked for."""
    if task.database is None:
        return 0.0, ""
    request = task.request
    evidence = check_content.run(
        ContentRequest(
            backup_id=request.backup_id,
            database_id=request.database_id,
            database=task.database,
            dump=dump,
            probe=request.probe,
            tool=request.tool,
            deadline_at=request.deadline_at,
            progress_id=request.backup_id,
            holds_claim=True,
        )
    )
    return evidence.seconds, evidence.error.message if evidence.error else ""


if __name__ == "__main__":
    print(work(Work.model_validate_json(Path(sys.argv[1]).read_text())).model_dump_json())
