"""One backup by the product's own activities, in a process of its own as a worker is; prints what it took as JSON."""

import json
import os
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

from activities.check_content import check_content
from activities.dump_database import dump_database
from activities.upload_backup import upload_backup
from bench.measure import cpu_of_tree
from shared import claims, clock, naming
from shared.engines.registry import engine_for
from shared.logins import login_for
from shared.models.database import DatabaseConfig
from shared.models.plan import ContentRequest
from shared.models.run import DumpRequest, UploadRequest
from shared.settings import settings
from shared.storage.account import blob_service
from shared.tools import installed_tools


def main() -> None:
    """Reads the database's configuration from stdin."""
    database = DatabaseConfig.model_validate_json(sys.stdin.read())
    engine = engine_for(database.type)
    backup_id = naming.backup_id(clock.now(), naming.random_six())
    claims.take(database.id, backup_id)
    probe = engine.probe(login_for(database.server), database.database)
    tool = engine.choose_tool(probe.server, installed_tools(engine.dump_tools))
    request = DumpRequest(
        backup_id=backup_id,
        database_id=database.id,
        server=database.server,
        database=database.database,
        options=(),
        tool=tool,
        probe=probe,
        blob=naming.blob_address(database, clock.now(), backup_id, 1, engine.extension),
        compression_level=settings().backup_compression_level,
        deadline_at=clock.now() + timedelta(hours=1),
        max_size_bytes=settings().max_size_bytes,
    )
    blob_service().get_service_properties()  # the SDK is loaded and signed in before anything is measured
    memory = Memory()
    written = _written_to_disk()
    all_cpu, cpu, began = cpu_of_tree(os.getppid()), time.process_time(), time.monotonic()
    dump = dump_database.run(request)
    upload_backup.run(
        UploadRequest(
            backup_id=backup_id,
            database_id=database.id,
            tenant_id=database.tenant_id,
            dump=dump,
            tool=tool,
            server=probe.server,
        )
    )
    backup_seconds, own_cpu = time.monotonic() - began, time.process_time() - cpu
    all_cpu = cpu_of_tree(os.getppid()) - all_cpu
    added_bytes = memory.added()
    began = time.monotonic()
    evidence = check_content.run(
        ContentRequest(
            backup_id=backup_id,
            database_id=database.id,
            database=database,
            dump=dump,
            probe=probe,
            tool=tool,
            deadline_at=request.deadline_at,
            progress_id=backup_id,
            holds_claim=True,
        )
    )
    assert evidence.error is None, evidence.error
    claims.release(database.id, backup_id)
    print(
        json.dumps(
            {
                "seconds": backup_seconds,
                "own_cpu": own_cpu,
                "cpu_of_all": all_cpu,
                "added_bytes": added_bytes,
                "disk_bytes": _written_to_disk() - written,
                "read": dump.bytes_read,
                "stored": dump.bytes_stored,
                "verify_seconds": time.monotonic() - began,
            }
        )
    )


class Memory:
    """The most bytes that this process and what it started hold at one time, beyond what it holds now."""

    def __init__(self) -> None:
        self._idle = self._most = held_by_tree()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def added(self) -> int:
        """Ends the watch."""
        self._over.set()
        self._thread.join()
        return self._most - self._idle

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self._most = max(self._most, held_by_tree())


def held_by_tree() -> int:
    """Resident bytes of this process and its children."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    for task in Path("/proc/self/task").iterdir():
        children += (task / "children").read_text().split()
    held = 0
    for pid in {str(os.getpid()), *children}:
        try:
            held += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:  # it ended while we looked
            continue
    return held


def _written_to_disk() -> int:
    """Bytes that this process and its reaped children sent to block devices."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["write_bytes"])


if __name__ == "__main__":
    main()
