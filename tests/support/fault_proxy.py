"""A proxy before Azurite that plays what Azurite cannot: throttling, refusals, lost connections, slowness, silence.

Every connection carries one request, so the proxy must understand only the heads of requests.
"""

import asyncio
import contextlib
import re
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType

PIECE_BYTES = 64 * 1024


@dataclass
class Fault:
    """What happens to the next `times` requests of a kind."""

    kind: str
    play: "Callable[[Exchange], Awaitable[None]]"
    times: int


@dataclass
class Exchange:
    """One request on its way."""

    kind: str
    head: bytes
    length: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    proxy: "FaultProxy"

    async def skip_body(self, count: int) -> None:
        """Takes bytes of the body and forgets them."""
        while count > 0 and (data := await self.reader.read(min(count, PIECE_BYTES))):
            count -= len(data)

    async def forward(self, *, cut_after: int | None = None, damage: bool = False, damage_answer: bool = False) -> None:
        """Hands the request on and the answer back; drops the connection after `cut_after` bytes of the body."""
        upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self.proxy.upstream_port)
        self.proxy.writers.add(upstream)
        try:
            upstream.write(_closing(self.head))
            left = self.length
            while left and (data := await self.reader.read(min(left, PIECE_BYTES))):
                left -= len(data)
                if cut_after is not None and self.length - left >= cut_after:
                    return
                if damage:
                    data, damage = bytes([data[0] ^ 1]) + data[1:], False
                upstream.write(data)
                await upstream.drain()
                if self.proxy.bytes_per_second:
                    await asyncio.sleep(len(data) / self.proxy.bytes_per_second)
            if damage_answer:
                self.writer.write(await upstream_reader.readuntil(b"\r\n\r\n"))
            while data := await upstream_reader.read(PIECE_BYTES):
                if damage_answer:
                    data, damage_answer = bytes([data[0] ^ 1]) + data[1:], False
                self.writer.write(data)
                await self.writer.drain()
        finally:
            await self.proxy.close_connection(upstream)


class FaultProxy:
    """Listens on a free port of loopback.

    Kinds of requests: block, commit, read, properties, delete, tags, container, other.
    """

    def __init__(self, upstream_port: int) -> None:
        self.upstream_port = upstream_port
        self.port = 0
        self.bytes_per_second = 0
        """Of each connection towards storage; 0 for no limit."""
        self.latency_seconds = 0.0
        self.seen: Counter[str] = Counter()
        """How many requests of each kind came."""
        self._faults: list[Fault] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy", daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self.writers: set[asyncio.StreamWriter] = set()

    def answer(self, status: int, code: str, *, to: str, times: int = 1, retry_after: int | None = None) -> None:
        """Takes the next requests of a kind and answers an error."""

        async def play(exchange: Exchange) -> None:
            await exchange.skip_body(exchange.length)
            body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>played</Message></Error>'.encode()
            head = [
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
                f"x-ms-error-code: {code}",
                "Content-Type: application/xml",
                f"Content-Length: {len(body)}",
                "Connection: close",
            ]
            if retry_after is not None:
                head.append(f"Retry-After: {retry_after}")
            exchange.writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)

        self._faults.append(Fault(to, play, times))

    def drop(self, *, to: str, after_bytes: int = 0, times: int = 1) -> None:
        """Drops the connection of the next requests of a kind, after this much of their bodies."""
        self._faults.append(Fault(to, lambda exchange: exchange.forward(cut_after=after_bytes), times))

    def lose_answer(self, *, to: str, times: int = 1) -> None:
        """Hands the next requests of a kind on, and drops the connection instead of answering."""

        async def play(exchange: Exchange) -> None:
            kept, exchange.writer = exchange.writer, _Nowhere()  # type: ignore[assignment]  # takes what is written
            await exchange.forward()
            exchange.writer = kept

        self._faults.append(Fault(to, play, times))

    def damage(self, *, to: str, times: int = 1) -> None:
        """Changes one bit of the next bodies of a kind."""
        self._faults.append(Fault(to, lambda exchange: exchange.forward(damage=True), times))

    def damage_answer(self, *, to: str, times: int = 1) -> None:
        """Changes one bit of the bodies that come back for the next requests of a kind."""
        self._faults.append(Fault(to, lambda exchange: exchange.forward(damage_answer=True), times))

    def hang(self, *, to: str, times: int = 1) -> None:
        """Takes the next requests of a kind whole and never answers."""

        async def play(exchange: Exchange) -> None:
            await exchange.skip_body(exchange.length)
            await asyncio.Event().wait()

        self._faults.append(Fault(to, play, times))

    def heal(self) -> None:
        """Plays no faults any more."""
        self._faults.clear()
        self.bytes_per_second = 0
        self.latency_seconds = 0.0

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop
        ).result()
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        # No more is accepted before the server is closed: asyncio forgets what it accepted at that very moment.
        for listener in self._server.sockets:
            self._loop.remove_reader(listener.fileno())
        for _ in range(2):  # a connection that was accepted a moment ago has no task yet
            await asyncio.sleep(0.01)
            for task in self._tasks:
                task.cancel()
            for writer in self.writers:
                writer.transport.abort()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.writers.add(writer)
        try:
            await self._exchange(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # one side went away, as it does when faults are played
        except asyncio.CancelledError:
            pass  # the proxy ends
        finally:
            await self.close_connection(writer)
            self._tasks.discard(task)

    async def close_connection(self, writer: asyncio.StreamWriter) -> None:
        """Closes one connection and waits until it is."""
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        self.writers.discard(writer)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        exchange = Exchange(_kind(head), head, int(length[1]) if length else 0, reader, writer, self)
        self.seen[exchange.kind] += 1
        await asyncio.sleep(self.latency_seconds)
        fault = next((fault for fault in self._faults if fault.kind == exchange.kind and fault.times > 0), None)
        if fault is None:
            await exchange.forward()
        else:
            fault.times -= 1
            await fault.play(exchange)
        await writer.drain()


class _Nowhere:
    """Takes what is written to it, as a StreamWriter would."""

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...


def _kind(head: bytes) -> str:
    method, target = head.split(b" ", 2)[:2]
    part = re.search(rb"[?&]comp=(\w+)", target)
    if b"restype=container" in target and not part:
        return "container"
    if method == b"PUT":
        return {b"block": "block", b"blocklist": "commit", b"tags": "tags"}.get(part[1] if part else b"", "other")
    if part:
        return "other"
    return {b"GET": "read", b"HEAD": "properties", b"DELETE": "delete"}.get(method, "other")


def _closing(head: bytes) -> bytes:
    """The head of a request whose connection ends with its answer."""
    return re.sub(rb"(?i)\r\nconnection: [^\r]*", b"", head).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
