"""An Azurite for tests of the streams: plain HTTP, so that a proxy can play faults before it, and data in memory.

It is started once, when first asked for, and ended with the tests. Containers are the tests' own.
"""

import atexit
import base64
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache

from local.cloud.azurite import SCRIPT
from local.cloud.ports import free_ports

ACCOUNT = "streams"
START_SECONDS = 30
MEMORY_MEGABYTES = 4096

# The kernel kills a child of a thread that ended: this thread lives as long as the tests.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="azurite-starter")


@dataclass(frozen=True)
class PlainAzurite:
    """A running Azurite: the ports of its services, and the key of its one account."""

    blob_port: int
    table_port: int
    key: str = field(repr=False)
    process: "subprocess.Popen[bytes]" = field(repr=False)

    def connection_string(self, *, blob_port: int | None = None) -> str:
        """Of the account; with `blob_port` through a proxy there."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={self.key};"
            f"BlobEndpoint=http://127.0.0.1:{blob_port or self.blob_port}/{ACCOUNT};"
            f"TableEndpoint=http://127.0.0.1:{self.table_port}/{ACCOUNT};"
        )


@lru_cache(maxsize=1)
def plain_azurite() -> PlainAzurite:
    """The Azurite of this test session."""
    started = start_azurite()
    atexit.register(stop_azurite, started)
    return started


def end_plain_azurite() -> None:
    """Ends it before the session's end looks for processes that were left behind."""
    if plain_azurite.cache_info().currsize:
        stop_azurite(plain_azurite())


def start_azurite() -> PlainAzurite:
    """Another Azurite, for whoever stops it."""
    return _starter.submit(_start).result()


def stop_azurite(azurite: PlainAzurite) -> None:
    """Ends it; its data are gone."""
    azurite.process.kill()
    azurite.process.wait()


def fresh_container() -> str:
    """A container name that nobody else uses."""
    return f"test-{uuid.uuid4().hex[:12]}"


def _start() -> PlainAzurite:
    node = shutil.which("node")
    assert node, "Azurite needs Node"
    blob, queue, table = free_ports([None, None, None])
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    tied = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    services = [f"--{name}Port={port}" for name, port in (("blob", blob), ("queue", queue), ("table", table))]
    memory = ["--inMemoryPersistence", f"--extentMemoryLimit={MEMORY_MEGABYTES}"]
    process = subprocess.Popen(
        [*tied, node, str(SCRIPT), *services, *memory, "--skipApiVersionCheck", "--disableTelemetry", "--silent"],
        env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"},
        cwd=tempfile.gettempdir(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + START_SECONDS
    for port in (blob, table):
        while not _listens(port):
            assert process.poll() is None, "Azurite ended at once"
            assert time.monotonic() < deadline, "Azurite does not answer"
            time.sleep(0.05)
    return PlainAzurite(blob, table, key, process)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
