"""One ASGI application served on loopback, by a task of the running event loop."""

import asyncio
import socket
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

STOP_SECONDS = 2
FAREWELL_SECONDS = 0.05


class _QuietServer(uvicorn.Server):
    """A uvicorn server that leaves the signals of the process to the host."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override] # theirs is a generator
        return nullcontext()


class LoopbackServer:
    """Serves application on listener, a bound socket: over HTTPS with the key and certificate in one PEM file.

    Without a certificate it serves plain HTTP.
    """

    def __init__(self, application: ASGIApp, listener: socket.socket, certificate: Path | None) -> None:
        self._listener = listener
        self._server = _QuietServer(
            uvicorn.Config(
                application,
                ssl_certfile=certificate,
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when connections are accepted; raises what kept the server from starting."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        while not (self._server.started or self._task.done()):
            await asyncio.sleep(0.005)
        if self._task.done():
            await self._task

    async def stop(self) -> None:
        """Accepts nothing more, gives running requests STOP_SECONDS, closes the socket."""
        if self._task is not None:
            self._server.should_exit = True
            if self._server.config.is_ssl:
                await self._close_connections(self._task)
            await self._task
            self._task = None
        self._listener.close()

    async def _close_connections(self, serving: asyncio.Task[None]) -> None:
        """uvicorn closes each connection, but TLS then waits for the goodbye of a client that may never speak again."""
        while not serving.done():
            closing = [
                connection for connection in self._server.server_state.connections if connection.transport.is_closing()
            ]
            await asyncio.wait({serving}, timeout=FAREWELL_SECONDS)
            for connection in closing:
                # Those that went meanwhile are left alone: Python 3.11.2 fails on a TLS transport that is gone.
                if connection in self._server.server_state.connections:
                    with suppress(AttributeError):
                        connection.transport.abort()
