"""Serves one application on one port, as part of the host's event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext

import uvicorn
from starlette.types import ASGIApp

# What requests in hand get when the host stops.
STOP_SECONDS = 2


class _QuietServer(uvicorn.Server):
    """A uvicorn server that leaves the signals of the process to the host."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override] # theirs is a generator
        return nullcontext()


@asynccontextmanager
async def serving(application: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """Serves the application on a bound socket, which it closes at the end. Plain HTTP, for loopback alone."""
    config = uvicorn.Config(
        application,
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = _QuietServer(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started and not task.done():
            await asyncio.sleep(0.005)
        yield
    finally:
        server.should_exit = True
        await task
