"""Pools of real worker processes, and how a test asks them and learns of them."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from local.worker_pool import PoolLimits, WorkerPool
from local.worker_process import WorkerSettings
from tests.support.sources import ROOT

FOREIGN_APP = ROOT / "tests" / "local" / "foreign_app"

EMPTY_APP = """
import azure.functions as func
app = func.FunctionApp()
"""


@asynccontextmanager
async def pool_of(
    workers: int = 1,
    *,
    app: Path = FOREIGN_APP,
    traces: Path | None = None,
    function_timeout: timedelta | None = None,
    output: Callable[[bytes], None] = lambda chunk: None,
    **environment: str,
) -> AsyncIterator[WorkerPool]:
    """A pool whose functions leave their traces in a folder; `environment` is added to that of the workers."""
    settings = WorkerSettings(app, app, {**os.environ, "TRACES": str(traces), **environment})
    pool = WorkerPool(settings, PoolLimits(workers, 2, function_timeout), [output] * workers)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.stop()


async def ask(pool: WorkerPool, function: str, **query: str) -> str:
    """What a function answers over HTTP."""
    value = {"method": "GET", "url": "http://127.0.0.1/", "headers": {}, "query": query, "params": {}}
    answer = await pool.invoke(function, {"req": {"type": "http", "value": value}})
    return str(answer.head["result"]["value"])


async def seen_by_worker(pool: WorkerPool, **query: str) -> dict[str, Any]:
    """What a worker says of itself: its pid, folder, path and the setting that was asked for."""
    seen: dict[str, Any] = json.loads(await ask(pool, "worker", **query))
    return seen


async def until(claim: Callable[[], object]) -> None:
    """Returns when the claim is true. Waits long, for a busy machine."""
    async with asyncio.timeout(60):
        while not claim():
            await asyncio.sleep(0.01)


def write_app(folder: Path, text: str) -> Path:
    """The folder, with this function_app.py in it."""
    (folder / "function_app.py").write_text(text)
    return folder
