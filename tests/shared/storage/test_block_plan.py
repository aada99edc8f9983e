import pytest

from shared.storage.block_plan import GROWING_BLOCKS, MIB, BlockPlan, BlockStep

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("index", "mebibytes", "uploads"),
    [(0, 8, 4), (4_999, 8, 4), (5_000, 16, 4), (14_999, 16, 4), (15_000, 32, 2), (30_000, 64, 1), (49_999, 64, 1)],
)
def test_blocks_grow_with_their_number(index: int, mebibytes: int, uploads: int) -> None:
    assert GROWING_BLOCKS.step(index) == BlockStep(GROWING_BLOCKS.step(index).first, mebibytes * MIB, uploads)


def test_what_is_in_flight_never_exceeds_64_mebibytes() -> None:
    assert max(step.size * step.uploads for step in GROWING_BLOCKS.steps) == 64 * MIB


def test_fifty_thousand_blocks_hold_more_than_one_and_a_half_tebibytes() -> None:
    whole = sum(GROWING_BLOCKS.step(index).size for index in range(GROWING_BLOCKS.limit))

    assert whole > 1.85 * 1024**4


def test_a_plan_knows_its_most_uploads() -> None:
    assert BlockPlan((BlockStep(0, 1, 2), BlockStep(5, 2, 3)), 10).uploads == 3
