"""One local cloud for all tests of a session: started when first asked for, ended with the session.

Tests share its stores, so each works on ids of its own: `fresh_id`.
"""

import asyncio
import gc
import shutil
import tempfile
from concurrent.futures import Future
from itertools import count
from pathlib import Path
from threading import Thread

from local.cloud.cloud import LocalCloud
from shared import secrets
from shared.config import store
from shared.settings import settings
from shared.storage import account, tables
from shared.storage.access import credential

START_SECONDS = 60


class RunningCloud:
    """A local cloud in a thread of its own, with the event loop that it needs."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="dilux-cloud-"))
        self.cloud = LocalCloud(self._home)
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = Thread(target=lambda: asyncio.run(self._serve()), name="local cloud", daemon=True)
        self._thread.start()
        self._loop, self._ended = self._started.result(START_SECONDS)

    def stop(self) -> None:
        """Leaves no process, thread or file."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()
        shutil.rmtree(self._home)

    async def _serve(self) -> None:
        ended = asyncio.Event()
        try:
            await self.cloud.start()
        except BaseException as failure:
            self._started.set_exception(failure)
            raise
        self._started.set_result((asyncio.get_running_loop(), ended))
        await ended.wait()
        await self.cloud.stop()


_running: list[RunningCloud] = []
_numbers = count(1)


def running_cloud() -> LocalCloud:
    """The cloud of this session."""
    if not _running:
        _running.append(RunningCloud())
    return _running[0].cloud


def stop_cloud() -> None:
    """Ends it, if it was started. The end of the session does, before the processes left behind are looked for."""
    if _running:
        forget_settings()
        # The clients' idle connections go first; over TLS the servers would wait for their goodbye.
        for kept in (account.blob_service, tables._created, tables._service, store._client_of, secrets._client):
            kept.cache_clear()
        gc.collect()
        _running.pop().stop()


def forget_settings() -> None:
    """Lets the next call read the environment anew."""
    settings.cache_clear()
    credential.cache_clear()


def fresh_id(stem: str = "db") -> str:
    """A database or target id that no other test of this session uses."""
    return f"{stem}_{next(_numbers)}"
