"""The audit trail: who did what to which thing, when, from where, and how it ended. Rows are added, never changed."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

from pydantic import AwareDatetime

from shared import clock, naming
from shared.models import Value
from shared.settings import settings
from shared.storage import tables
from shared.storage.tables import Cell, Row

AUDIT = "AuditLogs"
COUNT_LIMIT = 10_000
LOOK_BACK = timedelta(days=366)
"""How far back `page` goes when it is not told."""


class Actor(Value):
    """Who acts: a person or an application, as the token tells, or the product itself."""

    name: str
    object_id: str = ""
    ip_address: str = "unknown"
    user_agent: str = ""


class AuditEvent(Value):
    """One line of the trail."""

    tenant_id: str
    event_time: AwareDatetime
    actor: Actor
    action: str
    """A verb in the past, such as `password_updated` or `backup_downloaded`."""
    target: str
    """What it was done to: a database id, a backup id."""
    result: str
    """`success`, or the code of the error."""
    details: str = ""
    """For people; never a secret."""


class AuditPage(Value):
    """A page of the trail, newest first, and how many lines there are in all."""

    events: tuple[AuditEvent, ...]
    total: int
    total_is_at_least: bool = False
    """True when counting stopped at `COUNT_LIMIT`."""


def record(tenant_id: str, actor: Actor, action: str, target: str, result: str = "success", details: str = "") -> None:
    """Adds a line, unless the trail is switched off (`ENABLE_AUDIT_LOGS`)."""
    if not settings().enable_audit_logs:
        return
    event = AuditEvent(
        tenant_id=tenant_id,
        event_time=clock.now(),
        actor=actor,
        action=action,
        target=target,
        result=result,
        details=details,
    )
    key = f"{naming.newest_first(event.event_time)}-{naming.random_six()}"
    tables.put(AUDIT, Row(_partition(event.event_time), key, _cells(event)))


def page(
    tenant_id: str, *, limit: int, offset: int, since: datetime | None = None, until: datetime | None = None
) -> AuditPage:
    """At most `limit` lines of [since, until) after the first `offset`; a year back when `since` is not given."""
    until = until or clock.now() + timedelta(seconds=1)
    since = since or until - LOOK_BACK
    events = tuple(_event(row) for row in islice(_rows(tenant_id, since, until), offset, offset + limit))
    found = sum(1 for _ in islice(_rows(tenant_id, since, until, select=()), COUNT_LIMIT + 1))
    return AuditPage(events=events, total=min(found, COUNT_LIMIT), total_is_at_least=found > COUNT_LIMIT)


def _rows(tenant_id: str, since: datetime, until: datetime, select: Sequence[str] | None = None) -> Iterator[Row]:
    """The rows of [since, until), newest first, month by month."""
    # Keys are the inverted time, a hyphen and six signs; the full stop is the sign after the hyphen.
    bounds = {"since": f"{naming.newest_first(since)}.", "until": f"{naming.newest_first(until)}."}
    condition = "PartitionKey eq @month and RowKey lt @since and RowKey gt @until and TenantId eq @tenant"
    month = until.astimezone(UTC)
    while _partition(month) >= _partition(since):
        parameters = {"month": _partition(month), "tenant": tenant_id, **bounds}
        yield from tables.query(AUDIT, condition, parameters, select=select)
        month = month.replace(day=1) - timedelta(days=1)


def _partition(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m}"


def _cells(event: AuditEvent) -> dict[str, Cell | None]:
    return {
        "TenantId": event.tenant_id,
        # Not `Timestamp`, which the table service overwrites.
        "EventTime": event.event_time,
        "Actor": event.actor.name,
        "ActorId": event.actor.object_id,
        "IPAddress": event.actor.ip_address,
        "UserAgent": event.actor.user_agent,
        "Action": event.action,
        "Target": event.target,
        "Result": event.result,
        "Details": event.details,
    }


def _event(row: Row) -> AuditEvent:
    actor = Actor(
        name=row.text("Actor"),
        object_id=row.text("ActorId"),
        ip_address=row.text("IPAddress"),
        user_agent=row.text("UserAgent"),
    )
    return AuditEvent(
        tenant_id=row.text("TenantId"),
        event_time=row.moment("EventTime"),
        actor=actor,
        action=row.text("Action"),
        target=row.text("Target"),
        result=row.text("Result"),
        details=row.text("Details"),
    )
