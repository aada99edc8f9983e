"""The settings: what is read, what is refused, what is named when it is missing."""

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from shared.errors import SettingInvalid
from shared.settings import Settings, settings

pytestmark = pytest.mark.unit

CONNECTION_STRING = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=c2VjcmV0;EndpointSuffix=x.blob.net"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """An environment without any of our settings."""
    for field in Settings.model_fields.values():
        alias = field.validation_alias
        for name in getattr(alias, "choices", ()):
            monkeypatch.delenv(str(name), raising=False)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    settings.cache_clear()
    yield monkeypatch
    settings.cache_clear()


def test_defaults_are_those_of_the_specification() -> None:
    read = settings()

    assert read.scheduler_interval == timedelta(minutes=15)
    assert read.backup_retention_days == 30
    assert read.backup_compression_level == 2
    assert read.backup_max_concurrent == 5
    assert read.backup_timeout == timedelta(hours=4)
    assert read.max_size_bytes == 500 * 2**30
    assert read.backup_retries == 5
    assert read.azure_authority_host == "https://login.microsoftonline.com"
    assert (read.enable_notifications, read.enable_metrics, read.enable_audit_logs) == (True, True, True)
    assert read.debug_mode is False
    assert (read.allowed_networks, read.allowed_tenants, read.backup_tool_folders) == ((), (), ())


def test_settings_are_read_once(environment: pytest.MonkeyPatch) -> None:
    assert settings().log_level == "INFO"

    environment.setenv("LOG_LEVEL", "DEBUG")

    assert settings().log_level == "INFO"
    settings.cache_clear()
    assert settings().log_level == "DEBUG"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5m", timedelta(minutes=5)),
        ("2s", timedelta(seconds=2)),
        ("0 */5 * * * *", timedelta(minutes=5)),
        ("0 */15 * * * *", timedelta(minutes=15)),
    ],
)
def test_the_interval_is_a_duration_or_the_form_of_the_specification(
    environment: pytest.MonkeyPatch, text: str, expected: timedelta
) -> None:
    environment.setenv("SCHEDULER_INTERVAL", text)

    assert settings().scheduler_interval == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SCHEDULER_INTERVAL", "0 0 * * * *"),
        ("SCHEDULER_INTERVAL", "0m"),
        ("SCHEDULER_INTERVAL", "0 */60 * * * *"),
        ("BACKUP_TIMEOUT", "4 hours"),
        ("BACKUP_TIMEOUT", "5300w"),
        ("BACKUP_COMPRESSION_LEVEL", "10"),
        ("BACKUP_COMPRESSION_LEVEL", "-1"),
        ("BACKUP_RETENTION_DAYS", "0"),
        ("BACKUP_MAX_CONCURRENT", "none"),
        ("ALLOWED_NETWORKS", "10.0.0.0/33"),
        ("ENABLE_METRICS", "perhaps"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_setting_that_cannot_be_read_is_named_with_what_it_holds(
    environment: pytest.MonkeyPatch, name: str, text: str
) -> None:
    environment.setenv(name, text)

    with pytest.raises(SettingInvalid) as refused:
        settings()

    assert f"Setting {name} cannot be read" in refused.value.message
    assert str(Settings.model_fields[name.lower()].description) in refused.value.message


def test_a_bad_value_does_not_travel_in_the_error(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ALLOWED_NETWORKS", "S3cr3t-canary-77")

    with pytest.raises(SettingInvalid) as refused:
        settings()

    assert "canary" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("property_name", "setting"),
    [
        ("configuration_store", "AZURE_APPCONFIG_ENDPOINT"),
        ("vault_url", "AZURE_KEYVAULT_URL"),
        ("blob_account", "BACKUP_STORAGE_ACCOUNT"),
        ("tables_account", "BACKUP_STORAGE_ACCOUNT"),
        ("tenant_id", "AZURE_TENANT_ID"),
        ("client_id", "AZURE_CLIENT_ID"),
    ],
)
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_setting_is_named_when_it_is_needed(
    environment: pytest.MonkeyPatch, property_name: str, setting: str, value: str | None
) -> None:
    if value is not None:
        environment.setenv(setting, value)

    with pytest.raises(SettingInvalid, match=f"Setting {setting} is missing. It holds: .+"):
        getattr(settings(), property_name)


@pytest.mark.parametrize(
    ("name", "property_name"),
    [
        ("AZURE_APPCONFIG_ENDPOINT", "configuration_store"),
        ("AZURE_APP_CONFIG_CONNECTION_STRING", "configuration_store"),
        ("AZURE_KEYVAULT_URL", "vault_url"),
        ("AZURE_KEY_VAULT_URL", "vault_url"),
        ("BACKUP_STORAGE_ACCOUNT", "blob_account"),
        ("STORAGE_CONNECTION_STRING", "blob_account"),
        ("AZURE_TENANT_ID", "tenant_id"),
        ("AZURE_CLIENT_ID", "client_id"),
    ],
)
def test_both_spellings_of_the_specification_are_read(
    environment: pytest.MonkeyPatch, name: str, property_name: str
) -> None:
    environment.setenv(name, "something")

    assert getattr(settings(), property_name) == "something"


@pytest.mark.parametrize(
    ("account", "tables"),
    [
        ("https://abc.blob.core.windows.net/", "https://abc.table.core.windows.net/"),
        (CONNECTION_STRING, CONNECTION_STRING),
    ],
)
def test_the_tables_account_follows_from_the_blob_account(
    environment: pytest.MonkeyPatch, account: str, tables: str
) -> None:
    environment.setenv("BACKUP_STORAGE_ACCOUNT", account)

    assert settings().tables_account == tables


def test_the_tables_account_may_be_another() -> None:
    read = Settings(backup_storage_account="https://a.blob.x", backup_tables_account="https://b.table.x")

    assert read.tables_account == "https://b.table.x"


def test_a_blob_url_that_tells_no_table_url_needs_the_tables_account() -> None:
    read = Settings(backup_storage_account="https://127.0.0.1:10000/devstoreaccount1")

    with pytest.raises(SettingInvalid, match="BACKUP_TABLES_ACCOUNT is missing"):
        _ = read.tables_account


def test_connection_strings_do_not_show(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("BACKUP_STORAGE_ACCOUNT", CONNECTION_STRING)

    assert "c2VjcmV0" not in repr(settings())


def test_lists_are_read(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ALLOWED_NETWORKS", "127.0.0.0/8, ::1/128")
    environment.setenv("ALLOWED_TENANTS", "one,two,")
    environment.setenv("BACKUP_TOOL_FOLDERS", "/opt/a:/opt/b")

    assert settings().allowed_networks == (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    assert settings().allowed_tenants == ("one", "two")
    assert settings().backup_tool_folders == (Path("/opt/a"), Path("/opt/b"))


@pytest.mark.parametrize(("text", "expected"), [("1", 1), ("10", 10), ("50", 10)])
def test_at_most_ten_backups_run_at_one_time(environment: pytest.MonkeyPatch, text: str, expected: int) -> None:
    environment.setenv("BACKUP_MAX_CONCURRENT", text)

    assert settings().backup_max_concurrent == expected


def test_values_may_be_given_in_code() -> None:
    read = Settings(
        allowed_networks=(ip_network("10.0.0.0/8"),),
        allowed_tenants=("one",),
        backup_tool_folders=(Path("/opt"),),
        scheduler_interval=timedelta(minutes=1),
        backup_timeout=timedelta(hours=1),
    )

    assert read.allowed_networks == (ip_network("10.0.0.0/8"),)
    assert read.scheduler_interval == timedelta(minutes=1)


def test_every_setting_says_what_it_holds() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
