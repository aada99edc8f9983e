"""The last known good copy of what App Configuration held: what plans go by while it does not answer."""

import logging

from shared.errors import ConfigurationUnavailable
from shared.storage import tables
from shared.storage.tables import Row

COPIES = "DatabaseConfigs"

logger = logging.getLogger(__name__)

# Kind and id -> ETag of the copy that this process wrote: what did not change is not written again.
_written: dict[tuple[str, str], str] = {}


def remember(kind: str, id: str, document: str, etag: str) -> None:
    """Keeps a document that was just read from App Configuration."""
    if _written.get((kind, id)) == etag:
        return
    try:
        tables.put(COPIES, Row(kind, id, {"Document": document}))
    except ConfigurationUnavailable:
        # What was read is good without its copy; the next read writes it.
        logger.warning("copy of configuration not written", extra={"kind": kind, "id": id})
        return
    _written[kind, id] = etag


def forget(kind: str, id: str) -> None:
    """Drops the copy of what is deleted."""
    tables.remove(COPIES, kind, id)
    _written.pop((kind, id), None)


def recall(kind: str, id: str) -> str | None:
    """The copy, or None."""
    row = tables.get(COPIES, kind, id)
    return None if row is None else row.text("Document")


def recall_all(kind: str) -> dict[str, str]:
    """The copies of a kind by id."""
    return {row.key: row.text("Document") for row in tables.query(COPIES, "PartitionKey eq @kind", {"kind": kind})}
