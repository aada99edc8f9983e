"""The rungs `stored` and `readable`, by one pass over the whole blob: hashes, container, and the dump's own format."""

import threading
import time
from collections.abc import Callable

from shared import claims, clock, progress
from shared.crash_points import crash_point
from shared.durable import activity
from shared.engines.registry import engine_for
from shared.errors import BackupCorrupted, BackupError, BlobMissing
from shared.models.database import Rung
from shared.models.plan import ContentRequest
from shared.models.run import Evidence, Progress
from shared.storage.blob_reader import ReadBack, read_back
from shared.watch import Pace, Watch


@activity
def check_content(request: ContentRequest) -> Evidence:
    """What was read. A bad blob is told in the evidence; raised is what kept it from being read."""
    return read_and_check(request)


def read_and_check(request: ContentRequest, *, pace: Pace | None = None) -> Evidence:
    """The activity, at a pace of the caller's choice."""
    began = time.monotonic()
    error: BackupError | None = None
    try:
        detail = _read(request, pace)
    except (BackupCorrupted, BlobMissing) as found:
        detail, error = "The content does not pass.", found
    return Evidence(
        rung=Rung.READABLE,
        check="content",
        detail=detail,
        seconds=round(time.monotonic() - began, 3),
        error=error.value() if error else None,
    )


def _read(request: ContentRequest, pace: Pace | None) -> str:
    """What the engine's check found in the whole blob. Raises BackupCorrupted and BlobMissing."""
    check = engine_for(request.database.type).content_check(request.probe, request.tool)
    stop = threading.Event()
    seen = _Seen(request)

    def end() -> None:
        stop.set()
        check.close()  # the check may wait for a tool that does not move

    try:
        with Watch(
            what=f"Check of {request.backup_id}",
            moved=lambda: seen.bytes_moved,
            stop=end,
            show=seen.show,
            keep=(lambda: claims.keep(request.database_id, request.backup_id)) if request.holds_claim else None,
            deadline_at=request.deadline_at,
            pace=pace,
        ) as watch:
            try:
                read = read_back(request.dump.blob, seen.through(check.feed), moved=seen.count, stop=stop)
                _hold_against(request, read)
                detail = check.finish()
            except Exception:  # whatever it is, the watch caused it if it ended the work
                watch.check()
                raise
            watch.check()
        return detail
    finally:
        check.close()


def _hold_against(request: ContentRequest, read: ReadBack) -> None:
    """Raises BackupCorrupted, with all that differs, when this is not what was streamed."""
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
    if read.gzip_fault is not None:
        wrong.append(read.gzip_fault)
    if wrong:
        raise BackupCorrupted(f"The blob {dump.blob.path} is not what was streamed: {'; '.join(wrong)}.")


class _Seen:
    """How much was read, and showing it."""

    def __init__(self, request: ContentRequest) -> None:
        self._request = request
        self._started = False
        self.bytes_stored = 0
        self.bytes_moved = 0

    def through(self, feed: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """`feed`, with its bytes counted as moved: a little of a blob may decompress to very much."""

        def counting(piece: bytes) -> None:
            feed(piece)
            self.bytes_moved += len(piece)

        return counting

    def count(self, count: int) -> None:
        """Notes stored bytes that came."""
        self.bytes_stored += count
        self.bytes_moved += count
        if not self._started:
            self._started = True
            crash_point("in_verification")

    def show(self) -> None:
        """Writes the progress row."""
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
