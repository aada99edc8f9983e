"""Verifications and restores: one row of table `Operations` each (PK tenant id, RK operation id)."""

from shared.models.operation import OperationRecord, OperationStatus
from shared.storage import tables
from shared.storage.tables import Row

TABLE = "Operations"
FINAL = (OperationStatus.COMPLETED, OperationStatus.FAILED)
MOST_DIFFERENCES = 20


def create(operation: OperationRecord) -> None:
    """Notes an operation that was asked for."""
    tables.insert(TABLE, _row(operation))


def record(operation: OperationRecord) -> None:
    """Notes where an operation stands; one that has ended stays as it ended, so this may be repeated."""
    stored = get(operation.id, operation.tenant_id)
    if stored is None or stored.status not in FINAL:
        tables.put(TABLE, _row(operation))


def get(operation_id: str, tenant_id: str) -> OperationRecord | None:
    """The operation, or None when there is none in this tenant."""
    row = tables.get(TABLE, tenant_id, operation_id)
    return None if row is None else OperationRecord.model_validate_json(row.text("Record"))


def _row(operation: OperationRecord) -> Row:
    return Row(
        operation.tenant_id,
        operation.id,
        {
            "BackupId": operation.backup_id,
            "DatabaseId": operation.database_id,
            "Kind": operation.kind.value,
            "Status": operation.status.value,
            "Record": _fitting(operation).model_dump_json(),
        },
    )


def _fitting(operation: OperationRecord) -> OperationRecord:
    """The record with as many differences as a cell can hold."""
    comparison = operation.comparison
    if comparison is None or len(comparison.differences) <= MOST_DIFFERENCES:
        return operation
    more = f"and {len(comparison.differences) - MOST_DIFFERENCES} more"
    cut = comparison.model_copy(update={"differences": (*comparison.differences[:MOST_DIFFERENCES], more)})
    return operation.model_copy(update={"comparison": cut})
