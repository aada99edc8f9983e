"""Compares a restored database with its source as it is now: objects by name, rows by count, content by digest."""

import time
from concurrent.futures import ThreadPoolExecutor

from activities.prepare_target import target_for
from shared.durable import activity
from shared.engines.comparison import differences
from shared.engines.registry import engine_for, restorer_for
from shared.logins import login_for
from shared.models.operation import Comparison
from shared.models.plan import CompareRequest

KINDS = ("tables", "views", "routines", "triggers", "events", "sequences")


@activity
def compare_restored(request: CompareRequest) -> Comparison:
    """Both sides are read at the same time, each by its own server. Raises when one of them cannot be read."""
    began = time.monotonic()
    source = request.facts.database
    target = target_for(request.target_id, request.tenant_id, source.type)
    engine, restorer = engine_for(source.type), restorer_for(source.type)
    source_login, target_login = login_for(source.server), login_for(target.server)
    with ThreadPoolExecutor(max_workers=2) as both:
        source_digest = both.submit(restorer.digest, source_login, source.database)
        restored_digest = both.submit(restorer.digest, target_login, request.database)
        source_probe = engine.probe(source_login, source.database)
        restored_probe = engine.probe(target_login, request.database)
        found = differences(source_probe, source_digest.result(), restored_probe, restored_digest.result())
    return Comparison(
        tables=len(source_digest.result().tables),
        rows=restored_digest.result().rows,
        objects=sum(len(getattr(source_probe.inventory, kind)) for kind in KINDS),
        differences=tuple(found),
        compared_with="source",
        seconds=round(time.monotonic() - began, 3),
    )
