"""Lengths of time as people write them in settings and configuration: a number and a unit, such as `15m`."""

import re
from datetime import timedelta

UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhdw])", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """The length that `text` names; ValueError when it names none, or one of more than a hundred years."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("a whole number and a unit, such as 90s, 15m, 6h, 1d or 1w")
    number, unit = match.groups()
    if int(number) > timedelta(days=36_500) / UNITS[unit]:
        raise ValueError("at most a hundred years")
    return int(number) * UNITS[unit]
