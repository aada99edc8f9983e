"""The API over a real local cloud, asked as a caller would ask it."""

import os
from collections.abc import Iterator

import pytest

from local.cloud.cloud import LocalCloud
from shared.config import store
from tests.api.client import Api
from tests.support.cloud import forget_settings, running_cloud


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    """The cloud, with the settings of this process pointing to it; databases on this machine are allowed."""
    cloud = running_cloud()
    os.environ.update(cloud.environment())
    os.environ["ALLOWED_NETWORKS"] = "127.0.0.0/8"
    forget_settings()
    yield cloud
    forget_settings()


@pytest.fixture
def api(cloud: LocalCloud) -> Iterator[Api]:
    """The API, and what it asked of its durable client; it ends with an empty configuration."""
    yield Api(cloud)
    for setting in store.read_all(""):
        store.erase(setting.key)
