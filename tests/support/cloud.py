"""One local cloud for all tests of a session: started when first asked for, ended with the session.

Tests share its stores, so each works on ids of its own: `fresh_id`.
"""

import gc
import tempfile
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from local.cloud.cloud import LocalCloud
from shared import secrets
from shared.config import store
from shared.settings import settings
from shared.storage import account, tables
from shared.storage.access import credential
from tests.support.running_cloud import running_cloud

_running: list[tuple[LocalCloud, ExitStack]] = []
"""The cloud of this session and what ends it; nothing before somebody asks."""
_numbers = count(1)


def shared_cloud() -> LocalCloud:
    """The cloud of this session."""
    if not _running:
        with ExitStack() as starting:
            home = starting.enter_context(tempfile.TemporaryDirectory(prefix="dilux-cloud-"))
            cloud = starting.enter_context(running_cloud(Path(home)))
            _running.append((cloud, starting.pop_all()))
    return _running[0][0]


def stop_cloud() -> None:
    """Ends it, if it was started. The end of the session calls it, before processes left behind are looked for."""
    if _running:
        forget_settings()
        # The clients' idle connections go first; over TLS the servers would wait for their goodbye.
        for kept in (account.blob_service, tables._created, tables._service, store._client_of, secrets._client):
            kept.cache_clear()
        gc.collect()
        _running.pop()[1].close()


def forget_settings() -> None:
    """Lets the next call read the environment anew."""
    settings.cache_clear()
    credential.cache_clear()


def fresh_id(stem: str = "db") -> str:
    """A database or target id that no other test of this session uses."""
    return f"{stem}_{next(_numbers)}"
