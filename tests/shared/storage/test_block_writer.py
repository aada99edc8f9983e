import gzip
import hashlib
import random
import threading
import time

import pytest
from azure.storage.blob import BlobBlock

from shared.errors import StorageDenied, StorageFull, StorageUnavailable
from shared.models.run import BlobAddress
from shared.storage.account import blob_client
from shared.storage.block_plan import BlockPlan, BlockStep
from shared.storage.block_writer import BlockWriter, StagedBlocks, block_id
from shared.storage.errors import TransferStopped
from tests.support.fault_proxy import FaultProxy

KIB = 1024
SMALL_BLOCKS = BlockPlan((BlockStep(0, 64 * KIB, 4),), limit=50_000)
NOISE = random.Random(3).randbytes(1_000_000)


def writer(address: BlobAddress, *, plan: BlockPlan = SMALL_BLOCKS, level: int = 2, limit: int = 10**9) -> BlockWriter:
    return BlockWriter(blob_client(address), execution="abcd1234", level=level, max_size_bytes=limit, plan=plan)


def staged_bytes(address: BlobAddress, staged: StagedBlocks) -> bytes:
    """The stored bytes, made a blob just to read them."""
    blob = blob_client(address)
    blob.commit_block_list([BlobBlock(block_id("abcd1234", index)) for index in range(staged.blocks)])
    data: bytes = blob.download_blob().readall()
    return data


def write_in_pieces(stream: BlockWriter, data: bytes, size: int = 10_000) -> StagedBlocks:
    for start in range(0, len(data), size):
        stream.write(memoryview(data)[start : start + size])
    return stream.finish()


@pytest.mark.parametrize("level", [0, 2, 6])
def test_the_stored_bytes_decompress_to_the_stream_and_have_the_told_hashes(address: BlobAddress, level: int) -> None:
    with writer(address, level=level) as stream:
        staged = write_in_pieces(stream, NOISE)

    stored = staged_bytes(address, staged)
    assert gzip.decompress(stored) == NOISE
    assert staged == StagedBlocks(
        blocks=-(-len(stored) // (64 * KIB)),
        bytes_read=len(NOISE),
        bytes_stored=len(stored),
        sha256_source=hashlib.sha256(NOISE).hexdigest(),
        sha256_stored=hashlib.sha256(stored).hexdigest(),
        md5_stored=hashlib.md5(stored).hexdigest(),
        most_blocks_held=staged.most_blocks_held,
    )


def test_an_empty_stream_is_an_empty_gzip_member(address: BlobAddress) -> None:
    with writer(address) as stream:
        staged = stream.finish()

    assert staged.bytes_read == 0
    assert gzip.decompress(staged_bytes(address, staged)) == b""


def test_sixty_kibibytes_fit_into_fifty_blocks_that_begin_with_one_kibibyte(address: BlobAddress) -> None:
    """BR-57."""
    plan = BlockPlan((BlockStep(0, KIB, 4), BlockStep(10, 2 * KIB, 2), BlockStep(30, 4 * KIB, 1)), limit=50)
    data = NOISE[: 60 * KIB]
    with writer(address, plan=plan, level=0) as stream:
        staged = write_in_pieces(stream, data)

    assert 30 < staged.blocks <= 50
    assert gzip.decompress(staged_bytes(address, staged)) == data


def test_a_stream_that_fills_the_last_block_is_refused_with_the_number_of_blocks(address: BlobAddress) -> None:
    plan = BlockPlan((BlockStep(0, KIB, 4),), limit=50)
    with writer(address, plan=plan, level=0) as stream, pytest.raises(StorageFull, match="50 blocks"):
        write_in_pieces(stream, NOISE)


def test_a_stream_beyond_the_size_limit_is_refused_with_the_limit_named(address: BlobAddress) -> None:
    with writer(address, limit=100_000) as stream, pytest.raises(StorageFull, match=r"100000 .*BACKUP_MAX_SIZE_GB"):
        write_in_pieces(stream, NOISE)

    assert stream.bytes_stored < 200_000


def test_no_more_than_the_uploads_and_two_blocks_are_held_before_a_slow_store(
    address: BlobAddress, proxy: FaultProxy
) -> None:
    proxy.bytes_per_second = 500_000
    with writer(address) as stream:
        staged = write_in_pieces(stream, NOISE)

    assert staged.most_blocks_held == 4 + 2
    assert gzip.decompress(staged_bytes(address, staged)) == NOISE


def test_503_for_the_first_blocks_is_survived(address: BlobAddress, proxy: FaultProxy) -> None:
    """BR-62."""
    proxy.answer(503, "ServerBusy", to="block", times=3)
    with writer(address) as stream:
        staged = write_in_pieces(stream, NOISE)

    assert proxy.seen["block"] == staged.blocks + 3
    assert gzip.decompress(staged_bytes(address, staged)) == NOISE


def test_a_connection_lost_amid_a_block_is_survived_with_the_same_bytes(
    address: BlobAddress, proxy: FaultProxy
) -> None:
    """BR-62."""
    proxy.drop(to="block", after_bytes=30_000, times=2)
    with writer(address) as stream:
        staged = write_in_pieces(stream, NOISE)

    assert gzip.decompress(staged_bytes(address, staged)) == NOISE


def test_a_block_damaged_on_its_way_is_not_stored(address: BlobAddress, proxy: FaultProxy) -> None:
    proxy.damage(to="block")
    with writer(address) as stream, pytest.raises(StorageUnavailable):
        write_in_pieces(stream, NOISE)


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [(403, "AuthorizationFailure", StorageDenied), (409, "MemoryExtentStoreAtSizeLimit", StorageFull)],
)
def test_a_refused_block_ends_the_stream_at_once(
    address: BlobAddress, proxy: FaultProxy, status: int, code: str, error: type[Exception]
) -> None:
    proxy.answer(status, code, to="block", times=1000)
    with writer(address) as stream, pytest.raises(error):
        for _ in range(1000):
            stream.write(NOISE)

    assert stream.bytes_read < 5_000_000


def test_stop_ends_a_stream_that_waits_for_a_hanging_store_within_seconds(
    address: BlobAddress, proxy: FaultProxy
) -> None:
    proxy.hang(to="block", times=1000)
    started = time.monotonic()
    with writer(address) as stream:
        threading.Timer(0.3, stream.stop).start()
        with pytest.raises(TransferStopped):
            write_in_pieces(stream, NOISE)

    assert time.monotonic() - started < 20


def test_stop_ends_a_block_that_is_being_sent_slowly(address: BlobAddress, proxy: FaultProxy) -> None:
    proxy.bytes_per_second = 50_000
    plan = BlockPlan((BlockStep(0, 8 * KIB * KIB, 1),), limit=10)
    before = threading.active_count()
    with writer(address, plan=plan, level=0) as stream:
        for _ in range(9):
            stream.write(NOISE)
        moved = stream.bytes_moved
        deadline = time.monotonic() + 10
        while stream.bytes_moved == moved and time.monotonic() < deadline:
            time.sleep(0.01)
        stream.stop()
        with pytest.raises(TransferStopped):
            stream.finish()

    assert stream.bytes_moved > moved
    assert threading.active_count() <= before + 1


def test_leaving_the_writer_ends_its_threads(address: BlobAddress) -> None:
    before = threading.active_count()
    with writer(address) as stream:
        write_in_pieces(stream, NOISE)

    assert threading.active_count() == before
