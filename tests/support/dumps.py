"""Requests of the streaming activities, for real databases and for tools that are scripts and behave as told."""

import gzip
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from activities.dump_database import stream_dump
from local.servers import DatabaseServer
from shared import claims, clock, naming, secrets
from shared.engines.registry import engine_for
from shared.errors import BackupError
from shared.logins import login_for
from shared.models.database import DatabaseConfig, DatabaseType, SslMode
from shared.models.inventory import Inventory, Probe, ServerFacts
from shared.models.plan import ContentRequest
from shared.models.run import BlobAddress, Dump, DumpRequest, Tool, UploadRequest
from shared.storage.account import blob_service
from shared.storage.blobs import read_small_blob
from shared.tools import installed_tools
from shared.watch import Pace
from tests.support.records import database_config

PASSWORD = "S3cr3t-canary-77"
QUICK = Pace(look=0.02, progress=0.1, claim=0.1, stall=1.5)
KINDS = {"mysql": DatabaseType.MYSQL_VM, "postgresql": DatabaseType.POSTGRESQL_VM}

_numbers = count(1)


@dataclass(frozen=True)
class Claimed:
    """A database whose run holds its claim, and the request to dump it."""

    database: DatabaseConfig
    request: DumpRequest

    def upload(self, dump: Dump) -> UploadRequest:
        """The request to commit what was staged."""
        return UploadRequest(
            backup_id=self.request.backup_id,
            database_id=self.database.id,
            tenant_id=self.database.tenant_id,
            dump=dump,
            tool=self.request.tool,
            server=self.request.probe.server,
        )

    def content(self, dump: Dump, **fields: Any) -> ContentRequest:
        """The request to read the blob back."""
        usual: dict[str, Any] = {
            "backup_id": self.request.backup_id,
            "database_id": self.database.id,
            "database": self.database,
            "dump": dump,
            "probe": self.request.probe,
            "tool": self.request.tool,
            "deadline_at": self.request.deadline_at,
            "progress_id": self.request.backup_id,
            "holds_claim": True,
        }
        return ContentRequest.model_validate(usual | fields)


def scripted(folder: Path, script: str, **fields: Any) -> Claimed:
    """A claimed MySQL database whose dump tool is a shell script; no server is behind it."""
    number = next(_numbers)
    program = folder / f"dump-{number}"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    probe = Probe(
        server=ServerFacts(vendor="mariadb", version="10.11.19", version_number=(10, 11, 19), character_set="utf8mb4"),
        size_bytes=1_000_000,
        inventory=Inventory(),
    )
    tool = Tool(path=str(program), vendor="mariadb", version="10.11.19", version_number=(10, 11, 19))
    database = _configured(f"scripted_{number}", "127.0.0.1", 3306, "mysql", "shop", "backup", PASSWORD)
    return _claimed(database, probe, tool, "sql.gz", fields)


def real(server: DatabaseServer, name: str, **fields: Any) -> Claimed:
    """A claimed database of a real server, probed, with the tool that the engine chooses."""
    id = f"real_{next(_numbers)}"
    database = _configured(id, server.host, server.port, server.family, name, server.admin_user, server.admin_password)
    engine = engine_for(database.type)
    probe = engine.probe(login_for(database.server), name)
    tool = engine.choose_tool(probe.server, installed_tools(engine.dump_tools))
    return _claimed(database, probe, tool, engine.extension, fields)


def names_in(container: str) -> list[str]:
    """All blobs of a container, and the names that only have staged blocks."""
    pages = blob_service().get_container_client(container)
    return [found.name for found in pages.list_blobs(include=["uncommittedblobs"])]


def processes_of(claimed: Claimed) -> list[int]:
    """The living processes that run the claimed database's tool."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if claimed.request.tool.path.encode() in words.split(b"\0"):
            found.append(int(entry.name))
    return found


def until(claim: Callable[[], bool], seconds: float = 10) -> None:
    """Waits for something to hold."""
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@contextmanager
def streaming(claimed: Claimed) -> Iterator["Future[Dump]"]:
    """The dump at work in a thread of its own, with its tool running."""
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(stream_dump, claimed.request, pace=QUICK)
        until(lambda: bool(processes_of(claimed)))
        yield future


def fails(claimed: Claimed, error: type[BackupError], match: str | None = None) -> None:
    """The dump fails with this error and leaves nothing behind: no process, no blob, no staged block."""
    with pytest.raises(error, match=match):
        stream_dump(claimed.request, pace=QUICK)
    leaves_nothing(claimed)


def leaves_nothing(claimed: Claimed) -> None:
    """No process, no blob, no staged block."""
    until(lambda: processes_of(claimed) == [])
    assert names_in(claimed.request.blob.container) == []


def log_of(claimed: Claimed) -> str:
    """The tool's whole log, as kept in storage."""
    return gzip.decompress(read_small_blob(naming.log_address(claimed.request.backup_id))).decode()


def _configured(
    id: str, host: str, port: int, family: str, database: str, username: str, password: str
) -> DatabaseConfig:
    config = database_config(
        id=id,
        type=KINDS[family],
        host=host,
        port=port,
        username=username,
        database=database,
        ssl_mode=SslMode.DISABLE,
        storage_container=f"dumps-{next(_numbers)}",
    )
    secrets.store(config.secret_slug, secrets.Credentials(username, SecretStr(password)))
    return config


def _claimed(database: DatabaseConfig, probe: Probe, tool: Tool, extension: str, fields: dict[str, Any]) -> Claimed:
    backup_id = naming.backup_id(clock.now(), naming.random_six())
    claims.take(database.id, backup_id)
    name = f"2026/11/25/backup-{database.id}-20261125093000-abc123.{extension}"
    usual: dict[str, Any] = {
        "backup_id": backup_id,
        "database_id": database.id,
        "server": database.server,
        "database": database.database,
        "options": (),
        "tool": tool,
        "probe": probe,
        "blob": BlobAddress(container=database.storage_container, name=name),
        "compression_level": 2,
        "deadline_at": clock.now() + timedelta(minutes=10),
        "max_size_bytes": 2**40,
    }
    return Claimed(database, DumpRequest.model_validate(usual | fields))
