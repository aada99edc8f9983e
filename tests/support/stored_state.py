"""What an installation on the embedded host has stored, read by clients of our own."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from azure.core import MatchConditions
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient

from local.cloud.authority import certificate_paths
from local.cloud.azurite import ACCOUNT
from local.cloud.ports import kept_ports
from shared.history.rows import HISTORY, run_from
from shared.models.run import RunRecord
from shared.storage.tables import Row

# Azurite's own, the same everywhere and no secret: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
LOGS = "system-logs"


@dataclass(frozen=True)
class Blob:
    """A committed blob as a listing shows it."""

    path: str
    size: int
    etag: str
    metadata: Mapping[str, str] = field(hash=False)


class StoredState:
    """Storage of the host on `home`, which must run. Clients are new for each one made."""

    def __init__(self, home: Path) -> None:
        ports = kept_ports(home / "cloud" / "ports.json")
        self._account = (
            f"DefaultEndpointsProtocol=https;AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint=https://127.0.0.1:{ports['blob']}/{ACCOUNT};"
            f"TableEndpoint=https://127.0.0.1:{ports['table']}/{ACCOUNT};"
        )
        self._authority = str(certificate_paths(home / "cloud").authority)

    def close(self) -> None:
        """Ends the connections."""
        self._blobs.close()
        self._tables.close()

    @cached_property
    def _blobs(self) -> BlobServiceClient:
        return BlobServiceClient.from_connection_string(self._account, connection_verify=self._authority)

    @cached_property
    def _tables(self) -> TableServiceClient:
        return TableServiceClient.from_connection_string(self._account, connection_verify=self._authority)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table; none when there is no such table."""
        if table not in {found.name for found in self._tables.list_tables()}:
            return []
        return [dict(entity) for entity in self._tables.get_table_client(table).list_entities()]

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """All rows of all tables."""
        return {found.name: self.rows(found.name) for found in self._tables.list_tables()}

    def runs(self) -> list[RunRecord]:
        """What the history says, newest first within each database."""
        return [_run(entity) for entity in self.rows(HISTORY)]

    def age(self, backup_id: str, days: int) -> None:
        """Makes a run one that was made so many days earlier. Raises ResourceModifiedError when it is being written."""
        history = self._tables.get_table_client(HISTORY)
        found = next(entity for entity in history.list_entities() if entity["RowKey"].endswith(backup_id))
        run = _run(found)
        earlier = {
            name: moment - timedelta(days=days)
            for name in ("started_at", "ended_at", "verified_at", "expires_at")
            if (moment := getattr(run, name)) is not None
        }
        aged = run.model_copy(update=earlier)
        history.update_entity(
            {**found, "StartTime": aged.started_at, "EndTime": aged.ended_at, "Record": aged.model_dump_json()},
            etag=found.metadata["etag"],
            match_condition=MatchConditions.IfNotModified,
        )

    def blobs(self) -> list[Blob]:
        """All committed blobs of the account."""
        return [
            Blob(f"{container.name}/{found.name}", found.size, found.etag, found.metadata or {})
            for container in self._blobs.list_containers()
            for found in self._blobs.get_container_client(container.name).list_blobs(include=["metadata"])
        ]

    def uncommitted(self) -> list[str]:
        """The paths of blobs that are nothing but staged blocks."""
        committed = {blob.path for blob in self.blobs()}
        found = {
            f"{container.name}/{blob.name}"
            for container in self._blobs.list_containers()
            for blob in self._blobs.get_container_client(container.name).list_blobs(include=["uncommittedblobs"])
        }
        return sorted(found - committed)

    def sha256(self, path: str) -> str:
        """The SHA-256 of a blob's bytes."""
        digest = hashlib.sha256()
        for chunk in self._download(path).chunks():
            digest.update(chunk)
        return digest.hexdigest()

    def content(self, path: str) -> bytes:
        """A blob's bytes."""
        content: bytes = self._download(path).readall()
        return content

    def _download(self, path: str) -> Any:
        container, _, name = path.partition("/")
        return self._blobs.get_blob_client(container, name).download_blob()


@contextmanager
def stored_state(home: Path) -> Iterator[StoredState]:
    """The storage of the running host on `home`."""
    with closing(StoredState(home)) as state:
        yield state


def _run(entity: Mapping[str, Any]) -> RunRecord:
    return run_from(Row(entity["PartitionKey"], entity["RowKey"], {"Record": entity["Record"]}))
