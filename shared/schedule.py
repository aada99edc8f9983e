"""When a database is due: arithmetic on its configuration, nothing else.

An interval is due at anchor + n x interval in UTC; the anchor is `starts_at`, by default `created_at`. A cron
expression is read in its time zone. Nothing is due before `starts_at`, nor at or before `created_at`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from shared.errors import InvalidRequest
from shared.models.database import DatabaseConfig
from shared.models.duration import parse_duration

SHORTEST_GAP = timedelta(minutes=15)
LONGEST_INTERVAL = timedelta(days=365)
LOOK_BACK = timedelta(days=366)
"""How far back `latest_missed` looks for what was missed."""

_FREQUENCY = re.compile(r"[1-9][0-9]*[mhdw]", re.ASCII)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Missed:
    """What fell due while nobody looked: one catch-up answers all of it."""

    due_at: datetime
    """The latest of the due times."""
    count: int
    """How many there were."""


def parse_frequency(text: str) -> timedelta:
    """The interval that `<n>m`, `<n>h`, `<n>d` or `<n>w` names; InvalidRequest below 15 minutes or above a year."""
    if _FREQUENCY.fullmatch(text) is None:
        raise InvalidRequest(f"Frequency {text!r} is not a whole number followed by m, h, d or w, such as 15m or 1d.")
    try:
        interval = parse_duration(text)
    except ValueError as error:
        raise InvalidRequest(f"Frequency {text!r} is too long: at most 365d.") from error
    if interval < SHORTEST_GAP:
        raise InvalidRequest(f"Frequency {text!r} is too short: at least 15m.")
    if interval > LONGEST_INTERVAL:
        raise InvalidRequest(f"Frequency {text!r} is too long: at most 365d.")
    return interval


def check_schedule(schedule: str, time_zone: str) -> None:
    """Raises InvalidRequest unless `schedule` is a cron expression that fires, at gaps of at least 15 minutes.

    It has 5 fields, or 6 of which the first, the seconds, is 0; `time_zone` is the name of an IANA zone. In the night
    in which clocks go forward, a time that does not exist moves to the next that does, and may come nearer to another.
    """
    _zone(time_zone)
    cron = _cron(schedule, datetime(2024, 1, 1, tzinfo=UTC))
    try:
        next(cron)
    except StopIteration:
        raise InvalidRequest(f"Schedule {schedule!r} never comes due.") from None
    times = [timedelta(hours=hour, minutes=minute) for hour in sorted(cron.hours) for minute in sorted(cron.minutes)]
    # The last pair spans midnight, as if the next day were due too.
    if min(later - earlier for earlier, later in pairwise([*times, times[0] + _DAY])) < SHORTEST_GAP:
        raise InvalidRequest(f"Schedule {schedule!r} comes due at gaps of less than 15 minutes.")


def due_times(config: DatabaseConfig, after: datetime, until: datetime) -> Iterator[datetime]:
    """The due times in (after, until], earliest first, in UTC; none of them depends on where the window begins.

    InvalidRequest when the configuration has neither or both of `frequency` and `schedule`, or a bad one.
    """
    for due in _due_times_after(config, after):
        if due > until:
            return
        yield due


def next_due(config: DatabaseConfig, after: datetime) -> datetime:
    """The first due time later than `after`, in UTC; InvalidRequest as for `due_times`, or when there is none."""
    for due in _due_times_after(config, after):
        return due
    raise InvalidRequest(f"Schedule {config.schedule!r} never comes due.")


def latest_missed(config: DatabaseConfig, handled_until: datetime, now: datetime) -> Missed | None:
    """What fell due in (handled_until, now], at most a year back; None when nothing did."""
    missed = None
    for count, due in enumerate(due_times(config, max(handled_until, now - LOOK_BACK), now), start=1):
        missed = Missed(due_at=due, count=count)
    return missed


def _due_times_after(config: DatabaseConfig, after: datetime) -> Iterator[datetime]:
    after = max(after, config.created_at).astimezone(UTC)
    if (config.frequency is None) == (config.schedule is None):
        raise InvalidRequest("Give exactly one of frequency and schedule.")
    if config.schedule is None:
        assert config.frequency is not None
        return _interval_times(config.starts_at or config.created_at, parse_frequency(config.frequency), after)
    return _cron_times(config.schedule, _zone(config.time_zone), after, config.starts_at)


def _interval_times(anchor: datetime, interval: timedelta, after: datetime) -> Iterator[datetime]:
    anchor = anchor.astimezone(UTC)
    # The first n with anchor + n x interval > after; none is before the anchor.
    number = max(0, (after - anchor) // interval + 1)
    while True:
        yield anchor + number * interval
        number += 1


def _cron_times(schedule: str, zone: ZoneInfo, after: datetime, starts_at: datetime | None) -> Iterator[datetime]:
    if starts_at is not None:
        after = max(after, starts_at.astimezone(UTC) - timedelta(microseconds=1))
    last = after
    for moment in _cron(schedule, after.astimezone(zone)):
        due = moment.astimezone(UTC)
        # In the hour that clocks repeat, cronsim may begin with a time of its first pass, which is over; in the hour
        # that they skip, it moves several times to one.
        if due > last:
            yield due
            last = due


def _cron(schedule: str, start: datetime) -> CronSim:
    """The times of `schedule` after `start`, in the zone of `start`."""
    fields = schedule.split()
    if len(fields) == 6 and fields[0] == "0":
        fields = fields[1:]
    if len(fields) != 5:
        raise InvalidRequest(f"Schedule {schedule!r} has not 5 fields, or 6 of which the first, the seconds, is 0.")
    if not fields[1].startswith("*"):
        # Fixed hours come once on every day, whatever clocks do; cronsim wants the minutes without a star for that.
        fields[0] = fields[0].replace("*", "0-59", 1)
    try:
        return CronSim(" ".join(fields), start)
    except CronSimError as error:
        raise InvalidRequest(f"Schedule {schedule!r} cannot be read: {error}.") from error


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # unknown; a path outside the database; a folder
        raise InvalidRequest(f"Time zone {name!r} is not known. Use an IANA name, such as Europe/Madrid.") from error
