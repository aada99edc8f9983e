"""Recording runs, and reading those of one database."""

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from statistics import median

from shared import naming
from shared.errors import ConfigurationUnavailable
from shared.history.counters import ALL, count
from shared.history.index import ensure_entry, find_entry, note_counted
from shared.history.rows import HISTORY, cells_of, run_from
from shared.models.database import EPOCH
from shared.models.run import RunRecord, RunStatus
from shared.storage import tables
from shared.storage.tables import Cell, Row

TRIES = 50


def record(run: RunRecord) -> None:
    """Writes the row of a run, or writes it anew; counts the run once however often it is recorded.

    The first end stays: a later record changes nothing, whatever it says; `update` does. What the record of the end
    does not know of the database stays too. What is too long for a row is cut. The tables cannot be written at once,
    so this may end anywhere between; called again, it does what is missing.
    """
    ensure_entry(run)
    _count(_change(run, lambda stored: _merged(stored, run)))


def get(backup_id: str, *, tenant: str | None) -> RunRecord | None:
    """The run, or None when there is none or it is another tenant's. Tenant None is the product itself: it sees all."""
    entry = find_entry(backup_id)
    if entry is None or tenant not in (None, entry.text("TenantId")):
        return None
    row = tables.get(HISTORY, entry.text("DatabaseId"), entry.key)
    return None if row is None else run_from(row)


def update(backup_id: str, change: Callable[[RunRecord], RunRecord]) -> RunRecord | None:
    """Changes the row of a run, but never its status, and gives what it is now; None when there is no such run.

    `change` is called again when somebody else changed the row meanwhile.
    """
    run = get(backup_id, tenant=None)
    if run is None:
        return None
    return _change(run, lambda stored: _changed(stored or run, change))


def mark_deleted(backup_id: str, moment: datetime) -> None:
    """Notes that the run's blob was deleted; the first time stays."""
    update(backup_id, lambda run: run.model_copy(update={"deleted_at": run.deleted_at or moment}))


def recent(database_id: str, count: int, *, tenant: str | None, since: datetime = EPOCH) -> list[RunRecord]:
    """The last `count` runs of a database, newest first.

    An id may be given again after its database was deleted: `tenant`, and `since` the creation of the database, keep
    the runs of the earlier one apart, here and below. Tenant None is the product itself.
    """
    return list(islice(_where(database_id, tenant, since, page_rows=count), count))


def present(database_id: str, *, tenant: str | None, since: datetime = EPOCH) -> list[RunRecord]:
    """The finished runs of a database whose blob was not deleted, newest first: what retention decides on."""
    return [run for run in _where(database_id, tenant, since, "Present eq true") if run.status.is_final]


def verified(database_id: str, *, tenant: str | None, since: datetime = EPOCH) -> Iterator[RunRecord]:
    """The proven backups of a database that are still there, newest first; read as far as they are asked for."""
    return _where(database_id, tenant, since, "Verified eq true")


def median_seconds(database_id: str, count: int = 3, *, tenant: str | None, since: datetime = EPOCH) -> float | None:
    """How long the last `count` completed runs of a database took, in the middle; None when there was none."""
    completed = islice(_where(database_id, tenant, since, f"Status eq '{RunStatus.COMPLETED}'"), count)
    seconds = [(run.ended_at - run.started_at).total_seconds() for run in completed if run.ended_at]
    return median(seconds) if seconds else None


def _merged(stored: RunRecord | None, run: RunRecord) -> RunRecord:
    if stored is None:
        return run
    if stored.status.is_final:
        return stored
    kept = {
        # Who ends a run that could not begin, or whose plan is gone, has not read its configuration.
        "database_name": run.database_name or stored.database_name,
        "database_type": run.database_type or stored.database_type,
        "expires_at": run.expires_at or stored.expires_at,
    }
    return run.model_copy(update=kept)


def _changed(stored: RunRecord, change: Callable[[RunRecord], RunRecord]) -> RunRecord:
    return change(stored).model_copy(update={"status": stored.status})


def _change(run: RunRecord, change: Callable[[RunRecord | None], RunRecord]) -> RunRecord:
    """Swaps the row of `run`, or its absence, for what `change` makes of it, and gives that."""
    key = naming.history_key(run.backup_id)
    for _ in range(TRIES):
        row = tables.get(HISTORY, run.database_id, key)
        stored = None if row is None else run_from(row)
        changed = change(stored)
        if changed == stored or tables.swap(HISTORY, row, Row(run.database_id, key, cells_of(changed))):
            return changed
    raise ConfigurationUnavailable(f"The history of {run.backup_id} is written by too many at once.")


def _count(run: RunRecord) -> None:
    """Counts what the run's entry does not say is counted, and then says so in the entry."""
    for _ in range(TRIES):
        entry = ensure_entry(run)
        if entry.text("Status") == run.status:
            return
        if not entry.text("Status"):
            count(run, ALL)
        if run.status.is_final:
            count(run, run.status)
        if note_counted(entry, run.status):
            return
        # Another execution of the same step came between: go by what it left.
        run = get(run.backup_id, tenant=None) or run
    raise ConfigurationUnavailable(f"The history of {run.backup_id} is written by too many at once.")


def _where(
    database_id: str, tenant: str | None, since: datetime, condition: str = "", *, page_rows: int = 100
) -> Iterator[RunRecord]:
    # Keys are the inverted time in whole seconds, a hyphen and the id; the full stop is the sign after the hyphen.
    conditions = ["PartitionKey eq @database", "RowKey lt @since"]
    since_key = f"{naming.newest_first(since.replace(microsecond=0))}."
    parameters: dict[str, Cell] = {"database": database_id, "since": since_key}
    if tenant is not None:
        conditions.append("TenantId eq @tenant")
        parameters["tenant"] = tenant
    if condition:
        conditions.append(condition)
    rows = tables.query(HISTORY, " and ".join(conditions), parameters, page_rows=page_rows)
    return (run_from(row) for row in rows)
