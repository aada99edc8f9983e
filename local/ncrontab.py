"""Schedules of timer triggers: NCRONTAB, six fields from seconds to day of week, or five without the seconds.

Grammar and meaning as in atifaziz/NCrontab, which Azure uses: a time fires when *all* fields match it, so a schedule
with both a day of the month and a day of the week needs both (Unix cron needs either). Times are UTC.
"""

import calendar
from dataclasses import dataclass
from datetime import datetime, timedelta

MONTHS = [name.upper() for name in calendar.month_abbr]
# Sunday first, as 0.
WEEKDAYS = [name.upper() for name in (calendar.day_abbr[6], *calendar.day_abbr[:6])]

# Every date comes back within 28 years, but for the gap of a leap year in 2100: 40 are enough.
SEARCH_DAYS = 40 * 366


@dataclass(frozen=True)
class _Field:
    name: str
    lowest: int
    highest: int
    words: tuple[str, ...] = ()

    def parse(self, text: str) -> frozenset[int]:
        values: set[int] = set()
        for part in text.split(","):
            bounds, slash, step_text = part.partition("/")
            step = self._number(step_text) if slash else 1
            if bounds == "*":
                first, last = self.lowest, self.highest
            else:
                first_text, dash, last_text = bounds.partition("-")
                first = self._value(first_text)
                # "5/15" means from 5 to the end, "5" is 5 alone.
                last = self._value(last_text) if dash else (self.highest if slash else first)
            if step < 1 or first > last:
                raise ValueError(f"{part!r} is no {self.name}")
            values.update(range(first, last + 1, step))
        return frozenset(values)

    def _value(self, text: str) -> int:
        if text.upper() in self.words:
            return self.words.index(text.upper())
        value = self._number(text)
        if not self.lowest <= value <= self.highest:
            raise ValueError(f"{text!r} is no {self.name}: it goes from {self.lowest} to {self.highest}")
        return value

    def _number(self, text: str) -> int:
        if not (text.isascii() and text.isdigit()):
            raise ValueError(f"{text!r} is no {self.name}")
        return int(text)


FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, tuple(MONTHS)),
    _Field("day of the week", 0, 6, tuple(WEEKDAYS)),
)


@dataclass(frozen=True)
class Schedule:
    """A parsed schedule: for each field the values that fire. Made by `parse_schedule`."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def next_after(self, moment: datetime) -> datetime:
        """The first time the schedule fires after the moment (aware). Raises ValueError for one that never fires."""
        start = moment.replace(microsecond=0) + timedelta(seconds=1)
        for offset in range(SEARCH_DAYS):
            day = (start + timedelta(days=offset)).date()
            # isoweekday: Monday is 1, Sunday 7.
            if day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays:
                midnight = datetime(day.year, day.month, day.day, tzinfo=moment.tzinfo)
                if time := self._next_in_day(max(start, midnight)):
                    return time
        raise ValueError("the schedule never fires")

    def _next_in_day(self, start: datetime) -> datetime | None:
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                if (hour, minute) < (start.hour, start.minute):
                    continue
                for second in sorted(self.seconds):
                    if (hour, minute, second) >= (start.hour, start.minute, start.second):
                        return start.replace(hour=hour, minute=minute, second=second)
        return None


def parse_schedule(text: str) -> Schedule:
    """The schedule of `{second} {minute} {hour} {day} {month} {day of the week}`. Raises ValueError naming the part."""
    parts = text.split()
    if len(parts) == len(FIELDS) - 1:
        parts = ["0", *parts]
    if len(parts) != len(FIELDS):
        raise ValueError(f"the schedule {text!r} has {len(parts)} fields, not six")
    try:
        values = [field.parse(part) for field, part in zip(FIELDS, parts, strict=True)]
    except ValueError as error:
        raise ValueError(f"the schedule {text!r}: {error}") from error
    return Schedule(*values)
