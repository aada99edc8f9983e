"""Times on the wire: in queries a moment with its offset or a day in UTC, in answers always UTC to the second."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from shared import clock
from shared.problems import bad_field

D = TypeVar("D", bound=date)

RULE = "Must be a day, such as 2026-01-31, or a time with its offset, such as 2026-01-31T06:00:00Z, from 2000 to 2100."


def _first_moment(text: object) -> datetime:
    day = _day(text)
    return _sane(datetime.combine(day, time.min, tzinfo=UTC) if day else _moment(text))


def _moment_after(text: object) -> datetime:
    day = _day(text)
    return _sane(datetime.combine(day, time.min, tzinfo=UTC) + timedelta(days=1) if day else _moment(text))


def _day(text: object) -> date | None:
    try:
        return _sane(date.fromisoformat(str(text)))
    except ValueError:
        return None


def _moment(text: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise bad_field(RULE) from None
    if moment.tzinfo is None:
        raise bad_field(RULE)
    return moment


def _sane(moment: D) -> D:
    if not 2000 <= moment.year <= 2101:
        raise bad_field(RULE)
    return moment


Since = Annotated[
    datetime,
    BeforeValidator(_first_moment),
    Field(description="Runs asked for then or later: a day, or a time with its offset."),
]
Until = Annotated[
    datetime,
    BeforeValidator(_moment_after),
    Field(description="Runs asked for until then: a day, which counts whole, or a time, which does not count."),
]
Moment = Annotated[datetime, PlainSerializer(clock.iso), WithJsonSchema({"type": "string", "format": "date-time"})]
"""A time in an answer."""
