"""Whether a restored database is the same as its source: objects by name, rows by count, content by digest."""

from collections.abc import Iterable

from shared.engines.diagnosis import listed
from shared.errors import InternalError
from shared.models.inventory import ContentDigest, ObjectName, Probe

KINDS = ("tables", "views", "routines", "triggers", "events", "sequences")


def differences(
    source_probe: Probe, source_digest: ContentDigest, restored_probe: Probe, restored_digest: ContentDigest
) -> list[str]:
    """What is not the same, for people; empty when all is. Raises InternalError for digests of two methods."""
    if source_digest.method != restored_digest.method:
        raise InternalError(f"Digests of {source_digest.method!r} and {restored_digest.method!r} cannot be compared.")
    return [
        *object_differences(source_probe, restored_probe),
        *_content(source_digest, restored_digest),
        *_sequences(source_digest, restored_digest),
        *_large_objects(source_probe, source_digest, restored_probe, restored_digest),
    ]


def object_differences(source: Probe, restored: Probe) -> Iterable[str]:
    """Which objects are not the same by name, and whether the character set is; nothing of their content."""
    yield from _names("schemas", source.inventory.schemas, restored.inventory.schemas)
    for kind in KINDS:
        wanted: tuple[ObjectName, ...] = getattr(source.inventory, kind)
        found: tuple[ObjectName, ...] = getattr(restored.inventory, kind)
        yield from _names(kind, (name.text for name in wanted), (name.text for name in found))
    if source.server.character_set != restored.server.character_set:
        yield f"character set: {restored.server.character_set} instead of {source.server.character_set}"


def _names(kind: str, wanted: Iterable[str], found: Iterable[str]) -> Iterable[str]:
    expected, present = set(wanted), set(found)
    if missing := expected - present:
        yield f"{kind} missing: {listed(missing)}"
    if surplus := present - expected:
        yield f"{kind} that the source does not have: {listed(surplus)}"


def _content(source: ContentDigest, restored: ContentDigest) -> Iterable[str]:
    found = {table.table: table for table in restored.tables}
    for table in source.tables:
        other = found.get(table.table)
        if other is None:
            yield f"table {table.table.text}: its content was not restored"
        elif other.rows != table.rows:
            yield f"table {table.table.text}: {other.rows} rows instead of {table.rows}"
        elif other.digest != table.digest:
            yield f"table {table.table.text}: the number of rows is right, their content is not"


def _sequences(source: ContentDigest, restored: ContentDigest) -> Iterable[str]:
    found = dict(restored.sequences)
    for name, position in source.sequences:
        if name in found and found[name] != position:
            yield f"sequence {name}: at {found[name]} instead of {position}"


def _large_objects(
    source_probe: Probe, source: ContentDigest, restored_probe: Probe, restored: ContentDigest
) -> Iterable[str]:
    wanted, found = source_probe.inventory.large_objects, restored_probe.inventory.large_objects
    if wanted != found:
        yield f"large objects: {found} instead of {wanted}"
    elif source.large_objects != restored.large_objects:
        yield "large objects: the number is right, their content is not"
