"""Keys and values of App Configuration: read, and written under conditions that it checks."""

from dataclasses import dataclass
from functools import lru_cache

from azure.appconfiguration import AzureAppConfigurationClient, ConfigurationSetting, ResourceReadOnlyError
from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)

from shared.errors import Conflict, InvalidRequest
from shared.settings import is_url, settings
from shared.storage.access import PATIENCE_SECONDS, TIMEOUTS, credential, service_errors
from shared.storage.retry import DeadlineRetry

SERVICE = "App Configuration"
NO_LABEL = "\0"
"""How a filter asks for settings without a label; those with one are not ours."""


@dataclass(frozen=True)
class Setting:
    """One key with its value; the ETag changes with each write."""

    key: str
    value: str
    etag: str


def read(key: str) -> Setting | None:
    """The setting, or None."""
    with service_errors(SERVICE):
        try:
            found = _client().get_configuration_setting(key)
        except ResourceNotFoundError:
            return None
    return None if found is None else _setting(found)


def read_all(beginning: str) -> list[Setting]:
    """All settings whose key begins so, sorted by key."""
    with service_errors(SERVICE):
        found = _client().list_configuration_settings(key_filter=f"{beginning}*", label_filter=NO_LABEL)
        return sorted((_setting(setting) for setting in found), key=lambda setting: setting.key)


def write(key: str, value: str, *, over: Setting | None) -> bool:
    """Writes a JSON value where `over`, as read before, or nothing was; False, and no change, when that is not so.

    A request whose answer got lost is repeated, and then meets what it wrote itself: that is success. Raises
    InvalidRequest when the value is too long, Conflict when the key is locked.
    """
    setting = ConfigurationSetting(key=key, value=value, content_type="application/json")
    with service_errors(SERVICE):
        try:
            if over is None:
                _client().add_configuration_setting(setting)
            else:
                _client().set_configuration_setting(
                    setting, match_condition=MatchConditions.IfNotModified, etag=over.etag
                )
        except (ResourceExistsError, ResourceModifiedError):
            there = read(key)
            return there is not None and there.value == value
        except ResourceReadOnlyError:
            raise _locked(key) from None
        except HttpResponseError as refusal:
            if refusal.status_code != 413:
                raise
            raise InvalidRequest(f"{key} would be longer than the 10 KB that App Configuration takes.") from None
    return True


def erase(key: str) -> None:
    """Deletes the setting; one that is gone already is fine. Raises Conflict when the key is locked."""
    with service_errors(SERVICE):
        try:
            _client().delete_configuration_setting(key)
        except ResourceReadOnlyError:
            raise _locked(key) from None


def _setting(found: ConfigurationSetting) -> Setting:
    return Setting(key=found.key, value=found.value or "", etag=found.etag or "")


def _locked(key: str) -> Conflict:
    return Conflict(f"{key} is locked in App Configuration. Unlock it there first.")


def _client() -> AzureAppConfigurationClient:
    return _client_of(settings().configuration_store)


@lru_cache(maxsize=1)
def _client_of(store: str) -> AzureAppConfigurationClient:
    retry = DeadlineRetry(total_seconds=PATIENCE_SECONDS)
    if is_url(store):
        return AzureAppConfigurationClient(store, credential(), retry_policy=retry, **TIMEOUTS)
    return AzureAppConfigurationClient.from_connection_string(store, retry_policy=retry, **TIMEOUTS)
