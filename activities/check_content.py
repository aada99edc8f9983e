"""The rungs `stored` and `readable`, by one pass over the whole blob: hashes, container, and the dump's own format."""

import threading
import time

from shared import claims, clock, progress
from shared.crash_points import crash_point
from shared.durable import activity
from shared.engines.registry import engine_for
from shared.errors import BackupCorrupted, BackupError, BlobMissing
from shared.models.database import Rung
from shared.models.plan import ContentRequest
from shared.models.run import Evidence, Progress
from shared.storage.blob_reader import ReadBack, read_back
from shared.storage.errors import TransferStopped
from shared.watch import Pace, Watch


@activity
def check_content(request: ContentRequest) -> Evidence:
    """What was read. A bad blob is told in the evidence; raised is what kept it from being read."""
    return read_and_check(request)


def read_and_check(request: ContentRequest, *, pace: Pace | None = None) -> Evidence:
    """The activity, at a pace of the caller's choice."""
    began = time.monotonic()
    error: BackupError | None = None
    rung, detail = Rung.READABLE, ""
    try:
        read, detail = _read(request, pace)
        rung, error = _judged(request, read, detail)
    except (BackupCorrupted, BlobMissing) as found:
        error = found
    return Evidence(
        rung=rung,
        check="content",
        detail=detail or "The content does not pass.",
        seconds=round(time.monotonic() - began, 3),
        error=error.value() if error else None,
    )


def _read(request: ContentRequest, pace: Pace | None) -> tuple[ReadBack, str]:
    """The whole blob through the engine's check, and what that check found."""
    check = engine_for(request.database.type).content_check(request.probe, request.tool)
    stop = threading.Event()
    seen = _Seen(request)
    try:
        with Watch(
            what=f"Check of {request.backup_id}",
            moved=lambda: seen.bytes_stored,
            stop=stop.set,
            show=seen.show,
            keep=(lambda: claims.keep(request.database_id, request.backup_id)) if request.holds_claim else None,
            deadline_at=request.deadline_at,
            pace=pace,
        ) as watch:
            try:
                read = read_back(request.dump.blob, check.feed, moved=seen.count, stop=stop)
            except TransferStopped:
                watch.check()
                raise
        if read.gzip_fault is not None:
            raise BackupCorrupted(f"The blob {request.dump.blob.path} is not one whole gzip member: {read.gzip_fault}.")
        return read, check.finish()
    finally:
        check.close()


def _judged(request: ContentRequest, read: ReadBack, detail: str) -> tuple[Rung, BackupError | None]:
    """The rung that the content reached, or what differs from what was streamed."""
    dump = request.dump
    wrong = [
        f"{name} {there} instead of {wanted}"
        for name, there, wanted in (
            ("size", read.bytes_stored, dump.bytes_stored),
            ("SHA-256 of the blob", read.sha256_stored, dump.sha256_stored),
            ("MD5 of the blob", read.md5_stored, dump.md5_stored),
            ("size of the dump", read.bytes_read, dump.bytes_read),
            ("SHA-256 of the dump", read.sha256_source, dump.sha256_source),
        )
        if there != wanted
    ]
    if wrong:
        text = f"The blob {dump.blob.path} is not what was streamed: {'; '.join(wrong)}."
        return Rung.STORED, BackupCorrupted(text)
    return Rung.READABLE, None


class _Seen:
    """How much was read, and showing it."""

    def __init__(self, request: ContentRequest) -> None:
        self._request = request
        self.bytes_stored = 0
        self._started = False

    def count(self, count: int) -> None:
        self.bytes_stored += count
        if not self._started:
            self._started = True
            crash_point("in_verification")

    def show(self) -> None:
        dump = self._request.dump
        progress.write(
            Progress(
                id=self._request.progress_id,
                phase="verifying",
                percent=99 if self._request.holds_claim else 50 * self.bytes_stored // max(dump.bytes_stored, 1),
                bytes_read=dump.bytes_read,
                bytes_stored=dump.bytes_stored,
                logs=("Reading the backup back...",),
                updated_at=clock.now(),
            )
        )
