"""A run as a row of `BackupHistory`: the whole as JSON, and beside it what conditions and people look for."""

from shared.errors import ErrorValue
from shared.models.run import Evidence, RunRecord
from shared.storage.tables import LONGEST_TEXT, Cell, Row, fit_document, fit_text

HISTORY = "BackupHistory"
MOST_TEXTS = 20


def run_from(row: Row) -> RunRecord:
    """The run that a row holds."""
    return RunRecord.model_validate_json(row.text("Record"))


def cells_of(run: RunRecord) -> dict[str, Cell | None]:
    """The cells of a run's row."""
    return {
        "TenantId": run.tenant_id,
        "DatabaseName": run.database_name,
        "DatabaseType": run.database_type,
        "Status": run.status.value,
        "StartTime": run.started_at,
        "EndTime": run.ended_at,
        "Duration": (run.ended_at - run.started_at).total_seconds() if run.ended_at else None,
        "BackupSize": run.bytes_stored,
        "BlobUrl": run.blob.path if run.blob else None,
        "ErrorCode": run.error.code if run.error else None,
        "Present": run.blob is not None and run.deleted_at is None,
        "Verified": run.is_verified,
        "Record": _document(run),
    }


def _document(run: RunRecord) -> str:
    """The run as JSON that fits into one cell: what is written for people is cut where the whole is too long."""
    return fit_document(lambda units: (run if units == LONGEST_TEXT else _shortened(run, units)).model_dump_json())


def _shortened(run: RunRecord, units: int) -> RunRecord:
    return run.model_copy(
        update={
            "warnings": tuple(fit_text(warning, units) for warning in run.warnings[:MOST_TEXTS]),
            "evidence": tuple(_shortened_evidence(evidence, units) for evidence in run.evidence[:MOST_TEXTS]),
            "error": _shortened_error(run.error, units),
        }
    )


def _shortened_evidence(evidence: Evidence, units: int) -> Evidence:
    texts = {"detail": fit_text(evidence.detail, units), "error": _shortened_error(evidence.error, units)}
    return evidence.model_copy(update=texts)


def _shortened_error(error: ErrorValue | None, units: int) -> ErrorValue | None:
    return None if error is None else error.model_copy(update={"message": fit_text(error.message, units)})
