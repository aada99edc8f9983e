"""The waits between attempts: doubling, capped, spread, and the same in every replay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.models.run import RetryPolicy
from shared.retries import retry_delay

pytestmark = pytest.mark.unit

POLICY = RetryPolicy()


@pytest.mark.parametrize(
    ("failures", "plain"), [(1, 2), (2, 4), (3, 8), (4, 16), (5, 32), (8, 256), (9, 300), (40, 300)]
)
def test_waits_double_up_to_the_cap_and_are_spread_by_a_quarter(failures: int, plain: int) -> None:
    wait = retry_delay(POLICY, failures, salt="backup-20260301-120000-abc123")

    assert plain * 0.75 <= wait <= min(plain * 1.25, 300)


@given(st.text(), st.integers(1, 60))
def test_the_same_plan_waits_the_same_in_every_replay(salt: str, failures: int) -> None:
    assert retry_delay(POLICY, failures, salt=salt) == retry_delay(POLICY, failures, salt=salt)


def test_two_plans_do_not_wait_the_same() -> None:
    waits = {retry_delay(POLICY, 5, salt=f"backup-{number}") for number in range(20)}

    assert len(waits) == 20
