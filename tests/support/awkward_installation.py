"""A second installation, made for bad input: no client of MySQL, a newer one of PostgreSQL, no retries.

Its backups go through the fault proxy to a storage account of its own, so that storage can be full, slow or damaged.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from azure.storage.blob import BlobServiceClient

from local.servers import newer_postgresql_bin
from tests.support.azurite import plain_azurite
from tests.support.embedded_host import ROOT, start_host
from tests.support.fault_proxy import FaultProxy
from tests.support.installation import LOOPBACK, Installation

PROGRAMS = ("node", "setpriv", "stdbuf", "sh")
"""All that host and tools take from PATH; the clients of PostgreSQL are found where Debian keeps them."""
FILES = ("function_app.py", "host.json", "pyproject.toml")
ROOMS = ("http", "timers", "orchestrators", "activities", "entities", "shared")


@dataclass
class AwkwardInstallation(Installation):
    """A running one, and the way to its storage."""

    proxy: FaultProxy

    def blobs(self, container: str) -> list[str]:
        """The names of all blobs of a container, those that are nothing but staged blocks too."""
        account = plain_azurite().connection_string()
        with BlobServiceClient.from_connection_string(account) as service:
            pages = service.get_container_client(container)
            if not pages.exists():
                return []
            return [found.name for found in pages.list_blobs(include=["uncommittedblobs"])]


@contextmanager
def awkward_installation(folder: Path) -> Iterator[AwkwardInstallation]:
    """One that is ready, stopped at the end. `folder` is empty."""
    app, programs = folder / "app", folder / "programs"
    for place in (app, programs):
        place.mkdir()
    for part in (*FILES, *ROOMS):
        (app / part).symlink_to(ROOT / part)
    for name in PROGRAMS:
        found = shutil.which(name)
        assert found, f"{name} is not on this machine"
        (programs / name).symlink_to(found)
    with FaultProxy(plain_azurite().blob_port) as proxy:
        account = plain_azurite().connection_string(blob_port=proxy.port)
        # The settings file of the app, because it wins over those of the host's own cloud.
        settings = {"Values": {"BACKUP_STORAGE_ACCOUNT": account}}
        (app / "local.settings.json").write_text(json.dumps(settings))
        with start_host(
            app,
            folder / "home",
            ALLOWED_NETWORKS=LOOPBACK,
            BACKUP_RETRIES="0",
            BACKUP_TOOL_FOLDERS=str(newer_postgresql_bin()),
            PATH=str(programs),
        ) as host:
            yield AwkwardInstallation(host, proxy)
