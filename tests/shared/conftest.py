"""The local cloud for tests that keep records."""

import os
from collections.abc import Iterator

import pytest

from local.cloud.cloud import LocalCloud
from tests.support.cloud import forget_settings, running_cloud, stop_cloud


@pytest.fixture(scope="session")
def session_cloud() -> Iterator[LocalCloud]:
    """The cloud that all tests share."""
    yield running_cloud()
    stop_cloud()


@pytest.fixture
def cloud(session_cloud: LocalCloud) -> Iterator[LocalCloud]:
    """The cloud, with the settings of this process pointing to it."""
    os.environ.update(session_cloud.environment())
    forget_settings()
    yield session_cloud
    forget_settings()
