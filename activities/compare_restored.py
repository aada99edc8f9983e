"""Compares a restored database with its source as it is now: objects by name, rows by count, content by digest."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from activities.prepare_target import target_for
from shared.durable import activity
from shared.engines.comparison import differences, object_differences
from shared.engines.registry import engine_for, restorer_for
from shared.errors import BackupError
from shared.logins import login_for
from shared.models.database import Server
from shared.models.inventory import ContentDigest, Inventory, Probe
from shared.models.operation import Comparison
from shared.models.plan import CompareRequest

KINDS = ("tables", "views", "routines", "triggers", "events", "sequences")


@dataclass(frozen=True)
class Contents:
    """What is in one database."""

    probe: Probe
    digest: ContentDigest


@activity
def compare_restored(request: CompareRequest) -> Comparison:
    """Both sides are read at the same time, each by its own server. Raises when one of them cannot be read.

    Where the source may be gone, and cannot be read, the objects that the run had noted are compared instead.
    """
    began = time.monotonic()
    source = request.facts.database
    target = target_for(request.target_id, request.tenant_id, source.type)
    with ThreadPoolExecutor(max_workers=2) as both:
        there = both.submit(contents_of, source.server, source.database)
        here = both.submit(contents_of, target.server, request.database)
        restored = here.result()
        try:
            original = there.result()
        except BackupError:
            if not request.source_may_be_gone:
                raise
            compared_with, inventory = "inventory", request.facts.probe.inventory
            found = object_differences(request.facts.probe, restored.probe)
        else:
            compared_with, inventory = "source", original.probe.inventory
            found = differences(original.probe, original.digest, restored.probe, restored.digest)
    return Comparison(
        tables=len(restored.digest.tables),
        rows=restored.digest.rows,
        objects=count_of(inventory),
        differences=tuple(found),
        compared_with=compared_with,
        seconds=round(time.monotonic() - began, 3),
    )


def contents_of(server: Server, database: str) -> Contents:
    """The objects of a database, and the digests of its tables."""
    login = login_for(server)
    digest = restorer_for(server.type).digest(login, database)
    return Contents(engine_for(server.type).probe(login, database), digest)


def count_of(inventory: Inventory) -> int:
    """How many objects with a name there are."""
    return sum(len(getattr(inventory, kind)) for kind in KINDS)
