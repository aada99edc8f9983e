"""Schedules of timer triggers."""

from datetime import UTC, datetime

import pytest

from local.ncrontab import parse_schedule

pytestmark = pytest.mark.unit

# A Wednesday.
START = datetime(2026, 11, 25, 10, 30, 15, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("* * * * * *", "2026-11-25T10:30:16"),
        ("0 * * * * *", "2026-11-25T10:31:00"),
        ("0 */15 * * * *", "2026-11-25T10:45:00"),
        ("0 0 */6 * * *", "2026-11-25T12:00:00"),
        ("0 0 6 * * *", "2026-11-26T06:00:00"),
        ("15,45 30 10 * * *", "2026-11-25T10:30:45"),
        ("0 5/20 * * * *", "2026-11-25T10:45:00"),
        ("0 0-20/10 * * * *", "2026-11-25T11:00:00"),
        ("0 0 0 1 1 *", "2027-01-01T00:00:00"),
        ("0 0 0 29 2 *", "2028-02-29T00:00:00"),
        ("0 0 9 * * SUN", "2026-11-29T09:00:00"),
        ("0 0 9 * * mon-fri", "2026-11-26T09:00:00"),
        ("0 0 0 * Feb *", "2027-02-01T00:00:00"),
        ("30 9 * * *", "2026-11-26T09:30:00"),
    ],
)
def test_fires_next_at(schedule: str, expected: str) -> None:
    assert parse_schedule(schedule).next_after(START) == datetime.fromisoformat(f"{expected}+00:00")


def test_needs_both_the_day_of_the_month_and_the_day_of_the_week() -> None:
    first_friday_the_thirteenth = datetime(2027, 8, 13, tzinfo=UTC)

    assert parse_schedule("0 0 0 13 * FRI").next_after(START) == first_friday_the_thirteenth


def test_a_time_it_fires_at_is_not_after_itself() -> None:
    noon = datetime(2026, 11, 25, 12, tzinfo=UTC)

    assert parse_schedule("0 0 12 * * *").next_after(noon) == datetime(2026, 11, 26, 12, tzinfo=UTC)


def test_says_that_a_schedule_never_fires() -> None:
    with pytest.raises(ValueError, match="never fires"):
        parse_schedule("0 0 0 31 2 *").next_after(START)


@pytest.mark.parametrize(
    ("schedule", "reason"),
    [
        ("* * * *", "4 fields"),
        ("60 * * * * *", "'60' is no second"),
        ("* * 24 * * *", "'24' is no hour"),
        ("* * * 0 * *", "'0' is no day of the month"),
        ("* * * * 13 *", "'13' is no month"),
        ("* * * * * 7", "'7' is no day of the week"),
        ("* 9-5 * * * *", "'9-5' is no minute"),
        ("*/0 * * * * *", "'\\*/0' is no second"),
        ("* * * * * someday", "'someday' is no day of the week"),
        ("1- * * * * *", "'' is no second"),
    ],
)
def test_names_the_part_that_is_wrong(schedule: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_schedule(schedule)
