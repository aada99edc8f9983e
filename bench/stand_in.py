"""A stream longer than any database that a benchmark can make: a script stands in for the dump tool."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

from bench.data import rows
from bench.installation import claimed
from bench.stream_worker import Taken, Work
from bench.targets import Figure
from shared.models.database import DatabaseConfig
from shared.models.run import DumpRequest

MIB = 1024 * 1024
SMALL_BYTES = 100_000_000
PATTERN_ROWS = 200_000


def measure_growth(folder: Path, gibibytes: int, config: DatabaseConfig, run: Callable[[Work], Taken]) -> list[Figure]:
    """How much more memory a long stream takes than a short one."""
    pattern = folder / "pattern"
    pattern.write_text("".join(islice(rows("orders", 10**9), PATTERN_ROWS)))
    taken = []
    for size in (SMALL_BYTES, gibibytes * 1024 * MIB):
        with claimed(config) as request:
            taken.append(run(Work(request=_streaming(request, folder, pattern, size))))
    small, large = taken
    return [
        Figure(
            f"memory at {gibibytes} GiB less memory at 100 MB",
            [(large.added_memory - small.added_memory) / MIB],
            "<=",
            8,
            "MiB",
        ),
        Figure(f"memory added at {gibibytes} GiB", [large.added_memory / MIB], "<=", 68, "MiB"),
        Figure(f"most blocks on their way at {gibibytes} GiB", [large.most_blocks_held], "<=", 6),
        Figure(f"written to disk at {gibibytes} GiB", [large.disk_bytes + len(large.large_files)], "<=", 0, "B"),
    ]


def _streaming(request: DumpRequest, folder: Path, pattern: Path, size: int) -> DumpRequest:
    """The request with a tool that repeats the pattern until it has written `size` bytes."""
    program = folder / f"stand-in-{size}"
    program.write_text(f"#!/bin/sh\nwhile cat {pattern} 2>/dev/null; do :; done | head -c {size}\n")
    program.chmod(0o755)
    return request.model_copy(update={"tool": request.tool.model_copy(update={"path": str(program)})})
