"""How many runs a database had in a month, in all and by final status; each run counts once.

A counter remembers the runs it counted last, in the same write as its number. So a count that is repeated, because
nobody knows whether it was done, changes nothing.
"""

from shared.errors import ConfigurationUnavailable
from shared.models.run import RunRecord, RunStatus
from shared.storage import tables
from shared.storage.tables import Cell, Row

COUNTERS = "BackupCounters"
ALL = "all"
"""The status under which each run is counted from its beginning."""
# A database has no other run before the end of this one is counted; a few would do.
REMEMBERED_RUNS = 50
TRIES = 50


def count(run: RunRecord, status: str) -> None:
    """Adds the run to its month's counter of `status`, unless it is in it."""
    month = run.backup_id[7:13]
    key = f"{month}-{status}"
    for _ in range(TRIES):
        row = tables.get(COUNTERS, run.database_id, key)
        known = row.text("Runs").split() if row else []
        if run.backup_id in known:
            return
        cells: dict[str, Cell | None] = {
            "TenantId": run.tenant_id,
            "Month": month,
            "Status": status,
            "Count": (row.number("Count") if row else 0) + 1,
            "Runs": " ".join([*known, run.backup_id][-REMEMBERED_RUNS:]),
        }
        if tables.swap(COUNTERS, row, Row(run.database_id, key, cells)):
            return
    raise ConfigurationUnavailable(f"The counters of {run.database_id} are written by too many at once.")


def total(tenant: str, database_id: str | None, status: RunStatus | None) -> int:
    """The runs of a tenant, of one database or all, in all or of one final status."""
    condition = "TenantId eq @tenant and Status eq @status"
    parameters: dict[str, Cell] = {"tenant": tenant, "status": status.value if status else ALL}
    if database_id is not None:
        condition += " and PartitionKey eq @database"
        parameters["database"] = database_id
    return sum(row.number("Count") for row in tables.query(COUNTERS, condition, parameters, select=["Count"]))
