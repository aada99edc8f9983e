"""One worker as the host sees it: its process under guard, its connection, and the invocations it has in hand."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.frames import READ_AHEAD, Frame, read_frame, write_frame
from local.functions import Function, parse_function
from local.taskhub.invocation import FunctionFailed, WorkerLost

# The folder that holds the package `local`.
SOURCE = Path(__file__).resolve().parent.parent

START_SECONDS = 120.0  # importing a large app on a busy machine
STOP_SECONDS = 3.0  # then the guard ends it
GUARD_SECONDS = 10.0  # the guard itself waits five for what hangs in the kernel
LOG_SECONDS = 1.0  # for its last words


class WorkerStartError(Exception):
    """The app could not be loaded; the text says why, with the stack of what the app raised."""


@dataclass(frozen=True)
class WorkerSettings:
    """What every worker of a pool is started with."""

    app: Path
    home: Path
    environment: Mapping[str, str]
    # Files that stay open as long as anything of the worker lives: the lock of the state folder.
    held_files: tuple[int, ...] = ()


@dataclass
class _Invocation:
    is_activity: bool
    answer: asyncio.Future[Frame] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class WorkerProcess:
    """A running worker. Made by `start_worker`."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        logging: "asyncio.Task[None]",
    ) -> None:
        self.functions: tuple[Function, ...] = ()
        self.pid = 0
        self._process = process
        self._reader = reader
        self._writer = writer
        self._logging = logging
        self._in_hand: dict[int, _Invocation] = {}
        self._last_id = 0
        self._life: asyncio.Task[None] | None = None
        self.listens = False

    @property
    def running(self) -> int:
        """How many invocations it has in hand."""
        return len(self._in_hand)

    @property
    def running_activities(self) -> int:
        """How many of them are activities."""
        return sum(invocation.is_activity for invocation in self._in_hand.values())

    async def invoke(self, head: dict[str, Any], body: bytes, *, is_activity: bool) -> Frame:
        """The worker's answer. Raises FunctionFailed with what the function raised, its stack as a note, or WorkerLost.

        When WorkerLost is raised nothing of the worker, nor of what its functions started, runs any more.
        """
        self._last_id += 1
        identity = self._last_id
        invocation = self._in_hand[identity] = _Invocation(is_activity)
        with suppress(ConnectionError):  # the worker's end sets the answer
            await write_frame(self._writer, Frame({**head, "kind": "invoke", "id": identity}, body))
        answer = await invocation.answer
        if "error" in answer.head:
            error = FunctionFailed(answer.head["error"])
            error.add_note(answer.head["stack"])
            raise error
        return answer

    async def ended(self) -> None:
        """Returns when the worker and all it started are gone."""
        assert self._life
        await asyncio.shield(self._life)

    def kill(self) -> None:
        """Has the guard kill the worker and all it started."""
        assert self._process.stdin
        self._process.stdin.close()

    async def stop(self) -> None:
        """Ends the worker: by a word, or by force when it does not listen."""
        if self._writer.can_write_eof() and not self._writer.is_closing():
            self._writer.write_eof()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self.ended()
        except TimeoutError:
            self.kill()
            await self.ended()

    async def get_ready(self) -> None:
        """Waits until the app is loaded. Raises WorkerStartError when it cannot be; then the worker is gone."""
        try:
            async with asyncio.timeout(START_SECONDS):
                frame = await read_frame(self._reader)
        except BaseException as error:  # the host is being stopped, or the time is up
            self.kill()
            await self._bury()
            if isinstance(error, TimeoutError):
                raise WorkerStartError(f"The app was not loaded within {START_SECONDS:.0f} seconds.") from error
            raise
        if frame is None or frame.head["kind"] != "ready":
            await self._bury()
            if frame is None:
                raise WorkerStartError(f"The worker ended with code {self._process.returncode} while loading the app.")
            raise WorkerStartError(f"{frame.head['error']}\n{frame.head['stack']}".strip())
        self.pid = frame.head["pid"]
        self.functions = tuple(map(parse_function, frame.head["functions"]))
        self.listens = True
        self._life = asyncio.create_task(self._live())

    async def _live(self) -> None:
        while frame := await read_frame(self._reader):
            invocation = self._in_hand.pop(frame.head["id"])
            if not invocation.answer.done():  # whoever asked may have left
                invocation.answer.set_result(frame)
        self.listens = False
        await self._bury()
        for invocation in self._in_hand.values():
            if not invocation.answer.done():
                invocation.answer.set_exception(WorkerLost(f"worker process {self.pid} ended before it answered"))
        self._in_hand.clear()

    async def _bury(self) -> None:
        """Waits until nothing of the worker runs any more; one that does not end by itself is killed."""
        if not await self._ends_within(STOP_SECONDS):
            self.kill()
        if not await self._ends_within(GUARD_SECONDS):
            self._process.kill()
            await self._process.wait()
        self._writer.close()
        await asyncio.wait([self._logging], timeout=LOG_SECONDS)
        self._logging.cancel()

    async def _ends_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._process.wait()
                return True
        except TimeoutError:
            return False


async def start_worker(settings: WorkerSettings, log: Callable[[bytes], None]) -> WorkerProcess:
    """A worker with the app loaded; what it prints goes to `log`. Raises WorkerStartError."""
    ours, theirs = socket.socketpair()
    with theirs, ExitStack() as unless_started:
        unless_started.enter_context(ours)
        descriptor = str(theirs.fileno())
        process = await asyncio.create_subprocess_exec(
            *_python("local.guard", "--pass-fd", descriptor, "--"),
            *_python("local.worker", "--app", str(settings.app), "--socket", descriptor, "--home", str(settings.home)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=_environment(settings.environment),
            pass_fds=(theirs.fileno(), *settings.held_files),
            # Ctrl-C in a terminal reaches the host alone, which then ends its workers in good order.
            start_new_session=True,
        )
        unless_started.pop_all()
    assert process.stdout
    reader, writer = await asyncio.open_unix_connection(sock=ours, limit=READ_AHEAD)
    worker = WorkerProcess(process, reader, writer, asyncio.create_task(_copy(process.stdout, log)))
    await worker.get_ready()
    return worker


def _python(module: str, *arguments: str) -> list[str]:
    # -P: the current directory is no place to import from.
    return [sys.executable, "-P", "-m", module, *arguments]


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings, and ours first on PYTHONPATH until the worker has started."""
    path = os.pathsep.join(filter(None, [str(SOURCE), settings.get("PYTHONPATH")]))
    return {**settings, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


async def _copy(output: asyncio.StreamReader, log: Callable[[bytes], None]) -> None:
    while chunk := await output.read(64 * 1024):
        log(chunk)
