import gzip
import hashlib

import pytest

from shared.errors import BlobExists, StorageUnavailable
from shared.models.run import BlobAddress, Dump
from shared.storage.account import blob_client, blob_service
from shared.storage.blobs import list_blobs, tags_of
from shared.storage.block_writer import BlockWriter, block_id
from shared.storage.staged_blob import DISCARDED, commit_blocks, discard_blocks, remove_mark
from tests.support.fault_proxy import FaultProxy

TEXT = b"CREATE TABLE t (a int);\n" * 100
METADATA = {"database_id": "orders", "server": "10.11-ñ"}
TAGS = {"database_id": "orders", "backup_id": "backup-1", "verdict": "unverified"}


def stage(address: BlobAddress, text: bytes = TEXT, *, execution: str = "abcd1234") -> Dump:
    with BlockWriter(blob_client(address), execution=execution, level=2, max_size_bytes=10**9) as stream:
        stream.write(text)
        staged = stream.finish()
    return Dump(blob=address, execution=execution, seconds=1, **vars(staged))


def commit(dump: Dump, backup_id: str = "backup-1") -> None:
    commit_blocks(dump, backup_id=backup_id, metadata=METADATA, tags=TAGS)


def uncommitted(address: BlobAddress) -> list[str]:
    """Names of all blobs, those of staged blocks included."""
    pages = blob_service().get_container_client(address.container)
    return [found.name for found in pages.list_blobs(include=["uncommittedblobs"])]


def test_the_blob_appears_whole_with_its_hash_metadata_and_tags(address: BlobAddress) -> None:
    dump = stage(address)
    assert list(list_blobs(address.container)) == []
    commit(dump)

    blob = blob_client(address)
    properties = blob.get_blob_properties()
    stored = blob.download_blob().readall()
    assert gzip.decompress(stored) == TEXT
    assert bytes(properties.content_settings.content_md5 or b"") == hashlib.md5(stored).digest()
    assert properties.content_settings.content_type == "application/gzip"
    assert properties.metadata == {
        "database_id": "orders",
        "server": "10.11-?",
        "backup_id": "backup-1",
        "sha256_stored": dump.sha256_stored,
    }
    assert tags_of(address) == TAGS


def test_committing_twice_is_success(address: BlobAddress) -> None:
    dump = stage(address)
    commit(dump)

    commit(dump)

    assert len(list(list_blobs(address.container))) == 1


def test_a_commit_whose_answer_is_lost_is_success(address: BlobAddress, proxy: FaultProxy) -> None:
    dump = stage(address)
    proxy.lose_answer(to="commit")

    commit(dump)

    assert proxy.seen["commit"] == 2


def test_a_blob_of_another_backup_is_left_as_it_is(address: BlobAddress) -> None:
    """BR-58."""
    commit(stage(address))
    other = stage(address, b"other", execution="efgh5678")

    with pytest.raises(BlobExists, match=address.name):
        commit(other, "backup-2")

    assert gzip.decompress(blob_client(address).download_blob().readall()) == TEXT


def test_only_the_blocks_of_its_own_execution_are_committed(address: BlobAddress) -> None:
    stage(address, b"first execution, given up", execution="aaaa1111")
    commit(stage(address, execution="bbbb2222"))

    assert gzip.decompress(blob_client(address).download_blob().readall()) == TEXT


def test_a_commit_of_blocks_that_are_gone_asks_for_a_new_dump(address: BlobAddress) -> None:
    dump = stage(address)
    discard_blocks(address)

    with pytest.raises(StorageUnavailable, match="InvalidBlockList"):
        commit(dump)


def test_discarding_leaves_neither_a_blob_nor_staged_blocks(address: BlobAddress) -> None:
    """BR-56."""
    stage(address)
    assert uncommitted(address) == [address.name]

    discard_blocks(address)
    discard_blocks(address)

    assert uncommitted(address) == []


def test_discarding_never_touches_a_blob_that_was_committed(address: BlobAddress) -> None:
    commit(stage(address))
    stage(address, b"left over", execution="efgh5678")

    discard_blocks(address)

    assert gzip.decompress(blob_client(address).download_blob().readall()) == TEXT


def test_discarding_in_a_container_that_is_not_there_is_no_error(address: BlobAddress) -> None:
    discard_blocks(BlobAddress(container=f"{address.container}-none", name="x"))
    remove_mark(BlobAddress(container=f"{address.container}-none", name="x"))


def test_a_store_that_does_not_answer_is_an_error_of_discarding(address: BlobAddress, proxy: FaultProxy) -> None:
    stage(address)
    proxy.answer(503, "ServerBusy", to="commit", retry_after=100)

    with pytest.raises(StorageUnavailable):
        discard_blocks(address)


def test_the_mark_of_a_discard_that_was_cut_short_is_not_listed_and_is_removed(address: BlobAddress) -> None:
    blob_client(address).commit_block_list([], metadata={DISCARDED: "true"})
    assert list(list_blobs(address.container)) == []

    remove_mark(address)

    assert uncommitted(address) == []


def test_removing_a_mark_leaves_staged_blocks_and_blobs_alone(address: BlobAddress) -> None:
    dump = stage(address)
    remove_mark(address)
    commit(dump)
    remove_mark(address)

    assert [found.address for found in list_blobs(address.container)] == [address]


def test_block_names_of_one_blob_have_one_length() -> None:
    assert {len(block_id("abcd1234", index)) for index in (0, 9, 49_999)} == {14}
