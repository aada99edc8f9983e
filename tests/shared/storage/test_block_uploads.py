import threading
import time

import pytest

from shared.storage.block_plan import BlockPlan, BlockStep
from shared.storage.block_uploads import Block, BlockUploads
from shared.storage.errors import TransferStopped

pytestmark = pytest.mark.unit

STEP = BlockStep(first=0, size=16, uploads=2)
PLAN = BlockPlan((STEP,), limit=100)


class Gate:
    """A stage that lets blocks through one by one, when told to."""

    def __init__(self) -> None:
        self.waiting = 0
        self._lock = threading.Lock()
        self._passes = threading.Semaphore(0)

    def __call__(self, block: Block) -> None:
        with self._lock:
            self.waiting += 1
        self._passes.acquire()
        with self._lock:
            self.waiting -= 1

    def let_through(self, count: int) -> None:
        for _ in range(count):
            self._passes.release()

    def until_waiting(self, count: int) -> None:
        deadline = time.monotonic() + 5
        while self.waiting != count:
            assert time.monotonic() < deadline
            time.sleep(0.005)


def put(uploads: BlockUploads, index: int) -> None:
    uploads.put(Block(index, STEP, uploads.buffer(STEP), 16))


def test_the_producer_waits_when_two_blocks_are_in_flight_one_is_ready_and_one_is_filled() -> None:
    gate = Gate()
    uploads = BlockUploads(gate, PLAN)
    for index in range(3):
        put(uploads, index)
    gate.until_waiting(2)
    filled = uploads.buffer(STEP)
    got_more = threading.Event()

    def want_more() -> None:
        uploads.buffer(STEP)
        got_more.set()

    producer = threading.Thread(target=want_more)
    producer.start()
    assert not got_more.wait(0.2)
    gate.let_through(1)
    assert got_more.wait(5)
    producer.join()

    assert uploads.most_held == 4
    assert len(filled) == 16
    gate.let_through(10)
    uploads.close()


def test_a_buffer_is_used_again() -> None:
    uploads = BlockUploads(lambda block: None, PLAN)
    first = uploads.buffer(STEP)
    uploads.put(Block(0, STEP, first, 16))
    uploads.finish()

    assert uploads.buffer(STEP) is first
    uploads.close()


def test_a_larger_step_gets_larger_buffers_also_when_a_smaller_one_comes_back_later() -> None:
    gate = Gate()
    larger = BlockStep(1, 64, 2)
    uploads = BlockUploads(gate, PLAN)
    put(uploads, 0)
    first = uploads.buffer(larger)
    gate.let_through(10)
    uploads.finish()

    assert len(first) == 64
    assert len(uploads.buffer(larger)) == 64
    uploads.close()


def test_the_error_of_an_upload_reaches_the_producer_and_the_rest_is_not_staged() -> None:
    staged = []

    def stage(block: Block) -> None:
        staged.append(block.index)
        raise OSError("no way")

    uploads = BlockUploads(stage, BlockPlan((BlockStep(0, 16, 1),), 100))
    put(uploads, 0)

    with pytest.raises(OSError, match="no way"):
        uploads.finish()
    with pytest.raises(OSError, match="no way"):
        uploads.buffer(STEP)
    uploads.close()
    assert staged == [0]


def test_stop_wakes_a_producer_that_waits() -> None:
    gate = Gate()
    uploads = BlockUploads(gate, PLAN)
    for index in range(3):
        put(uploads, index)
    uploads.buffer(STEP)
    threading.Timer(0.1, uploads.stop).start()

    with pytest.raises(TransferStopped):
        uploads.buffer(STEP)
    gate.let_through(10)
    uploads.close()


def test_uploads_in_flight_follow_the_step_of_the_block() -> None:
    gate = Gate()
    uploads = BlockUploads(gate, PLAN)
    lonely = BlockStep(0, 16, 1)
    for index in range(3):
        uploads.put(Block(index, lonely, uploads.buffer(STEP), 16))
    gate.until_waiting(1)

    time.sleep(0.05)
    assert gate.waiting == 1
    gate.let_through(10)
    uploads.finish()
    uploads.close()
