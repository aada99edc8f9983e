"""Streams one dump into uncommitted blocks: tool, hash, compressor, hash, blocks; back-pressure, and no disk."""

import logging
import os
import secrets
import time
from datetime import timedelta

from shared import claims, clock, naming, progress
from shared.crash_points import crash_point
from shared.durable import activity
from shared.engines.registry import engine_for
from shared.errors import BackupError, DumpFailed, Replaced, WorkerLost
from shared.logins import login_for
from shared.models.run import BlobAddress, Dump, DumpRequest, Progress
from shared.storage.account import blob_client, ensure_container
from shared.storage.blobs import write_small_blob
from shared.storage.block_writer import BlockWriter, StagedBlocks
from shared.storage.staged_blob import discard_blocks, remove_mark
from shared.tools.process import ToolProcess
from shared.watch import Pace, Watch

log = logging.getLogger(__name__)

READ_BYTES = 256 * 1024


@activity
def dump_database(request: DumpRequest) -> Dump:
    """What was streamed. Raises what ended the stream; nothing of it is left in storage then."""
    return stream_dump(request)


def stream_dump(request: DumpRequest, *, pace: Pace | None = None) -> Dump:
    """The activity, at a pace of the caller's choice."""
    began = time.monotonic()
    execution = secrets.token_hex(4)
    claims.begin_execution(request.database_id, request.backup_id, execution)
    log.info("dump begins", extra={"backup_id": request.backup_id, "database_id": request.database_id})
    ensure_container(request.blob.container)
    remove_mark(request.blob)
    try:
        staged, warnings, log_blob = _streamed(request, execution, pace)
    except (Replaced, WorkerLost):  # the blocks may be those of the execution that took over
        raise
    except Exception:
        _discard(request)
        raise
    crash_point("after_stage")
    seconds = time.monotonic() - began
    log.info(
        "dump staged",
        extra={
            "backup_id": request.backup_id,
            "bytes": staged.bytes_read,
            "seconds": seconds,
            "most_blocks_held": staged.most_blocks_held,
        },
    )
    return Dump(
        blob=request.blob,
        execution=execution,
        blocks=staged.blocks,
        bytes_read=staged.bytes_read,
        bytes_stored=staged.bytes_stored,
        sha256_source=staged.sha256_source,
        sha256_stored=staged.sha256_stored,
        md5_stored=staged.md5_stored,
        seconds=round(seconds, 3),
        warnings=warnings,
        log_blob=log_blob,
    )


def _streamed(
    request: DumpRequest, execution: str, pace: Pace | None
) -> tuple[StagedBlocks, tuple[str, ...], BlobAddress | None]:
    """What was staged, what the tool said, and where its whole log is; raises when the tool did not end well."""
    engine = engine_for(request.server.type)
    login = login_for(request.server)
    command = engine.dump_command(login, request.database, request.tool, request.probe, request.options)

    def stop() -> None:
        writer.stop()
        tool.kill()

    with (
        BlockWriter(
            blob_client(request.blob),
            execution=execution,
            level=request.compression_level,
            max_size_bytes=request.max_size_bytes,
        ) as writer,
        ToolProcess(command.argv, command.environment, secrets=[login.password.get_secret_value()]) as tool,
        Watch(
            what=f"Dump {request.backup_id}",
            # A tool that reads a large catalogue, or slowly, works for long before it writes.
            moved=lambda: writer.bytes_moved + tool.ticks,
            stop=stop,
            show=_Shower(request, writer, tool),
            keep=lambda: claims.keep(request.database_id, request.backup_id, execution),
            deadline_at=request.deadline_at,
            pace=pace,
        ) as watch,
    ):
        try:
            _pump(tool, writer)
            exit_code = tool.wait()
            watch.check()  # before the exit code: the watch may have killed the tool
            error = engine.dump_error(exit_code, tool.log.text, server=request.server, database=request.database)
            if error is not None:
                raise error
            if not writer.bytes_read:
                raise DumpFailed(f"The dump tool ended well but wrote nothing for {request.database}; see its log.")
            staged = writer.finish()
            watch.check()
        except Exception:
            tool.kill()
            _keep_log(request, tool)
            watch.check()  # whatever ended the stream, the watch caused it if it found something
            raise
        return staged, tool.log.last_lines, _keep_log(request, tool)


def _pump(tool: ToolProcess, writer: BlockWriter) -> None:
    """From the tool into blocks, until the tool closes its output."""
    buffer = bytearray(READ_BYTES)
    view = memoryview(buffer)
    started = False
    while count := os.readv(tool.stdout, [buffer]):
        writer.write(view[:count])
        if not started:
            started = True
            crash_point("in_dump")


def _keep_log(request: DumpRequest, tool: ToolProcess) -> BlobAddress | None:
    """Where the tool's whole redacted stderr was put; None when it said nothing or storage does not take it now."""
    if not tool.log.text:
        return None
    address = naming.log_address(request.backup_id)
    try:
        # An earlier attempt of the run may have left its log there; the last one tells how the run ended.
        write_small_blob(address, tool.log.compressed(), content_type="application/gzip", replace=True)
    except BackupError:
        log.warning("tool log not kept", extra={"backup_id": request.backup_id})
        return None
    return address


def _discard(request: DumpRequest) -> None:
    """Drops what was staged. When storage does not take that either, the blocks expire by themselves in a week."""
    try:
        discard_blocks(request.blob)
    except BackupError:
        log.warning("blocks not dropped", extra={"backup_id": request.backup_id, "blob": request.blob.path})


class _Shower:
    """Shows how far the dump is."""

    def __init__(self, request: DumpRequest, writer: BlockWriter, tool: ToolProcess) -> None:
        self._request, self._writer, self._tool = request, writer, tool
        self._began = time.monotonic()

    def __call__(self) -> None:
        read, expected = self._writer.bytes_read, max(self._request.probe.size_bytes, 1)
        percent = min(99, 100 * read // expected)
        rate = read / max(time.monotonic() - self._began, 0.001)
        left_seconds = (expected - read) / rate if 0 < read < expected else None
        progress.write(
            Progress(
                id=self._request.backup_id,
                phase="dumping",
                percent=percent,
                bytes_read=read,
                bytes_stored=self._writer.bytes_stored,
                bytes_per_second=int(rate),
                eta_at=None if left_seconds is None else clock.now() + timedelta(seconds=left_seconds),
                logs=(f"Dumping tables... ({percent}% complete)", *self._tool.log.last_lines),
                updated_at=clock.now(),
            )
        )
