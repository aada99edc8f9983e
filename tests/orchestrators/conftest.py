"""The product's plans on a task hub in this process, with the real activities, cloud and servers behind them."""

from collections.abc import Iterator

import azure.durable_functions as df
import pytest

from local.cloud.cloud import LocalCloud
from tests.shared.conftest import cloud, session_cloud

__all__ = ["cloud", "session_cloud"]


@pytest.fixture
def plans(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[df.DFApp]:
    """An app with everything that the rooms offer to the durable engine; databases on this machine are allowed."""
    from function_app import triggers  # after the settings are there: the module reads them
    from tests.support.cloud import forget_settings

    monkeypatch.setenv("ALLOWED_NETWORKS", "127.0.0.0/8")
    forget_settings()
    app = df.DFApp()
    for trigger in triggers().values():
        trigger.register(app)
    yield app
