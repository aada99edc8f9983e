"""Looks after a streaming activity from a thread of its own, so that it is noticed when nothing moves any more.

It renews the claim and learns there that the run is cancelled or replaced, sees a stalled stream and a passed deadline,
and shows progress. What it finds wrong stops the stream; the streaming thread then raises it by `check`.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType

from shared import clock
from shared.errors import BackupError, ConfigurationUnavailable, InternalError, Stalled, Timeout

log = logging.getLogger(__name__)

CLAIM_LASTS_SECONDS = 600.0
"""What a renewed claim lasts; so long may the tables be silent before the work must stop."""


@dataclass(frozen=True)
class Pace:
    """How often the watch looks, in seconds."""

    look: float = 0.25
    progress: float = 2.0
    claim: float = 30.0
    stall: float = 120.0
    """So long may no byte move."""


class Watch:
    """A context manager around the stream. `moved` changes as long as anything moves anywhere.

    `stop` makes the streaming thread fail soon, also when it waits; it is called once. `keep` renews the claim, or is
    None where there is none.
    """

    def __init__(
        self,
        *,
        what: str,
        moved: Callable[[], int],
        stop: Callable[[], None],
        show: Callable[[], None],
        deadline_at: datetime,
        keep: Callable[[], None] | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._what = what
        self._moved = moved
        self._stop = stop
        self._show = show
        self._keep = keep
        self._deadline_at = deadline_at
        self._pace = pace or Pace()
        self._found: BackupError | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"watch of {what}", daemon=True)

    def check(self) -> None:
        """Raises what the watch found wrong, if anything."""
        if self._found is not None:
            raise self._found

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        moved, moved_at = self._moved(), time.monotonic()
        shown_at = claimed_at = time.monotonic()
        renewed_at = claimed_at
        while not self._over.wait(self._pace.look):
            now = time.monotonic()
            if self._moved() != moved:
                moved, moved_at = self._moved(), now
            try:
                if now - moved_at >= self._pace.stall:
                    raise Stalled(f"{self._what}: no byte moved for {self._pace.stall:.0f} seconds.")
                if clock.now() >= self._deadline_at:
                    raise Timeout(f"{self._what}: the deadline {clock.iso(self._deadline_at)} passed.")
                if self._keep is not None and now - claimed_at >= self._pace.claim:
                    claimed_at = now
                    renewed_at = self._renewed(renewed_at)
                if now - shown_at >= self._pace.progress:
                    shown_at = now
                    self._show_quietly()
            except BackupError as error:
                self._end(error)
                return
            except Exception:  # a fault of ours here must not leave the stream without anybody who looks after it
                log.exception("watch failed", extra={"work": self._what})
                self._end(InternalError(f"{self._what}: the watch failed; see the log."))
                return

    def _end(self, error: BackupError) -> None:
        self._found = error
        self._stop()

    def _renewed(self, renewed_at: float) -> float:
        """When the claim was renewed last. Tables that are silent for a moment stop nothing."""
        assert self._keep is not None
        try:
            self._keep()
        except ConfigurationUnavailable:
            if time.monotonic() - renewed_at >= CLAIM_LASTS_SECONDS - 2 * self._pace.claim:
                raise
            log.warning("claim not renewed", extra={"work": self._what})
            return renewed_at
        return time.monotonic()

    def _show_quietly(self) -> None:
        try:
            self._show()
        except BackupError:
            log.warning("progress not shown", extra={"work": self._what})
