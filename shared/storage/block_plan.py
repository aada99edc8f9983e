"""How large blocks are: they grow, because a blob takes 50,000 of them and nobody knows how long a dump becomes."""

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True)
class BlockStep:
    """From the block of index `first` on, blocks have `size` bytes and `uploads` of them are staged at one time."""

    first: int
    size: int
    uploads: int


@dataclass(frozen=True)
class BlockPlan:
    """Steps in the order of their first blocks, and the number of blocks that a blob takes."""

    steps: tuple[BlockStep, ...]
    limit: int

    @property
    def uploads(self) -> int:
        """The most uploads at one time of any step."""
        return max(step.uploads for step in self.steps)

    def step(self, index: int) -> BlockStep:
        """The step to which the block of this index belongs."""
        return next(step for step in reversed(self.steps) if step.first <= index)


# 1.87 TiB stored. More than 4 MiB selects Azure's path for high throughput. What is in flight stays at 64 MiB at most.
GROWING_BLOCKS = BlockPlan(
    steps=(
        BlockStep(first=0, size=8 * MIB, uploads=4),
        BlockStep(first=5_000, size=16 * MIB, uploads=4),
        BlockStep(first=15_000, size=32 * MIB, uploads=2),
        BlockStep(first=30_000, size=64 * MIB, uploads=1),
    ),
    limit=50_000,
)
