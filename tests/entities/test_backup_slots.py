"""Slots are counted, prolonged by their owner, and come back by themselves."""

from datetime import UTC, datetime, timedelta

import pytest

from entities.backup_slots import SlotRelease, SlotRequest, Slots, acquire, release

pytestmark = pytest.mark.unit

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def request(owner: str, *, now: datetime = NOON, limit: int = 2) -> SlotRequest:
    return SlotRequest(owner=owner, now=now, expires_at=now + timedelta(hours=1), limit=limit)


def taken(*owners: str) -> Slots:
    slots = Slots()
    for owner in owners:
        slots, granted = acquire.apply(slots, request(owner))
        assert granted
    return slots


def test_a_third_run_gets_no_slot_where_two_may_work() -> None:
    slots, granted = acquire.apply(taken("a", "b"), request("c"))

    assert not granted
    assert set(slots.holders) == {"a", "b"}


def test_an_owner_that_asks_again_keeps_one_slot_and_holds_it_longer() -> None:
    later = NOON + timedelta(minutes=30)

    slots, granted = acquire.apply(taken("a", "b"), request("a", now=later))

    assert granted
    assert slots.holders["a"] == later + timedelta(hours=1)
    assert len(slots.holders) == 2


def test_an_expired_slot_is_free_again() -> None:
    slots, granted = acquire.apply(taken("a", "b"), request("c", now=NOON + timedelta(hours=1)))

    assert granted
    assert set(slots.holders) == {"c"}


def test_a_released_slot_is_free_again_and_releasing_twice_is_harmless() -> None:
    slots, held = release.apply(taken("a", "b"), SlotRelease(owner="a"))
    again, held_again = release.apply(slots, SlotRelease(owner="a"))

    assert (held, held_again) == (True, False)
    assert set(again.holders) == {"b"}
