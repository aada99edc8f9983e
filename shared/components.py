"""What the installation stands on, and whether each part answers now: for the health of the whole."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from shared import catalogue, config, history, secrets
from shared.errors import BackupError, ConfigurationUnavailable, InvalidCredentials, SettingInvalid, ToolMissing
from shared.models import Value
from shared.storage.account import blob_service
from shared.storage.errors import storage_errors
from shared.tools import installed_tools

ANSWERS = "answers"
NOBODY = "health"
"""An id that nothing has: asking for it shows that there is an answer."""


class Health(StrEnum):
    """Degraded means that something does not work as it should."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"


class Component(Value):
    """One part of the installation."""

    name: str
    status: Health
    detail: str


Look = Callable[[], str]
"""Gives what is to be told of a part that works; raises BackupError for one that does not."""


def look_at(parts: Mapping[str, Look]) -> list[Component]:
    """Looks at all parts at the same time, and tells of them in their order."""
    with ThreadPoolExecutor(len(parts)) as readers:
        return list(readers.map(lambda name: _component(name, parts[name]), parts))


def _component(name: str, look: Look) -> Component:
    try:
        return Component(name=name, status=Health.HEALTHY, detail=look())
    except BackupError as error:
        return Component(name=name, status=Health.DEGRADED, detail=error.message)


def _configuration() -> str:
    found = config.databases.list_all(tenant=None)
    if found.is_copy:
        raise ConfigurationUnavailable("App Configuration does not answer; backups go on by the last known copy.")
    if found.broken:
        raise SettingInvalid(f"{len(found.broken)} databases have documents that cannot be read.")
    return ANSWERS


def _secrets() -> str:
    with suppress(InvalidCredentials):  # it answers that it has none
        secrets.fetch(NOBODY)
    return ANSWERS


def _tables() -> str:
    history.recent(NOBODY, 1, tenant=None)
    return ANSWERS


def _storage() -> str:
    with storage_errors("the backup account"):
        next(blob_service().list_containers(results_per_page=1).by_page(), None)
    return ANSWERS


def _tools() -> str:
    """Every family needs a dump tool; which servers it can serve depends on its version."""
    shown = []
    for names in dict.fromkeys(facts.dump_tools for facts in catalogue.TYPES.values()):
        tools = installed_tools(names)
        if not tools:
            raise ToolMissing(f"None of {', '.join(names)} is on this machine.")
        shown += [f"{Path(tool.path).name} {tool.version} ({tool.vendor})" for tool in tools]
    return ", ".join(shown)


PARTS: Mapping[str, Look] = {
    "configuration": _configuration,
    "secrets": _secrets,
    "tables": _tables,
    "storage": _storage,
    "client_tools": _tools,
}
"""What every room can ask; the durable engine is asked through the client of whoever looks."""
