"""How far runs and operations are: one row each, written while they work and read by whoever looks."""

from functools import lru_cache
from threading import Lock

from shared.models.run import Progress
from shared.storage import tables
from shared.storage.tables import Row, fit_document, fit_text

PROGRESS = "RunProgress"
KEY = "progress"
PHASES = ("queued", "starting", "inspecting", "dumping", "uploading", "verifying", "recording", "done")
"""The phases of a backup, in their order; other work has phases of its own, which are shown as they come."""
MOST_LINES = 50
LONGEST_LINE = 200
_REMEMBERED = 256


def write(progress: Progress) -> None:
    """Shows how far the work is. Neither percent nor phase goes back, though an attempt may begin anew.

    Lines of the log are added to those that are there. One request, except for the first of this process and after
    another process wrote the same row. Raises ConfigurationUnavailable, which is no reason to stop the work.
    """
    remembered = _last_written(progress.id)
    with remembered.lock:
        for _ in range(3):
            if remembered.row is None:
                remembered.row = tables.get(PROGRESS, progress.id, KEY)
            shown = _onwards(None if remembered.row is None else _progress(remembered.row), progress)
            row = Row(progress.id, KEY, {"Progress": _document(shown)})
            old = remembered.row
            etag = tables.insert(PROGRESS, row) if old is None else tables.replace(PROGRESS, row, old.etag)
            remembered.row = None if etag is None else Row(row.partition, row.key, row.cells, etag)
            if etag is not None:
                return
        # Somebody else writes faster than we do; what they show is as good.


def read(progress_id: str) -> Progress | None:
    """How far the work is, or None when it never showed anything."""
    row = tables.get(PROGRESS, progress_id, KEY)
    return None if row is None else _progress(row)


class _LastWritten:
    """What this process wrote last for one id: saves reading it before each write."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.row: Row | None = None


@lru_cache(maxsize=_REMEMBERED)
def _last_written(progress_id: str) -> _LastWritten:
    return _LastWritten()


def _progress(row: Row) -> Progress:
    return Progress.model_validate_json(row.text("Progress"))


def _document(shown: Progress) -> str:
    def with_lines_of(units: int) -> str:
        lines = tuple(fit_text(line, min(units, LONGEST_LINE)) for line in shown.logs)
        return shown.model_copy(update={"logs": lines}).model_dump_json()

    return fit_document(with_lines_of)


def _onwards(shown: Progress | None, new: Progress) -> Progress:
    """What to show after `shown`."""
    before = new if shown is None else shown
    lines = [line for line in before.logs if line not in new.logs] if shown else []
    logs = tuple([*lines, *new.logs][-MOST_LINES:])
    return new.model_copy(
        update={
            "phase": before.phase if _is_back(new.phase, before.phase) else new.phase,
            "percent": max(before.percent, new.percent),
            "logs": logs,
        }
    )


def _is_back(phase: str, before: str) -> bool:
    return phase in PHASES and before in PHASES and PHASES.index(phase) < PHASES.index(before)
