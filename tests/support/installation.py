"""A whole installation for end-to-end tests: the embedded host with our app, driven by its API as others would."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from local.api_client import ApiClient
from local.servers import DatabaseServer
from tests.support.embedded_host import ROOT, RunningHost, start_host

FINAL = ("completed", "partial", "failed", "cancelled", "skipped")
TYPES = {"mysql": "mysql-vm", "postgresql": "postgresql-vm"}
LOOPBACK = "127.0.0.0/8,::1/128"

_numbers = count(1)


@dataclass
class Installation:
    """A running host and a client of each role."""

    host: RunningHost
    admin: ApiClient = field(init=False)
    operator: ApiClient = field(init=False)
    reader: ApiClient = field(init=False)

    def __post_init__(self) -> None:
        self.admin = self.client("Backup.Admin")
        self.operator = self.client("Backup.Operator")
        self.reader = self.client("Backup.Read")

    def client(self, *roles: str) -> ApiClient:
        """A client with a token of these roles."""
        return ApiClient(self.host.url, self.host.token(roles))

    def register(self, server: DatabaseServer, database: str, **fields: Any) -> str:
        """Registers a database of `server`; gives its id. `fields` win over what is usual."""
        number = next(_numbers)
        body = {
            "name": f"{server.family} {number}",
            "type": TYPES[server.family],
            "host": server.host,
            "port": server.port,
            "username": server.admin_user,
            "password": server.admin_password,
            "database": database,
            "ssl_mode": "disable",
            "frequency": "1d",
            "storage_container": f"e2e-{number}",
            **fields,
        }
        return str(self.admin.post("/databases", body)["id"])

    def register_target(self, server: DatabaseServer) -> str:
        """Registers `server` as a target for restores; gives its id."""
        body = {
            "name": f"target {next(_numbers)}",
            "type": TYPES[server.family],
            "host": server.host,
            "port": server.port,
            "username": server.admin_user,
            "password": server.admin_password,
            "ssl_mode": "disable",
        }
        return str(self.admin.post("/targets", body)["id"])

    def trigger(self, database_id: str) -> str:
        """Asks for a run now; gives its backup id."""
        return str(self.operator.post(f"/databases/{database_id}/backup")["backup_id"])

    def ended(self, path: str, seconds: float = 90) -> dict[str, Any]:
        """The last answer of a status route, once what it shows has ended."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.reader.get(path)
            if found["status"] in FINAL:
                return found
            assert time.monotonic() < deadline, f"{path} has not ended: {found}\n{self.host.output[-3000:]}"
            time.sleep(0.1)

    def backed_up(self, database_id: str, seconds: float = 90) -> dict[str, Any]:
        """The status of a run made now, once it has ended."""
        return self.ended(f"/backups/{self.trigger(database_id)}/status", seconds)

    def verified(self, backup_id: str, seconds: float = 90, **body: Any) -> dict[str, Any]:
        """The operation that proves a backup again, once it has ended."""
        operation = self.operator.post(f"/backups/{backup_id}/verify", body)["operation_id"]
        return self.ended(f"/operations/{operation}", seconds)

    def history(self, database_id: str) -> Sequence[dict[str, Any]]:
        """The last runs of a database."""
        runs: list[dict[str, Any]] = self.reader.get(f"/databases/{database_id}/history?limit=50")["backups"]
        return runs


@contextmanager
def installation(home: Path, *arguments: str, **environment: str) -> Iterator[Installation]:
    """An installation that is ready, stopped at the end."""
    settings = {"ALLOWED_NETWORKS": LOOPBACK, "BACKUP_RETRIES": "1", **environment}
    with start_host(ROOT, home, *arguments, **settings) as host:
        yield Installation(host)
