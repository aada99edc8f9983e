"""The index of runs: one entry for each, by month, in the order of time over all databases.

An entry tells whose run it is, and by its status which status of the run has been counted.
"""

from shared import naming
from shared.errors import InternalError
from shared.models.run import RunRecord, RunStatus
from shared.storage import tables
from shared.storage.tables import Cell, Row

INDEX = "BackupIndex"


def find_entry(backup_id: str) -> Row | None:
    """The entry of a run; None when there is none, or when this is no backup id."""
    moment = naming.moment_of(backup_id)
    if moment is None:
        return None
    return tables.get(INDEX, naming.index_partition(moment), naming.history_key(backup_id))


def ensure_entry(run: RunRecord) -> Row:
    """The entry of a run, made unless it is there."""
    entry = find_entry(run.backup_id)
    if entry is None:
        moment = naming.moment_of(run.backup_id)
        if moment is None:
            raise InternalError(f"{run.backup_id!r} is not a backup id; this is a fault of the product.")
        cells: dict[str, Cell | None] = {"DatabaseId": run.database_id, "TenantId": run.tenant_id, "Status": ""}
        # When it is there meanwhile, it is the same one.
        tables.insert(INDEX, Row(naming.index_partition(moment), naming.history_key(run.backup_id), cells))
        entry = find_entry(run.backup_id)
        assert entry is not None
    return entry


def note_counted(entry: Row, status: RunStatus) -> bool:
    """Writes into the entry that `status` was counted; False when the entry was changed meanwhile."""
    counted = Row(entry.partition, entry.key, {**entry.cells, "Status": status.value})
    return tables.replace(INDEX, counted, entry.etag) is not None
