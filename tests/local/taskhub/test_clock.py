"""The real clock wakes in time, the fake one when it is moved."""

import asyncio
from datetime import UTC, datetime, timedelta

from local.taskhub.clock import FakeClock, SystemClock

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


async def test_the_system_clock_waits_until_the_time_and_not_longer() -> None:
    clock = SystemClock()
    begun = clock.now()
    await clock.wait(asyncio.Event(), begun + timedelta(milliseconds=30))

    assert timedelta(milliseconds=25) < clock.now() - begun < timedelta(seconds=5)


async def test_the_system_clock_is_woken_before_the_time() -> None:
    wake = asyncio.Event()
    asyncio.get_running_loop().call_soon(wake.set)

    async with asyncio.timeout(5):
        await SystemClock().wait(wake, None)


async def test_a_time_in_the_past_is_no_wait() -> None:
    async with asyncio.timeout(5):
        await SystemClock().wait(asyncio.Event(), BEGINNING)
        await FakeClock(BEGINNING).wait(asyncio.Event(), BEGINNING)


async def test_the_fake_clock_wakes_those_who_wait_when_it_is_moved() -> None:
    clock = FakeClock(BEGINNING)
    waiting = asyncio.create_task(clock.wait(asyncio.Event(), BEGINNING + timedelta(days=1)))
    await asyncio.sleep(0)
    clock.advance(timedelta(days=1))
    async with asyncio.timeout(5):
        await waiting

    assert clock.now() == BEGINNING + timedelta(days=1)


def test_the_fake_clock_never_goes_back() -> None:
    clock = FakeClock(BEGINNING)
    clock.move_to(BEGINNING - timedelta(days=1))

    assert clock.now() == BEGINNING
