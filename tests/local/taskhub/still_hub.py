"""A hub on the foreign app whose clock stands still until a test moves it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.taskhub.clock import FakeClock
from local.taskhub.hub import TaskHub
from tests.local.taskhub.app import app
from tests.support.in_process import running_hub, start

BEGINNING = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@asynccontextmanager
async def still_hub(path: Path, **options: Any) -> AsyncIterator[tuple[TaskHub, FakeClock]]:
    """The hub and its clock; `options` as for TaskHub."""
    clock = options.pop("clock", None) or FakeClock(BEGINNING)
    async with running_hub(path / "hub.sqlite", app, clock=clock, **options) as hub:
        yield hub, clock


async def outcome(path: Path, orchestrator: str, value: Any = None, **options: Any) -> dict[str, Any]:
    """The status of one orchestration after all that can be done without waiting."""
    async with still_hub(path, **options) as (hub, _):
        instance_id = await start(hub, orchestrator, value)
        await hub.run_until_idle()
        status = hub.status(instance_id)
        assert status is not None
        return status
