import asyncio
import socket
import ssl
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from local.cloud.authority import Certificates, ensure_certificates
from local.cloud.ports import listen
from local.cloud.server import LoopbackServer

REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return ensure_certificates(tmp_path, datetime.now(UTC))


class SlowApplication:
    """Answers each request after a while, and says that one has come."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.asked = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.set()
        await asyncio.sleep(self._seconds)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"done"})


def ask_and_fall_silent(certificates: Certificates, port: int) -> ssl.SSLSocket:
    """A connection that has had one answer and does not read any more, not even TLS's goodbye."""
    context = ssl.create_default_context(cafile=certificates.authority)
    client = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="127.0.0.1")
    client.sendall(REQUEST)
    answer = b""
    while not answer.endswith(b"done"):
        answer += client.recv(1000)
    return client


def test_a_client_that_keeps_its_connection_does_not_hold_up_the_stop(certificates: Certificates) -> None:
    async def stop_seconds() -> float:
        with listen(None) as listener:
            server = LoopbackServer(SlowApplication(0), listener, certificates.server)
            await server.start()
            port = listener.getsockname()[1]
            with await asyncio.to_thread(ask_and_fall_silent, certificates, port):
                begin = time.monotonic()
                await server.stop()
                return time.monotonic() - begin

    assert asyncio.run(stop_seconds()) < 1.5


@pytest.mark.parametrize("secure", [True, False], ids=["https", "http"])
def test_a_running_request_is_answered_before_the_stop(certificates: Certificates, secure: bool) -> None:
    async def answer() -> bytes:
        with listen(None) as listener:
            application = SlowApplication(0.3)
            server = LoopbackServer(application, listener, certificates.server if secure else None)
            await server.start()
            context = ssl.create_default_context(cafile=certificates.authority) if secure else None
            reader, writer = await asyncio.open_connection(*listener.getsockname(), ssl=context)
            writer.write(REQUEST)
            await application.asked.wait()

            stopping = asyncio.create_task(server.stop())
            content = await reader.read()
            writer.close()
            await stopping
            return content

    assert asyncio.run(answer()).endswith(b"done")


def test_a_start_that_fails_says_why(tmp_path: Path) -> None:
    async def start() -> None:
        with listen(None) as listener:
            await LoopbackServer(SlowApplication(0), listener, tmp_path / "no-such-certificate").start()

    with pytest.raises(FileNotFoundError):
        asyncio.run(start())


def test_what_was_never_started_can_be_stopped() -> None:
    async def stop() -> None:
        with listen(None) as listener:
            await LoopbackServer(SlowApplication(0), listener, Path("unused")).stop()

    asyncio.run(stop())
