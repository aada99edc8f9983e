"""Rows of verifications and restores: the first end stays, and what is too long is cut so that it can be read."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared import operations
from shared.errors import ErrorValue
from shared.models.database import Rung
from shared.models.operation import Comparison, OperationKind, OperationRecord, OperationStatus
from shared.models.run import Evidence
from tests.support.cloud import fresh_id

pytestmark = pytest.mark.usefixtures("cloud")

TENANT = "tenant"


def operation(status: OperationStatus = OperationStatus.IN_PROGRESS, **fields: Any) -> OperationRecord:
    whole = {
        "id": fresh_id("verify"),
        "kind": OperationKind.VERIFY,
        "tenant_id": TENANT,
        "backup_id": "backup-20260101-000000-aaaaaa",
        "database_id": "shop",
        "status": status,
        "started_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return OperationRecord.model_validate(whole | fields)


def stored(wanted: OperationRecord) -> OperationRecord:
    found = operations.get(wanted.id, TENANT)
    assert found is not None
    return found


def test_an_operation_comes_back_as_it_was_recorded_and_the_first_end_stays() -> None:
    begun = operation()
    operations.create(begun)
    assert stored(begun) == begun

    ended = begun.model_copy(update={"status": OperationStatus.COMPLETED, "comparison": Comparison(tables=2)})
    operations.record(ended)
    operations.record(begun.model_copy(update={"status": OperationStatus.FAILED}))

    assert stored(begun) == ended
    assert operations.get(begun.id, "another tenant") is None


@pytest.mark.parametrize("text", ["f(a integer, b integer) " * 400, "\x01" * 10_000, "🚀" * 5_000])
def test_what_is_too_long_for_a_row_is_cut_and_can_be_read(text: str) -> None:
    error = ErrorValue(code="restore_failed", message=text, retry=False)
    begun = operation()
    operations.record(begun)

    operations.record(
        begun.model_copy(
            update={
                "status": OperationStatus.FAILED,
                "error": error,
                "evidence": (Evidence(rung=Rung.STORED, check="content", detail=text, error=error),),
                "comparison": Comparison(tables=7, differences=(text,) * 30),
            }
        )
    )

    found = stored(begun)
    assert found.status is OperationStatus.FAILED
    assert found.comparison is not None
    assert (found.comparison.tables, len(found.comparison.differences)) == (7, 21)
    assert found.comparison.differences[-1] == "and 10 more"
    assert found.error is not None
    assert found.error.message.startswith(text[:10])
