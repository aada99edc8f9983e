"""App Configuration as tests write it by hand, and its silence."""

import pytest
from azure.appconfiguration import AzureAppConfigurationClient, ConfigurationSetting

from shared.config import store
from tests.support.cloud import forget_settings
from tests.support.loopback_ports import closed_port


def client() -> AzureAppConfigurationClient:
    """The product's own client."""
    return store._client()


def set_key(key: str, value: str) -> None:
    """Writes one key, as a person in the portal would."""
    client().set_configuration_setting(ConfigurationSetting(key=key, value=value))


class Outage:
    """Makes App Configuration stop answering."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def begin(self) -> None:
        self._monkeypatch.setattr("shared.config.store.PATIENCE_SECONDS", 0.2)
        self._monkeypatch.setenv("AZURE_APPCONFIG_ENDPOINT", f"https://127.0.0.1:{closed_port()}")
        forget_settings()
