"""The time now, as aware UTC: the one place that asks the machine's clock."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """An aware time as the API writes it: UTC, whole seconds, `Z` at the end."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
