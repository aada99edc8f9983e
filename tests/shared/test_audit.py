"""The audit trail on a real table service."""

from datetime import UTC, datetime, timedelta

import pytest

from shared import audit, clock
from shared.audit import Actor
from shared.storage import tables
from tests.support.cloud import forget_settings, fresh_id

pytestmark = pytest.mark.usefixtures("cloud")

ADA = Actor(name="ada@example.com", object_id="1234", ip_address="203.0.113.7", user_agent="Mozilla/5.0")


@pytest.fixture
def tenant() -> str:
    return fresh_id("tenant")


class Clock:
    """A clock that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.time = datetime(2026, 3, 1, 12, tzinfo=UTC)
        monkeypatch.setattr(clock, "now", lambda: self.time)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def targets(page: audit.AuditPage) -> list[str]:
    return [event.target for event in page.events]


def test_a_line_says_who_did_what_to_which_thing_from_where_and_when(tenant: str, time: Clock) -> None:
    audit.record(tenant, ADA, "password_updated", "prod_website", details="by the form")

    assert audit.page(tenant, limit=10, offset=0) == audit.AuditPage(
        events=(
            audit.AuditEvent(
                tenant_id=tenant,
                event_time=time.time,
                actor=ADA,
                action="password_updated",
                target="prod_website",
                result="success",
                details="by the form",
            ),
        ),
        total=1,
    )


def test_c_023_the_time_of_the_event_is_not_the_tables_own(tenant: str, time: Clock) -> None:
    audit.record(tenant, ADA, "backup_triggered", "shop")

    rows = list(tables.query("AuditLogs", "PartitionKey eq '202603' and TenantId eq @t", {"t": tenant}))

    assert [row.moment("EventTime") for row in rows] == [time.time]
    assert [row.text("IPAddress") for row in rows] == ["203.0.113.7"]


def test_an_actor_without_an_address_is_unknown(tenant: str) -> None:
    audit.record(tenant, Actor(name="the product"), "backup_deleted", "backup-x", result="storage_denied")

    event = audit.page(tenant, limit=1, offset=0).events[0]

    assert (event.actor.ip_address, event.result) == ("unknown", "storage_denied")


def test_pages_are_newest_first_over_the_months(tenant: str, time: Clock) -> None:
    for day in range(0, 100, 10):
        time.time = datetime(2025, 11, 30, 23, 59, tzinfo=UTC) + timedelta(days=day)
        audit.record(tenant, ADA, "backup_triggered", f"day {day}")

    whole = audit.page(tenant, limit=100, offset=0)
    part = audit.page(tenant, limit=3, offset=2)

    assert targets(whole) == [f"day {day}" for day in range(90, -1, -10)]
    assert whole.total == 10
    assert (targets(part), part.total, part.total_is_at_least) == (["day 70", "day 60", "day 50"], 10, False)
    assert targets(audit.page(tenant, limit=5, offset=99)) == []


def test_pages_can_be_bounded_in_time(tenant: str, time: Clock) -> None:
    start = time.time
    for hour in range(5):
        time.time = start + timedelta(hours=hour)
        audit.record(tenant, ADA, "backup_triggered", f"hour {hour}")

    found = audit.page(tenant, limit=9, offset=0, since=start + timedelta(hours=1), until=start + timedelta(hours=3))

    assert (targets(found), found.total) == (["hour 2", "hour 1"], 2)


def test_a_trail_of_over_a_year_ago_is_shown_when_asked_for(tenant: str, time: Clock) -> None:
    audit.record(tenant, ADA, "backup_triggered", "shop")
    long_ago = time.time
    time.time += timedelta(days=400)

    assert audit.page(tenant, limit=9, offset=0).total == 0
    assert audit.page(tenant, limit=9, offset=0, since=long_ago).total == 1


def test_tenants_see_their_own_trail(tenant: str) -> None:
    audit.record(tenant, ADA, "backup_triggered", "shop")

    assert audit.page("another", limit=9, offset=0).total == 0


def test_counting_stops_and_says_so(tenant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "COUNT_LIMIT", 2)
    for _ in range(3):
        audit.record(tenant, ADA, "backup_triggered", "shop")

    found = audit.page(tenant, limit=9, offset=0)

    assert (found.total, found.total_is_at_least, len(found.events)) == (2, True, 3)


def test_lines_of_one_moment_are_all_kept(tenant: str, time: Clock) -> None:
    for number in range(5):
        audit.record(tenant, ADA, "backup_triggered", str(number))

    assert sorted(targets(audit.page(tenant, limit=9, offset=0))) == ["0", "1", "2", "3", "4"]


def test_r_232_without_the_flag_no_line_is_written(tenant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENABLE_AUDIT_LOGS", "false")
    forget_settings()

    audit.record(tenant, ADA, "backup_triggered", "shop")

    assert audit.page(tenant, limit=9, offset=0).total == 0
