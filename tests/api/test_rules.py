"""The small rules behind the routes, as tables."""

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from api.auditing import client_address
from api.backup_answers import merged_status
from api.paging import page_count, page_number
from api.times import Since, Until
from shared.durable_client import PlanStatus
from shared.models.run import RunStatus
from tests.support.records import LONG_AGO, run_record

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("", "unknown"),
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:50123", "203.0.113.9"),
        (" 203.0.113.9:50123 , 10.0.0.1", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("unknown", "unknown"),
        ("<script>", "unknown"),
        ("300.1.1.1", "unknown"),
    ],
)
def test_the_callers_address_is_the_first_of_the_header(header: str, address: str) -> None:
    assert client_address(header) == address


@pytest.mark.parametrize(
    ("limit", "offset", "total", "page", "pages"),
    [(10, 0, 45, 1, 5), (10, 40, 45, 5, 5), (10, 0, 0, 1, 0), (1, 2, 3, 3, 3), (50, 0, 50, 1, 1), (50, 0, 51, 1, 2)],
)
def test_pages_are_counted_from_one(limit: int, offset: int, total: int, page: int, pages: int) -> None:
    assert (page_number(limit, offset), page_count(limit, total)) == (page, pages)


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)),
        ("2026-01-31T06:00:00Z", datetime(2026, 1, 31, 6, tzinfo=UTC), datetime(2026, 1, 31, 6, tzinfo=UTC)),
        ("2026-01-31T06:00:00+02:00", datetime(2026, 1, 31, 4, tzinfo=UTC), datetime(2026, 1, 31, 4, tzinfo=UTC)),
    ],
)
def test_a_day_is_whole_and_a_time_is_itself(text: str, since: datetime, until: datetime) -> None:
    assert TypeAdapter(Since).validate_python(text) == since
    assert TypeAdapter(Until).validate_python(text) == until


@pytest.mark.parametrize("text", ["", "soon", "2026-01-31T06:00:00", "1999-12-31", "9999-12-31", "0001-01-01T00:00Z"])
def test_other_texts_are_no_time(text: str) -> None:
    for kind in (Since, Until):
        with pytest.raises(ValidationError):
            TypeAdapter(kind).validate_python(text)


@pytest.mark.parametrize(
    ("row", "runtime", "shown"),
    [
        (RunStatus.QUEUED, "NotFound", RunStatus.QUEUED),
        (RunStatus.QUEUED, "Pending", RunStatus.QUEUED),
        (RunStatus.IN_PROGRESS, "Running", RunStatus.IN_PROGRESS),
        (RunStatus.VERIFYING, "Running", RunStatus.VERIFYING),
        (RunStatus.IN_PROGRESS, "Failed", RunStatus.FAILED),
        (RunStatus.IN_PROGRESS, "Terminated", RunStatus.CANCELLED),
        (RunStatus.IN_PROGRESS, "Canceled", RunStatus.CANCELLED),
        (RunStatus.COMPLETED, "Failed", RunStatus.COMPLETED),
        (RunStatus.CANCELLED, "Running", RunStatus.CANCELLED),
        (RunStatus.PARTIAL, None, RunStatus.PARTIAL),
    ],
)
def test_the_status_of_a_run_by_its_row_and_its_plan(row: RunStatus, runtime: str | None, shown: RunStatus) -> None:
    plan = None if runtime is None else PlanStatus(running=runtime == "Running", runtime_status=runtime)

    assert merged_status(run_record(LONG_AGO, row), plan) is shown
