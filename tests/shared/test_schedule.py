"""Due times, held against tables worked out by hand, and properties that must hold for all."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidRequest
from shared.models.database import DatabaseConfig
from shared.schedule import LOOK_BACK, Missed, check_schedule, due_times, latest_missed, next_due, parse_frequency
from tests.support.records import database_config

pytestmark = pytest.mark.unit

CREATED = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
MADRID = ZoneInfo("Europe/Madrid")


def every(frequency: str, **fields: object) -> DatabaseConfig:
    return database_config(frequency=frequency, **({"created_at": CREATED} | fields))


def cron(schedule: str, time_zone: str = "Europe/Madrid", **fields: object) -> DatabaseConfig:
    return database_config(
        frequency=None,
        schedule=schedule,
        time_zone=time_zone,
        **({"created_at": datetime(2024, 1, 1, tzinfo=UTC)} | fields),
    )


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15m", timedelta(minutes=15)),
        ("1h", timedelta(hours=1)),
        ("3h", timedelta(hours=3)),
        ("6h", timedelta(hours=6)),
        ("1d", timedelta(days=1)),
        ("1w", timedelta(weeks=1)),
        ("52w", timedelta(weeks=52)),
        ("365d", timedelta(days=365)),
    ],
)
def test_a_frequency_is_a_number_and_a_unit(text: str, expected: timedelta) -> None:
    assert parse_frequency(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("14m", "too short"),
        ("5m", "too short"),
        ("366d", "too long"),
        ("53w", "too long"),
        ("999999999999w", "too long"),
        ("0h", "not a whole number"),
        ("01h", "not a whole number"),
        ("900s", "not a whole number"),
        ("1.5h", "not a whole number"),
        ("-1h", "not a whole number"),
        ("1h\n", "not a whole number"),
        ("１h", "not a whole number"),
        ("h", "not a whole number"),
        ("", "not a whole number"),
    ],
)
def test_other_frequencies_are_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        parse_frequency(text)


@pytest.mark.parametrize(
    ("frequency", "after", "expected"),
    [
        ("15m", "2026-01-01T12:30", "2026-01-01T12:45"),
        ("15m", "2026-01-01T12:44:59.999999", "2026-01-01T12:45"),
        ("15m", "2026-01-01T12:45", "2026-01-01T13:00"),
        ("1h", "2026-01-05T00:00", "2026-01-05T00:30"),
        ("6h", "2026-01-01T13:00", "2026-01-01T18:30"),
        ("1d", "2026-01-01T12:31", "2026-01-02T12:30"),
        ("1d", "2026-03-29T00:00", "2026-03-29T12:30"),
        ("1w", "2026-01-01T12:30", "2026-01-08T12:30"),
        ("1w", "2026-02-28T00:00", "2026-03-05T12:30"),
        ("3h", "2020-01-01T00:00", "2026-01-01T15:30"),
    ],
)
def test_an_interval_is_due_at_its_anchor_plus_whole_intervals(frequency: str, after: str, expected: str) -> None:
    assert next_due(every(frequency), utc(after)) == utc(expected)


def test_an_explicit_future_start_is_itself_due() -> None:
    config = every("1d", starts_at=utc("2026-02-01T03:00"))

    assert list(due_times(config, CREATED, utc("2026-02-03T00:00"))) == [
        utc("2026-02-01T03:00"),
        utc("2026-02-02T03:00"),
    ]


def test_a_start_in_the_past_sets_the_time_of_day_but_nothing_before_creation_is_due() -> None:
    config = every("1d", starts_at=utc("2025-12-01T03:00"))

    assert next_due(config, utc("2025-01-01T00:00")) == utc("2026-01-02T03:00")


def test_a_start_at_the_moment_of_creation_is_due_one_interval_later() -> None:
    assert next_due(every("1h", starts_at=CREATED), utc("2020-01-01T00:00")) == CREATED + timedelta(hours=1)


def test_the_start_may_have_any_time_zone() -> None:
    config = every("1d", starts_at=datetime(2026, 7, 1, 4, 0, tzinfo=MADRID))

    due = next_due(config, utc("2026-06-01T00:00"))

    assert due == utc("2026-07-01T02:00")
    assert due.tzinfo is UTC


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        # Clocks go forward on 29 March 2026 at 02:00 (01:00 UTC): 02:30 does not exist, the run comes at 03:00.
        ("30 2 * * *", "2026-03-28T00:00", ["03-28T01:30", "03-29T01:00", "03-30T00:30"]),
        # They go back on 25 October 2026 at 03:00 (01:00 UTC): 02:30 comes twice, the run once.
        ("30 2 * * *", "2026-10-24T00:00", ["10-24T00:30", "10-25T00:30", "10-26T01:30"]),
        # The same with seconds, and asked for between the two.
        ("0 30 2 * * *", "2026-10-25T00:31", ["10-26T01:30"]),
        ("0 30 2 * * *", "2026-10-25T01:10", ["10-26T01:30"]),
        # Several times within the hour that does not exist are one run.
        ("0,30 2 * * *", "2026-03-29T00:00", ["03-29T01:00", "03-30T00:00", "03-30T00:30"]),
        ("*/30 2 * * *", "2026-03-29T00:00", ["03-29T01:00", "03-30T00:00", "03-30T00:30"]),
        ("*/30 2 * * *", "2026-10-25T00:00", ["10-25T00:30", "10-26T01:00", "10-26T01:30"]),
        # An expression for every hour goes by the hours that pass.
        ("30 * * * *", "2026-03-29T00:00", ["03-29T00:30", "03-29T01:30", "03-29T02:30"]),
        ("30 * * * *", "2026-10-25T00:00", ["10-25T00:30", "10-25T01:30", "10-25T02:30"]),
        ("*/15 * * * *", "2026-10-25T00:40", ["10-25T00:45", "10-25T01:00", "10-25T01:15"]),
    ],
)
def test_cron_is_right_in_the_nights_when_clocks_change(schedule: str, after: str, expected: list[str]) -> None:
    found = [next_due(cron(schedule), utc(f"{after}"))]
    while len(found) < len(expected):
        found.append(next_due(cron(schedule), found[-1]))

    assert found == [utc(f"2026-{text}") for text in expected]


@pytest.mark.parametrize(
    ("schedule", "time_zone", "expected"),
    [
        ("0 0 29 2 *", "UTC", ["2028-02-29T00:00", "2032-02-29T00:00"]),
        ("0 12 L * *", "UTC", ["2026-01-31T12:00", "2026-02-28T12:00"]),
        ("0 3 * * MON", "Asia/Tokyo", ["2026-01-04T18:00", "2026-01-11T18:00"]),
        ("0 3 * * 7", "UTC", ["2026-01-04T03:00", "2026-01-11T03:00"]),
        ("15 22 * * 1-5", "America/New_York", ["2026-01-02T03:15", "2026-01-03T03:15"]),
        ("0 0 1 1 *", "UTC", ["2027-01-01T00:00", "2028-01-01T00:00"]),
    ],
)
def test_cron_is_read_in_its_time_zone(schedule: str, time_zone: str, expected: list[str]) -> None:
    times = due_times(cron(schedule, time_zone), utc("2026-01-01T12:30"), utc("2040-01-01T00:00"))

    assert list(islice(times, len(expected))) == [utc(text) for text in expected]


def test_cron_is_not_due_before_its_start_and_is_due_at_it() -> None:
    config = cron("0 3 * * *", "UTC", starts_at=utc("2026-02-01T03:00"))

    assert next_due(config, CREATED) == utc("2026-02-01T03:00")


def test_cron_is_not_due_before_creation() -> None:
    config = cron("0 3 * * *", "UTC", created_at=CREATED)

    assert next_due(config, utc("2020-01-01T00:00")) == utc("2026-01-02T03:00")


@pytest.mark.parametrize(
    "schedule", ["*/15 * * * *", "0 */15 * * * *", "0,15,30,45 0-23 * * *", "0 0 1 1 *", "50 23 * * 1"]
)
def test_schedules_with_gaps_of_15_minutes_pass(schedule: str) -> None:
    check_schedule(schedule, "Europe/Madrid")


@pytest.mark.parametrize(
    ("schedule", "reason"),
    [
        ("* * * * *", "less than 15 minutes"),
        ("0 */5 * * * *", "less than 15 minutes"),
        ("0,50 0,23 * * *", "less than 15 minutes"),
        ("30 0 2 * * *", "not 5 fields"),
        ("* 0 2 * * *", "not 5 fields"),
        ("0 2 * *", "not 5 fields"),
        ("", "not 5 fields"),
        ("@daily", "not 5 fields"),
        ("60 * * * *", "Bad minute"),
        ("0 0 30 2 *", "Bad day-of-month"),
        ("0 0 */31 2 MON#5", "never comes due"),
        ("a b c d e", "cannot be read"),
    ],
)
def test_other_schedules_are_refused_with_the_reason(schedule: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        check_schedule(schedule, "Europe/Madrid")


@pytest.mark.parametrize(
    "time_zone", ["", "Europe/Atlantis", "../../etc/passwd", "/etc/passwd", "Europe", "a\0b", "x" * 5000]
)
def test_an_unknown_time_zone_is_refused(time_zone: str) -> None:
    with pytest.raises(InvalidRequest, match="is not known"):
        check_schedule("0 2 * * *", time_zone)


def test_a_schedule_that_never_comes_due_is_refused_when_asked_for() -> None:
    with pytest.raises(InvalidRequest, match="never comes due"):
        next_due(cron("0 0 */31 2 MON#5"), CREATED)
    assert list(due_times(cron("0 0 */31 2 MON#5"), CREATED, CREATED + timedelta(days=366))) == []


@pytest.mark.parametrize("fields", [{"frequency": None}, {"frequency": "1d", "schedule": "0 2 * * *"}])
def test_frequency_and_schedule_exclude_each_other(fields: dict[str, str | None]) -> None:
    with pytest.raises(InvalidRequest, match="exactly one"):
        next_due(database_config(**fields), CREATED)


def test_br_75_twelve_hours_of_downtime_give_one_catch_up() -> None:
    missed = latest_missed(every("1h"), utc("2026-01-02T00:31"), utc("2026-01-02T12:31"))

    assert missed == Missed(due_at=utc("2026-01-02T12:30"), count=12)


def test_nothing_is_missed_before_the_next_due_time() -> None:
    assert latest_missed(every("1h"), utc("2026-01-02T00:30"), utc("2026-01-02T01:29:59")) is None
    assert latest_missed(every("1h"), utc("2026-01-02T00:30"), utc("2026-01-02T01:30")) == Missed(
        due_at=utc("2026-01-02T01:30"), count=1
    )


def test_what_was_missed_is_looked_for_a_year_back() -> None:
    config = cron("*/15 * * * *", created_at=datetime(1970, 1, 1, tzinfo=UTC))
    now = utc("2026-01-01T00:00")

    missed = latest_missed(config, datetime(1970, 1, 1, tzinfo=UTC), now)

    assert missed == Missed(due_at=now, count=LOOK_BACK // timedelta(minutes=15))


frequencies = st.sampled_from(["15m", "20m", "1h", "3h", "6h", "1d", "2d", "1w"])
schedules = st.sampled_from(
    ["30 2 * * *", "*/15 * * * *", "0 */2 * * *", "0 0,2,4 * * *", "5 1-4 * * SUN", "0 0 L * *"]
)
zones = st.sampled_from(["Europe/Madrid", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"])
days = st.timedeltas(timedelta(0), timedelta(days=400))
configs = st.one_of(
    st.builds(
        lambda frequency, start: every(frequency, starts_at=CREATED + start - timedelta(days=200)), frequencies, days
    ),
    st.builds(every, frequencies),
    st.builds(cron, schedules, zones),
)


@given(configs, days, st.timedeltas(timedelta(0), timedelta(days=9)), st.timedeltas(timedelta(0), timedelta(days=9)))
def test_due_times_do_not_depend_on_the_windows_they_are_asked_in(
    config: DatabaseConfig, since: timedelta, one: timedelta, two: timedelta
) -> None:
    begin = CREATED + since
    middle, end = begin + one, begin + one + two

    whole = list(due_times(config, begin, end))

    assert whole == list(due_times(config, begin, middle)) + list(due_times(config, middle, end))
    assert all(begin < due <= end for due in whole)
    assert all(earlier < later for earlier, later in pairwise(whole))


@given(configs, days)
def test_the_next_due_time_is_the_first_of_the_due_times(config: DatabaseConfig, since: timedelta) -> None:
    after = CREATED + since

    due = next_due(config, after)

    assert list(due_times(config, after, due)) == [due]


@given(frequencies, days)
def test_intervals_are_evenly_spaced(frequency: str, since: timedelta) -> None:
    config = every(frequency)
    due = next_due(config, CREATED + since)

    assert next_due(config, due) - due == parse_frequency(frequency)
    assert (due - CREATED) % parse_frequency(frequency) == timedelta(0)


@given(zones, st.integers(0, 800))
def test_a_daily_time_comes_once_on_each_local_day(time_zone: str, day: int) -> None:
    config = cron("30 2 * * *", time_zone)
    start = CREATED + timedelta(days=day)

    found = [due.astimezone(ZoneInfo(time_zone)).date() for due in due_times(config, start, start + timedelta(days=4))]

    assert len(found) in (3, 4, 5)
    assert [later - earlier for earlier, later in pairwise(found)] == [timedelta(days=1)] * (len(found) - 1)


@given(configs, days, st.timedeltas(timedelta(0), timedelta(days=20)))
def test_the_catch_up_answers_all_that_was_missed(config: DatabaseConfig, since: timedelta, away: timedelta) -> None:
    handled, now = CREATED + since, CREATED + since + away
    missed = list(due_times(config, handled, now))

    found = latest_missed(config, handled, now)

    assert found == (Missed(due_at=missed[-1], count=len(missed)) if missed else None)
    assert found is None or latest_missed(config, found.due_at, now) is None
