"""Streams a backup from storage into a target database, and proves on the way that it is what was stored."""

import os
import secrets as random_signs
import threading
import time

from activities.prepare_target import RESTORING, is_there, target_for, target_key
from shared import claims, clock, progress
from shared.durable import activity
from shared.engines.engine import Login
from shared.engines.registry import engine_for, restorer_for
from shared.errors import BackupCorrupted, RestoreFailed
from shared.logins import login_for
from shared.models.database import TargetConfig
from shared.models.plan import Loaded, LoadRequest
from shared.models.run import Progress, Tool
from shared.storage.blob_reader import ReadBack, read_back
from shared.storage.errors import TransferStopped
from shared.tools import installed_tools
from shared.tools.process import ToolProcess
from shared.watch import Pace, Watch

PACE = Pace(stall=1800.0)
"""A server that takes a statement of minutes, such as one that sorts an index, reads nothing meanwhile."""


@activity
def load_backup(request: LoadRequest) -> Loaded:
    """What was loaded. Raises RestoreFailed, BackupCorrupted, or what kept a server from taking it.

    When an earlier execution of this step was cut off, what it loaded is dropped first: the plan found the database
    empty, or was allowed to overwrite it, right before this step.
    """
    return load(request)


def load(request: LoadRequest, *, pace: Pace = PACE) -> Loaded:
    """The activity, at a pace of the caller's choice."""
    began = time.monotonic()
    execution = random_signs.token_hex(4)
    claims.begin_execution(target_key(request.target_id, request.database), request.operation_id, execution)
    target = target_for(request.target_id, request.tenant_id, request.facts.database.type)
    login = login_for(target.server)
    _begin_anew(request, target, login)
    restorer = restorer_for(target.type)
    server = engine_for(target.type).probe(login, request.database).server
    tool = restorer.choose_tool(server, installed_tools(restorer.restore_tools), dumped_by=request.facts.tool)
    read = _streamed(request, target, login, tool, execution, pace)
    return Loaded(bytes_read=read.bytes_read, seconds=round(time.monotonic() - began, 3), server=target.server)


def _begin_anew(request: LoadRequest, target: TargetConfig, login: Login) -> None:
    shown = progress.read(request.operation_id)
    restorer = restorer_for(target.type)
    if shown is not None and shown.phase == RESTORING and not _is_ready(target, login, request.database):
        restorer.drop_database(login, request.database)
        restorer.create_database(login, request.database, request.facts.probe.server)
    progress.write(Progress(id=request.operation_id, phase=RESTORING, updated_at=clock.now()))


def _is_ready(target: TargetConfig, login: Login, database: str) -> bool:
    """Whether the database is there and empty; the execution before may have been cut off after it had dropped it."""
    return is_there(login, target.type, database) and restorer_for(target.type).is_empty(login, database)


def _streamed(
    request: LoadRequest, target: TargetConfig, login: Login, loader: Tool, execution: str, pace: Pace
) -> ReadBack:
    """Reads the blob into the restore tool; raises when the tool did not take all of it."""
    restorer = restorer_for(target.type)
    command = restorer.restore_command(login, request.database, loader, scratch=True)
    stop = threading.Event()
    with ToolProcess(
        command.argv, command.environment, secrets=[login.password.get_secret_value()], takes_input=True
    ) as tool:
        feeder = _Feeder(request, tool, restorer.unknown_first_lines(loader))

        def end() -> None:
            stop.set()
            tool.kill()

        with Watch(
            what=f"Restore {request.operation_id}",
            moved=lambda: feeder.bytes_moved,
            stop=end,
            show=feeder.show,
            keep=lambda: claims.keep(target_key(request.target_id, request.database), request.operation_id, execution),
            deadline_at=request.deadline_at,
            pace=pace,
        ) as watch:
            read: ReadBack | None = None
            try:
                read = read_back(request.facts.dump.blob, feeder.feed, moved=feeder.count, stop=stop)
            except (BrokenPipeError, TransferStopped):  # the tool ended early, or the watch ended it
                watch.check()
            finally:
                feeder.end()
            exit_code = tool.wait()
            watch.check()
        if read is not None:
            _hold_against(request, read)  # before the tool's end: of a damaged dump it says nothing that helps
        error = restorer.restore_error(exit_code, tool.log.text, server=target.server, database=request.database)
        if error is not None:
            raise error
        if read is None:
            raise RestoreFailed(f"The restore tool ended before it had read all of {request.facts.dump.blob.path}.")
        return read


def _hold_against(request: LoadRequest, read: ReadBack) -> None:
    """Raises BackupCorrupted when this is not what was streamed."""
    dump = request.facts.dump
    if read.gzip_fault or (read.sha256_stored, read.sha256_source) != (dump.sha256_stored, dump.sha256_source):
        raise BackupCorrupted(
            f"The blob {dump.blob.path} is not what was streamed when it was made; what was loaded from it into "
            f"{request.database} must not be used."
        )


class _Feeder:
    """Writes the dump to the tool, leaving out a first line that it does not know, and shows how far it is."""

    def __init__(self, request: LoadRequest, tool: ToolProcess, unknown_first_lines: tuple[bytes, ...]) -> None:
        self._request, self._tool = request, tool
        self._unknown = unknown_first_lines
        self._is_first = True
        self._has_ended = False
        self._stored = self._written = self._looks = 0

    @property
    def bytes_moved(self) -> int:
        """Grows as long as storage gives or the tool takes.

        And with each look once the tool has it all: indexes and foreign keys are made then, and no byte tells of it.
        """
        if self._has_ended:
            self._looks += 1
        return self._stored + self._written + self._looks

    def feed(self, piece: bytes) -> None:
        """Takes the next piece of the dump; BrokenPipeError when the tool has ended."""
        if self._is_first:
            self._is_first = False
            line, separator, rest = piece.partition(b"\n")
            if separator and line in self._unknown:
                piece = rest
        view = memoryview(piece)
        while view:
            count = os.write(self._tool.stdin, view)
            self._written += count
            view = view[count:]

    def count(self, count: int) -> None:
        """Notes stored bytes that came."""
        self._stored += count

    def end(self) -> None:
        """Tells the tool that no more comes."""
        self._has_ended = True
        try:
            self._tool.end_input()
        except BrokenPipeError:  # it has ended already; its exit code tells why
            return

    def show(self) -> None:
        """Writes the progress row."""
        dump = self._request.facts.dump
        progress.write(
            Progress(
                id=self._request.operation_id,
                phase=RESTORING,
                percent=50 + 45 * self._stored // max(dump.bytes_stored, 1),
                bytes_read=self._written,
                bytes_stored=self._stored,
                updated_at=clock.now(),
            )
        )
