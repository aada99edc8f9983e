"""Stages blocks in parallel and holds the producer back: memory is bounded by a few blocks whatever the speeds."""

import mmap
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from shared.storage.block_plan import BlockPlan, BlockStep
from shared.storage.errors import TransferStopped

PIECE_BYTES = 256 * 1024
JOIN_SECONDS = 3.0


@dataclass(frozen=True)
class Block:
    """A block that is ready to be staged: its place in the blob, and its bytes in a buffer that will be used again."""

    index: int
    step: BlockStep
    buffer: mmap.mmap
    size: int


class Body:
    """The bytes of one block as a request's body: sent in pieces, from the start at each try, counted as they go."""

    def __init__(self, block: Block, sent: Callable[[int], None]) -> None:
        self._block = block
        self._sent = sent

    def __len__(self) -> int:
        return self._block.size

    def __iter__(self) -> Iterator[memoryview]:
        with memoryview(self._block.buffer) as whole:
            for start in range(0, self._block.size, PIECE_BYTES):
                with whole[start : min(start + PIECE_BYTES, self._block.size)] as piece:
                    yield piece
                    self._sent(len(piece))


class BlockUploads:
    """Buffers to fill, and threads that stage what was filled.

    At most `uploads` blocks are in flight, one is ready behind them and one is being filled: `most_held` tells the
    highest count of the three together. The memory for all of them is taken at the start and used again: a stream that
    can begin does not run out of memory in its fourth hour, unless its blocks grow.
    """

    def __init__(self, stage: Callable[[Block], None], plan: BlockPlan) -> None:
        self._stage = stage
        self._changed = threading.Condition()
        self._ready: deque[Block] = deque()
        first = plan.steps[0]
        self._size = first.size
        self._free = [_memory(first.size) for _ in range(first.uploads + 2)]
        self._held = 0
        self._in_flight = 0
        self._error: BaseException | None = None
        self.most_held = 0
        self.stopped = threading.Event()
        # Daemons, because a request in flight cannot be interrupted: `close` does not wait for its answer.
        self._threads = [
            threading.Thread(target=self._work, name=f"block upload {number}", daemon=True)
            for number in range(plan.uploads)
        ]
        for thread in self._threads:
            thread.start()

    def buffer(self, step: BlockStep) -> mmap.mmap:
        """An empty buffer of the step's size; waits until few enough blocks are held. Raises the error of an upload."""
        with self._changed:
            while not self._error and self._held >= step.uploads + 2:
                self._changed.wait()
            self.check()
            self._held += 1
            self.most_held = max(self.most_held, self._held)
            if step.size != self._size:
                self._size = step.size
                self._free.clear()
            return self._free.pop() if self._free else _memory(step.size)

    def put(self, block: Block) -> None:
        """Hands a filled block over."""
        with self._changed:
            self._ready.append(block)
            self._changed.notify_all()

    def finish(self) -> None:
        """Waits until all blocks are staged. Raises the error of an upload."""
        with self._changed:
            while not self._error and (self._ready or self._in_flight):
                self._changed.wait()
            self.check()

    def check(self) -> None:
        """Raises the error of an upload, or TransferStopped after `stop`."""
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Ends all uploads as soon as each can be ended. May be called by any thread."""
        self._fail(TransferStopped())

    def close(self) -> None:
        """Stops, and waits a moment for the threads."""
        self.stop()
        deadline = time.monotonic() + JOIN_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            if self._error is None:
                self._error = error
            self.stopped.set()
            self._changed.notify_all()

    def _work(self) -> None:
        while (block := self._next()) is not None:
            try:
                self._stage(block)
            except BaseException as error:  # a seam: it is raised again in the producer's thread
                self._fail(error)
            self._give_back(block)

    def _next(self) -> Block | None:
        """The next block, once one more may be in flight; None when there is nothing left to do."""
        with self._changed:
            while not self._error and not (self._ready and self._in_flight < self._ready[0].step.uploads):
                self._changed.wait()
            if self._error:
                return None
            self._in_flight += 1
            return self._ready.popleft()

    def _give_back(self, block: Block) -> None:
        with self._changed:
            self._in_flight -= 1
            self._held -= 1
            if len(block.buffer) == self._size:
                self._free.append(block.buffer)
            self._changed.notify_all()


def _memory(size: int) -> mmap.mmap:
    """Memory that is there, not only promised, and that the system gets back at once."""
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
