"""What a stream may take: memory that does not depend on its size, few blocks on their way, and no disk.

Each dump runs in a process of its own, with the product's block sizes, against a store slower than its source.
"""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from bench.stream_worker import Taken, Work
from tests.support.dumps import scripted
from tests.support.fault_proxy import FaultProxy

MIB = 1024 * 1024
ROOT = Path(__file__).parents[2]
BYTES_PER_SECOND = 8_000_000  # of each of the four connections


@pytest.fixture(scope="session")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """32 MiB that compress to about 40 %, as dumps do."""
    numbers = random.Random(9)
    words = [numbers.randbytes(6).hex() for _ in range(4000)]
    lines = (f"({number},'{' '.join(numbers.choices(words, k=12))}'),\n" for number in range(100_000))
    text = "".join(lines).encode()
    path: Path = tmp_path_factory.mktemp("pattern") / "pattern"
    path.write_bytes((text * (32 * MIB // len(text) + 1))[: 32 * MIB])
    return path


def streamed(folder: Path, pattern: Path, size: int) -> Taken:
    """What the stream of `size` bytes took, in a process that has no folder for temporary files."""
    claimed = scripted(folder, f"while cat {pattern} 2>/dev/null; do :; done | head -c {size}")
    work = folder / f"work-{size}"
    work.write_text(Work(request=claimed.request).model_dump_json())
    answer = subprocess.run(
        [sys.executable, "-m", "bench.stream_worker", str(work)],
        env={**os.environ, "TMPDIR": "/nonexistent", "PYTHONPATH": f"{ROOT}:{ROOT}/http"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=120,
        check=True,
    )
    took = Taken.model_validate_json(answer.stdout)
    assert took.dump.bytes_read == size
    return took


def test_a_gibibyte_takes_few_blocks_little_memory_and_no_disk_however_slow_the_store(
    tmp_path: Path, proxy: FaultProxy, pattern: Path
) -> None:
    proxy.bytes_per_second = BYTES_PER_SECOND
    small, large = streamed(tmp_path, pattern, 200 * MIB), streamed(tmp_path, pattern, 1024 * MIB)

    assert 4 < large.most_blocks_held <= 4 + 2  # more than are in flight, so the store was the slower one
    assert large.added_memory <= 68 * MIB
    assert abs(large.added_memory - small.added_memory) <= 8 * MIB
    assert large.large_files == ()
    assert large.disk_bytes < MIB
