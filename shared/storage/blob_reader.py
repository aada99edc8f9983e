"""Reads a backup back from storage, through a client that did not write it, and takes it apart as it comes."""

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass

from azure.core import MatchConditions
from azure.core.exceptions import ResourceModifiedError
from azure.storage.blob import BlobClient
from isal import isal_zlib

from shared.errors import BackupCorrupted
from shared.models.run import BlobAddress
from shared.storage.account import blob_client, fresh_client
from shared.storage.blobs import stored_blob
from shared.storage.block_plan import MIB
from shared.storage.compressor import GZIP
from shared.storage.errors import TransferStopped, storage_errors

RANGE_BYTES = 8 * MIB
RANGES_IN_FLIGHT = 2
# The decompressor copies what it did not take yet, so it gets little at a time; what it gives is bounded too.
COMPRESSED_PIECE_BYTES = 64 * 1024
SOURCE_PIECE_BYTES = 512 * 1024
WAIT_SECONDS = 0.5
GzipError: type[Exception] = isal_zlib.IsalError  # type: ignore[assignment]  # its stub makes it an instance


@dataclass(frozen=True)
class ReadBack:
    """What was read: sizes in bytes, hashes in hex, and what is wrong with the gzip container, if anything."""

    bytes_stored: int
    sha256_stored: str
    md5_stored: str
    bytes_read: int
    sha256_source: str
    gzip_fault: str | None


def read_back(
    address: BlobAddress,
    feed: Callable[[bytes], None] | None = None,
    *,
    moved: Callable[[int], None] = lambda count: None,
    stop: threading.Event | None = None,
    range_bytes: int = RANGE_BYTES,
) -> ReadBack:
    """Reads the blob to its end and feeds what it decompresses to; tells `moved` how many stored bytes came.

    A broken container is told in the result, so that the hash of the stored bytes is known all the same; `feed` then
    got what lay before the fault. Raises BlobMissing, BackupCorrupted when the blob changes meanwhile, the errors of
    storage, TransferStopped soon after `stop` is set, and whatever `feed` raises. Memory does not depend on the size.
    """
    sha256_stored, sha256_source = hashlib.sha256(), hashlib.sha256()
    md5_stored = hashlib.md5(usedforsecurity=False)
    member = GzipMember()
    bytes_stored = bytes_read = 0
    with closing(_ranges(address, range_bytes, stop or threading.Event())) as ranges:
        for data in ranges:
            sha256_stored.update(data)
            md5_stored.update(data)
            bytes_stored += len(data)
            for piece in member.decompress(data):
                sha256_source.update(piece)
                bytes_read += len(piece)
                if feed is not None:
                    feed(piece)
            moved(len(data))
    return ReadBack(
        bytes_stored=bytes_stored,
        sha256_stored=sha256_stored.hexdigest(),
        md5_stored=md5_stored.hexdigest(),
        bytes_read=bytes_read,
        sha256_source=sha256_source.hexdigest(),
        gzip_fault=member.fault_at_end(),
    )


class GzipMember:
    """Decompresses exactly one gzip member (RFC 1952), checksum and length included, with nothing behind it."""

    def __init__(self) -> None:
        self._decompressor = isal_zlib.decompressobj(GZIP)
        self._fault: str | None = None

    def decompress(self, data: bytes) -> Iterator[bytes]:
        """The pieces that `data` adds; none after a fault."""
        whole = memoryview(data)
        for start in range(0, len(whole), COMPRESSED_PIECE_BYTES):
            piece: bytes | memoryview = whole[start : start + COMPRESSED_PIECE_BYTES]
            pending = True
            while pending and self._fault is None:
                if self._decompressor.eof:
                    self._fault = "there are bytes behind the end of the gzip member"
                    return
                try:
                    plain: bytes = self._decompressor.decompress(piece, SOURCE_PIECE_BYTES)
                except GzipError as error:
                    self._fault = f"the gzip member is damaged ({error})"
                    return
                if plain:
                    yield plain
                piece = self._decompressor.unconsumed_tail or self._decompressor.unused_data
                pending = bool(piece) or (len(plain) == SOURCE_PIECE_BYTES and not self._decompressor.eof)

    def fault_at_end(self) -> str | None:
        """What is wrong, now that no more comes; None when the member is whole."""
        if self._fault is None and not self._decompressor.eof:
            return "the gzip member has no end"
        return self._fault


def _ranges(address: BlobAddress, size: int, stop: threading.Event) -> Generator[bytes, None, None]:
    """The blob's bytes in order, two ranges ahead, all of one version of the blob."""
    with fresh_client() as service:
        found = stored_blob(address, service)
        blob = blob_client(address, service)
        starts = iter(range(0, found.size, size))
        ahead: deque[Future[bytes]] = deque()
        threads = ThreadPoolExecutor(RANGES_IN_FLIGHT, "blob range")
        try:
            while True:
                while len(ahead) < RANGES_IN_FLIGHT and (start := next(starts, None)) is not None:
                    length = min(size, found.size - start)
                    ahead.append(threads.submit(_range, blob, address.path, start, length, found.etag, stop))
                if not ahead:
                    return
                yield _result(ahead.popleft(), stop)
        finally:
            # A request in flight cannot be interrupted: its answer is not waited for.
            threads.shutdown(wait=False, cancel_futures=True)


def _result(future: "Future[bytes]", stop: threading.Event) -> bytes:
    """What the future gives; TransferStopped soon after `stop` is set, although it may take longer."""
    while not stop.is_set():
        if wait([future], WAIT_SECONDS).done:
            return future.result()
    raise TransferStopped


def _range(blob: BlobClient, path: str, start: int, length: int, etag: str, stop: threading.Event) -> bytes:
    with storage_errors(path):
        try:
            download = blob.download_blob(
                offset=start, length=length, etag=etag, match_condition=MatchConditions.IfNotModified, stop=stop
            )
            data: bytes = download.readall()
        except ResourceModifiedError as error:
            raise BackupCorrupted(f"The blob {path} changed while it was read back.") from error
    return data
