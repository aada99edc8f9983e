"""The API over a real local cloud, asked as a caller would ask it."""

import os
from collections.abc import Iterator

import pytest

from local.cloud.cloud import LocalCloud
from shared.config import store
from tests.api.client import Api
from tests.support.cloud import forget_settings


@pytest.fixture
def api(cloud: LocalCloud) -> Iterator[Api]:
    """The API, and what it asked of its durable client; databases on this machine are allowed.

    It ends with an empty configuration.
    """
    os.environ["ALLOWED_NETWORKS"] = "127.0.0.0/8"  # undone with all that a test puts there
    forget_settings()
    yield Api(cloud)
    for setting in store.read_all(""):
        store.erase(setting.key)
