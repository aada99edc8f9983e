"""One local cloud for all tests of a session: started when first asked for, ended with the session.

Tests share its stores, so each works on ids of its own: `fresh_id`.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

from local.cloud.cloud import LocalCloud
from shared.settings import settings
from shared.storage.access import credential

START_SECONDS = 60


class RunningCloud:
    """A local cloud in a thread of its own."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="dilux-cloud-"))
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="local cloud", daemon=True)
        self._thread.start()
        self.cloud = LocalCloud(self._home)
        self._run(self.cloud.start())

    def stop(self) -> None:
        """Leaves no process, thread or file."""
        self._run(self.cloud.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        shutil.rmtree(self._home)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(START_SECONDS)


_running: list[RunningCloud] = []
_numbers = count(1)


def running_cloud() -> LocalCloud:
    """The cloud of this session."""
    if not _running:
        _running.append(RunningCloud())
    return _running[0].cloud


def stop_cloud() -> None:
    """Ends it, if it was started. A session fixture calls it, before the processes left behind are looked for."""
    while _running:
        _running.pop().stop()


def forget_settings() -> None:
    """Lets the next call read the environment anew."""
    settings.cache_clear()
    credential.cache_clear()


def fresh_id(stem: str = "db") -> str:
    """A database or target id that no other test of this session uses."""
    return f"{stem}_{next(_numbers)}"
