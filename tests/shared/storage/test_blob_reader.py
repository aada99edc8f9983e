import gzip
import hashlib
import random
import threading
import time
import zlib
from collections.abc import Callable

import pytest

from shared.errors import BackupCorrupted, BlobMissing, StorageUnavailable
from shared.models.run import BlobAddress
from shared.storage.account import blob_client
from shared.storage.blob_reader import SOURCE_PIECE_BYTES, GzipMember, ReadBack, read_back
from shared.storage.errors import TransferStopped
from tests.support.fault_proxy import FaultProxy

NOISE = random.Random(5).randbytes(300_000)
SOURCE = NOISE + b"\0" * 5_000_000 + NOISE


def store(address: BlobAddress, data: bytes) -> None:
    blob_client(address).upload_blob(data, overwrite=True)


def read_all(address: BlobAddress, *, range_bytes: int = 65_536) -> tuple[ReadBack, bytes]:
    fed: list[bytes] = []
    back = read_back(address, fed.append, range_bytes=range_bytes)
    return back, b"".join(fed)


@pytest.mark.parametrize("range_bytes", [1000, 65_536, 10**7])
def test_hashes_sizes_and_content_come_back(address: BlobAddress, range_bytes: int) -> None:
    stored = gzip.compress(SOURCE[:1000] if range_bytes == 1000 else SOURCE)
    store(address, stored)

    back, content = read_all(address, range_bytes=range_bytes)

    assert content == gzip.decompress(stored)
    assert back == ReadBack(
        bytes_stored=len(stored),
        sha256_stored=hashlib.sha256(stored).hexdigest(),
        md5_stored=hashlib.md5(stored).hexdigest(),
        bytes_read=len(content),
        sha256_source=hashlib.sha256(content).hexdigest(),
        gzip_fault=None,
    )


def flipped(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)


FAULTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut by one byte": (lambda data: data[:-1], "no end"),
    "cut in half": (lambda data: data[: len(data) // 2], "no end"),
    "a bit flipped in the data": (lambda data: flipped(data, len(data) // 4), "damaged"),
    "a wrong checksum": (lambda data: flipped(data, -5), "damaged"),
    "a wrong length": (lambda data: flipped(data, -1), "damaged"),
    "not gzip": (lambda data: NOISE, "damaged"),
    "one byte behind the end": (lambda data: data + b"\0", "behind the end"),
    "a second member": (lambda data: data + data, "behind the end"),
    "nothing": (lambda data: b"", "no end"),
}


@pytest.mark.parametrize(("change", "fault"), FAULTS.values(), ids=FAULTS.keys())
def test_a_broken_container_is_told_together_with_the_hash_of_what_is_stored(
    address: BlobAddress, change: Callable[[bytes], bytes], fault: str
) -> None:
    stored = change(gzip.compress(SOURCE))
    store(address, stored)

    back, _ = read_all(address)

    assert back.gzip_fault is not None
    assert fault in back.gzip_fault
    assert back.sha256_stored == hashlib.sha256(stored).hexdigest()


@pytest.mark.unit
@pytest.mark.parametrize("size", [0, 1, SOURCE_PIECE_BYTES - 1, SOURCE_PIECE_BYTES, SOURCE_PIECE_BYTES * 3])
@pytest.mark.parametrize("step", [1, 7, 10**9])
def test_a_member_ends_where_its_end_is_whatever_the_pieces(size: int, step: int) -> None:
    member = GzipMember()
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    stored = compressor.compress(b"\0" * size) + compressor.flush()
    pieces = [stored[start : start + step] for start in range(0, len(stored), step)]

    plain = b"".join(plain for piece in pieces for plain in member.decompress(piece))

    assert member.fault_at_end() is None
    assert plain == b"\0" * size


def test_no_piece_is_larger_than_the_bound_however_well_it_was_compressed(address: BlobAddress) -> None:
    store(address, gzip.compress(b"\0" * 50_000_000))
    sizes: list[int] = []

    read_back(address, lambda data: sizes.append(len(data)))

    assert sum(sizes) == 50_000_000
    assert max(sizes) <= SOURCE_PIECE_BYTES


def test_a_blob_that_changes_while_it_is_read_is_corrupted(address: BlobAddress) -> None:
    store(address, gzip.compress(NOISE))
    done = threading.Event()

    def change_once(data: bytes) -> None:
        if not done.is_set():
            done.set()
            store(address, gzip.compress(NOISE[::-1]))

    with pytest.raises(BackupCorrupted, match="changed"):
        read_back(address, change_once, range_bytes=10_000)


def test_a_blob_that_is_not_there_is_missing(address: BlobAddress) -> None:
    with pytest.raises(BlobMissing):
        read_back(address)


def test_a_store_that_does_not_answer_is_unavailable(address: BlobAddress, proxy: FaultProxy) -> None:
    store(address, gzip.compress(NOISE))
    proxy.answer(503, "ServerBusy", to="read", retry_after=1000)

    with pytest.raises(StorageUnavailable):
        read_back(address)


def test_a_connection_lost_while_reading_is_survived(address: BlobAddress, proxy: FaultProxy) -> None:
    store(address, gzip.compress(NOISE))
    proxy.lose_answer(to="read", times=2)

    assert read_back(address).bytes_read == len(NOISE)


def test_bytes_are_told_as_they_come(address: BlobAddress) -> None:
    stored = gzip.compress(NOISE)
    store(address, stored)
    counts: list[int] = []

    read_back(address, moved=counts.append, range_bytes=100_000)

    assert sum(counts) == len(stored)
    assert len(counts) == -(-len(stored) // 100_000)


def test_stop_ends_a_read_that_waits_for_a_hanging_store(address: BlobAddress, proxy: FaultProxy) -> None:
    store(address, gzip.compress(NOISE))
    proxy.hang(to="read", times=10)
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    started = time.monotonic()

    with pytest.raises(TransferStopped):
        read_back(address, stop=stop)

    assert time.monotonic() - started < 3
