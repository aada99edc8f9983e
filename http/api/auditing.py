"""One line in the audit trail for every write, download and password change, whether it succeeds or not."""

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Annotated

from fastapi import Depends, Request

from shared import audit
from shared.errors import BackupError
from shared.tokens import Caller

LONGEST_AGENT = 300
SUCCESS = "success"
FAULT = "internal_error"


class Trail:
    """The audit trail as one request writes it: it knows where the request came from."""

    def __init__(self, request: Request) -> None:
        self._ip_address = client_address(request.headers.get("X-Forwarded-For", ""))
        self._user_agent = request.headers.get("User-Agent", "")[:LONGEST_AGENT]

    @contextmanager
    def line(self, caller: Caller, action: str, target: str, details: str = "") -> Iterator[None]:
        """Adds the line when the work within has ended; its result is `success` or the code of the error."""
        result = FAULT
        try:
            yield
            result = SUCCESS
        except BackupError as error:
            result = error.code
            raise
        finally:
            actor = audit.Actor(
                name=caller.name, object_id=caller.id, ip_address=self._ip_address, user_agent=self._user_agent
            )
            audit.record(caller.tenant_id, actor, action, target, result, details)


Audit = Annotated[Trail, Depends(Trail)]
"""The audit trail, as a handler's parameter."""


def client_address(forwarded_for: str) -> str:
    """The first address of an X-Forwarded-For header, where Azure adds a port; `unknown` where there is none."""
    first = forwarded_for.partition(",")[0].strip()
    for candidate in (first, first.rpartition(":")[0]):
        try:
            return str(ip_address(candidate.strip("[]")))
        except ValueError:
            continue
    return "unknown"
