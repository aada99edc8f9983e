"""A stream on its way into the blocks of a blob: hashed, compressed, hashed again, cut and staged, never on disk."""

import hashlib
import mmap
from dataclasses import dataclass
from types import TracebackType

from azure.storage.blob import BlobClient

from shared.errors import StorageFull
from shared.storage.block_plan import GROWING_BLOCKS, BlockPlan
from shared.storage.block_uploads import Block, BlockUploads, Body
from shared.storage.compressor import gzip_compressor
from shared.storage.errors import TransferStopped, storage_errors


@dataclass(frozen=True)
class StagedBlocks:
    """What was staged: sizes in bytes, hashes in hex."""

    blocks: int
    bytes_read: int
    bytes_stored: int
    sha256_source: str
    sha256_stored: str
    md5_stored: str
    most_blocks_held: int
    """The most blocks that lay between source and storage at one time."""


def block_id(execution: str, index: int) -> str:
    """The name of a block. All names of a blob must have one length; `execution` tells two executions apart."""
    return f"{execution}{index:06d}"


class BlockWriter:
    """Writes one stream into uncommitted blocks of one blob; one thread writes, others may look on and `stop` it.

    A context manager: its threads end when it is left. The next `write` or `finish` raises the errors of storage,
    StorageFull when more than `max_size_bytes` would be stored or the blob's last block is full, and TransferStopped
    after `stop`.
    """

    def __init__(
        self,
        blob: BlobClient,
        *,
        execution: str,
        level: int,
        max_size_bytes: int,
        plan: BlockPlan = GROWING_BLOCKS,
    ) -> None:
        self._blob = blob
        self._path = f"{blob.container_name}/{blob.blob_name}"
        self._execution = execution
        self._max_size_bytes = max_size_bytes
        self._plan = plan
        self._compressor = gzip_compressor(level)
        self._sha256_source = hashlib.sha256()
        self._sha256_stored = hashlib.sha256()
        self._md5_stored = hashlib.md5(usedforsecurity=False)
        self._buffer: mmap.mmap | None = None
        self._filled = 0
        self._blocks = 0
        self._bytes_sent = 0
        self.bytes_read = 0
        self.bytes_stored = 0
        self._uploads = BlockUploads(self._stage, plan)

    @property
    def bytes_moved(self) -> int:
        """Bytes taken from the source and bytes sent to storage together: grows as long as anything moves."""
        return self.bytes_read + self._bytes_sent

    def write(self, data: bytes | memoryview) -> None:
        """Takes the next bytes of the stream; waits while storage is slower than the source."""
        self._uploads.check()
        self.bytes_read += len(data)
        self._sha256_source.update(data)
        self._store(self._compressor.compress(data))

    def finish(self) -> StagedBlocks:
        """Ends the stream and waits until all of it is staged."""
        self._store(self._compressor.flush())
        if self._buffer is not None:
            self._put(self._buffer)
        self._uploads.finish()
        return StagedBlocks(
            blocks=self._blocks,
            bytes_read=self.bytes_read,
            bytes_stored=self.bytes_stored,
            sha256_source=self._sha256_source.hexdigest(),
            sha256_stored=self._sha256_stored.hexdigest(),
            md5_stored=self._md5_stored.hexdigest(),
            most_blocks_held=self._uploads.most_held,
        )

    def stop(self) -> None:
        """Makes the writing thread fail with TransferStopped, also when it waits. May be called by any thread."""
        self._uploads.stop()

    def __enter__(self) -> "BlockWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._uploads.close()

    def _store(self, piece: bytes) -> None:
        """Hashes compressed bytes and copies them into blocks."""
        self._sha256_stored.update(piece)
        self._md5_stored.update(piece)
        self.bytes_stored += len(piece)
        if self.bytes_stored > self._max_size_bytes:
            raise StorageFull(
                f"The backup {self._path} would be larger than {self._max_size_bytes} bytes stored, "
                "the limit of setting BACKUP_MAX_SIZE_GB."
            )
        rest = memoryview(piece)
        while rest:
            step = self._plan.step(self._blocks)
            if self._buffer is None:
                self._buffer = self._next_buffer()
            part = rest[: step.size - self._filled]
            self._buffer[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            rest = rest[len(part) :]
            if self._filled == step.size:
                self._put(self._buffer)

    def _next_buffer(self) -> mmap.mmap:
        if self._blocks == self._plan.limit:
            raise StorageFull(
                f"The backup {self._path} fills all {self._plan.limit} blocks of a blob "
                f"({self.bytes_stored} bytes stored); a larger one cannot be stored in one blob."
            )
        return self._uploads.buffer(self._plan.step(self._blocks))

    def _put(self, buffer: mmap.mmap) -> None:
        self._uploads.put(Block(self._blocks, self._plan.step(self._blocks), buffer, self._filled))
        self._blocks += 1
        self._buffer = None
        self._filled = 0

    def _stage(self, block: Block) -> None:
        """Stages one block, in a thread of its own. The service checks its MD5."""
        with memoryview(block.buffer) as whole, whole[: block.size] as data:
            md5 = hashlib.md5(data, usedforsecurity=False).digest()
        with storage_errors(self._path):
            self._blob.stage_block(
                block_id(self._execution, block.index),
                Body(block, self._sent),  # type: ignore[arg-type]  # an Iterable with a length, as requests want it
                length=block.size,
                transactional_content_md5=bytearray(md5),
                stop=self._uploads.stopped,
            )

    def _sent(self, count: int) -> None:
        # Threads may lose a count to each other; all that matters is that it grows while bytes move.
        self._bytes_sent += count
        if self._uploads.stopped.is_set():
            raise TransferStopped
