"""Verifications and restores: one row of table `Operations` each (PK tenant id, RK operation id)."""

from datetime import datetime

from shared.errors import ErrorValue
from shared.models.operation import OperationRecord, OperationStatus
from shared.storage import tables
from shared.storage.tables import Cell, Row, fit_document, fit_text

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


def backups_in_use(database_id: str, tenant_id: str, since: datetime) -> set[str]:
    """The ids of the backups that operations begun after `since` are reading."""
    condition = "PartitionKey eq @tenant and DatabaseId eq @database"
    parameters: dict[str, Cell] = {"tenant": tenant_id, "database": database_id}
    for number, final in enumerate(FINAL):
        condition += f" and Status ne @final{number}"
        parameters[f"final{number}"] = final.value
    found = (
        OperationRecord.model_validate_json(row.text("Record")) for row in tables.query(TABLE, condition, parameters)
    )
    return {operation.backup_id for operation in found if operation.started_at > since}


def _row(operation: OperationRecord) -> Row:
    return Row(
        operation.tenant_id,
        operation.id,
        {
            "BackupId": operation.backup_id,
            "DatabaseId": operation.database_id,
            "Kind": operation.kind.value,
            "Status": operation.status.value,
            "Record": fit_document(lambda units: _shortened(operation, units).model_dump_json()),
        },
    )


def _shortened(operation: OperationRecord, units: int) -> OperationRecord:
    """The record with texts of at most so many UTF-16 units, and no more differences than people read."""
    evidence = (
        found.model_copy(update={"detail": fit_text(found.detail, units), "error": _error(found.error, units)})
        for found in operation.evidence
    )
    comparison = operation.comparison
    if comparison is not None:
        differences = [fit_text(difference, units) for difference in comparison.differences[:MOST_DIFFERENCES]]
        if len(comparison.differences) > MOST_DIFFERENCES:
            differences.append(f"and {len(comparison.differences) - MOST_DIFFERENCES} more")
        comparison = comparison.model_copy(update={"differences": tuple(differences)})
    changes = {"evidence": tuple(evidence), "comparison": comparison, "error": _error(operation.error, units)}
    return operation.model_copy(update=changes)


def _error(error: ErrorValue | None, units: int) -> ErrorValue | None:
    return None if error is None else error.model_copy(update={"message": fit_text(error.message, units)})
