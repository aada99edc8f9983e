"""Committed blobs: what is known of them, their verdicts, their deletion, lists of them, and small ones whole."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobProperties, BlobServiceClient, ContentSettings

from shared.errors import BlobExists
from shared.models.run import BlobAddress
from shared.storage.account import blob_client, blob_service, ensure_container
from shared.storage.errors import code_of, storage_errors
from shared.storage.staged_blob import DISCARDED

VERDICT = "verdict"
# Codes with which the service keeps a blob from being deleted, and what to tell people.
WHY_KEPT = {
    "BlobImmutableDueToPolicy": "locked by an immutability policy",
    "LeaseIdMissing": "leased by somebody",
    "SnapshotsPresent": "it has snapshots",
}


@dataclass(frozen=True)
class StoredBlob:
    """A committed blob; size in bytes, MD5 in hex, empty where the service has none."""

    address: BlobAddress
    size: int
    md5: str
    etag: str
    created_at: datetime
    metadata: dict[str, str]


def stored_blob(address: BlobAddress, service: BlobServiceClient | None = None) -> StoredBlob:
    """What storage says of the blob; through `service` where the shared client will not do. Raises BlobMissing."""
    with storage_errors(address.path):
        return _stored_blob(address, blob_client(address, service).get_blob_properties())


def list_blobs(container: str, prefix: str = "", *, page_size: int | None = None) -> Iterator[StoredBlob]:
    """All committed blobs of the container whose names begin with `prefix`, in the order of their names.

    The service gives at most 5,000 at a time; this goes on until it has given all. A container that is not there
    has none.
    """
    pages = blob_service().get_container_client(container)
    with storage_errors(container):
        try:
            for found in pages.list_blobs(
                name_starts_with=prefix or None, include=["metadata"], results_per_page=page_size
            ):
                if DISCARDED not in (found.metadata or {}):
                    yield _stored_blob(BlobAddress(container=container, name=found.name), found)
        except ResourceNotFoundError:
            return


def tags_of(address: BlobAddress, service: BlobServiceClient | None = None) -> dict[str, str]:
    """The blob's index tags. Raises BlobMissing."""
    with storage_errors(address.path):
        return blob_client(address, service).get_blob_tags()


def set_verdict(address: BlobAddress, verdict: str) -> None:
    """Writes the tag `verdict`; the other tags stay. Works on locked blobs too. Raises BlobMissing."""
    with storage_errors(address.path):
        blob = blob_client(address)
        blob.set_blob_tags({**blob.get_blob_tags(), VERDICT: verdict})


def delete_blob(address: BlobAddress) -> str | None:
    """Deletes the blob; None when it is gone, else why storage keeps it. A lease of somebody is never broken."""
    with storage_errors(address.path):
        try:
            blob_client(address).delete_blob()
        except ResourceNotFoundError:
            return None
        except HttpResponseError as error:
            kept = WHY_KEPT.get(code_of(error))
            if kept is None:
                raise
            return kept
    return None


def write_small_blob(address: BlobAddress, content: bytes, *, content_type: str, replace: bool = False) -> None:
    """Writes a blob in one request. Success also when the same bytes are there.

    Raises BlobExists when others are, unless those may be replaced.
    """
    ensure_container(address.container)
    with storage_errors(address.path):
        blob = blob_client(address)
        md5 = bytearray(hashlib.md5(content, usedforsecurity=False).digest())
        try:
            blob.upload_blob(
                content,
                overwrite=replace,
                content_settings=ContentSettings(content_type=content_type, content_md5=md5),
            )
        except (ResourceExistsError, ResourceModifiedError):
            if blob.download_blob().readall() != content:
                raise BlobExists(f"Another blob is at {address.path}; it is left as it is.") from None


def read_small_blob(address: BlobAddress) -> bytes:
    """The bytes of a blob that fits in memory. Raises BlobMissing."""
    with storage_errors(address.path):
        content: bytes = blob_client(address).download_blob().readall()
        return content


def _stored_blob(address: BlobAddress, found: BlobProperties) -> StoredBlob:
    return StoredBlob(
        address=address,
        size=found.size,
        md5=bytes(found.content_settings.content_md5 or b"").hex(),
        etag=found.etag,
        created_at=found.creation_time or found.last_modified,
        metadata=dict(found.metadata or {}),
    )
