"""The audit trail as tests read it."""

from shared import audit
from shared.audit import AuditEvent
from shared.settings import settings


def last_line(action: str, target: str) -> AuditEvent:
    """The newest line that says `action` was done to `target`."""
    events = audit.page(settings().tenant_id, limit=500, offset=0).events
    return next(event for event in events if (event.action, event.target) == (action, target))
