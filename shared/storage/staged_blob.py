"""What becomes of staged blocks: a blob that appears whole, or nothing."""

from collections.abc import Mapping

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobClient, ContentSettings

from shared.errors import BlobExists
from shared.models.run import BlobAddress, Dump
from shared.storage.account import blob_client
from shared.storage.block_writer import block_id
from shared.storage.errors import storage_errors

# Marks the empty blob that exists for a moment while staged blocks are dropped; listings leave it out.
DISCARDED = "discarded"


def commit_blocks(dump: Dump, *, backup_id: str, metadata: Mapping[str, str], tags: Mapping[str, str]) -> None:
    """Makes the blob of what was staged. Success also when it was made before from the same stream.

    The content's MD5, the metadata and the tags are set in the same request, so that nothing needs to be written later
    to a blob that may be locked by then. Raises BlobExists when the name belongs to anything else.
    """
    blob = blob_client(dump.blob)
    identity = {"backup_id": backup_id, "sha256_stored": dump.sha256_stored}
    with storage_errors(dump.blob.path):
        try:
            blob.commit_block_list(
                [BlobBlock(block_id(dump.execution, index)) for index in range(dump.blocks)],
                content_settings=ContentSettings(
                    content_type="application/gzip", content_md5=bytearray.fromhex(dump.md5_stored)
                ),
                metadata={**_header_texts(metadata), **identity},
                tags=dict(tags),
                match_condition=MatchConditions.IfMissing,
            )
        except HttpResponseError:
            # The first answer may have been lost, or this whole step runs a second time.
            there = _metadata(blob)
            if there is None:
                raise
            if identity.items() <= there.items():
                return
            raise BlobExists(f"Another blob is at {dump.blob.path}; it is left as it is.") from None


def discard_blocks(address: BlobAddress) -> None:
    """Drops all staged blocks of a name that has no blob; a blob that is there is never touched. Repeatable.

    Azure deletes blobs, not staged blocks: those it drops when a blob is made of others. So an empty blob is made, on
    the condition that there is none, and exactly that one is deleted.
    """
    blob = blob_client(address)
    with storage_errors(address.path):
        try:
            blob.commit_block_list([], metadata={DISCARDED: "true"}, match_condition=MatchConditions.IfMissing)
        except ResourceNotFoundError:  # not even the container is there
            return
        except HttpResponseError:
            if _metadata(blob) is None:
                raise
        remove_mark(address)


def remove_mark(address: BlobAddress) -> None:
    """Deletes the empty blob of a `discard_blocks` that did not end; anything else stays."""
    blob = blob_client(address)
    with storage_errors(address.path):
        try:
            there = blob.get_blob_properties()
            if there.size == 0 and DISCARDED in there.metadata:
                blob.delete_blob(etag=there.etag, match_condition=MatchConditions.IfNotModified)
        except ResourceNotFoundError:
            return


def _metadata(blob: BlobClient) -> dict[str, str] | None:
    """Of the blob that is there; None when there is none."""
    try:
        metadata: dict[str, str] = blob.get_blob_properties().metadata
        return metadata
    except ResourceNotFoundError:
        return None


def _header_texts(metadata: Mapping[str, str]) -> dict[str, str]:
    """Metadata travel as headers: only ASCII passes."""
    return {name: text.encode("ascii", "replace").decode() for name, text in metadata.items()}
