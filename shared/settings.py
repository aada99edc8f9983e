"""The settings of this installation: environment variables, read once on first use.

A field's name is its variable's name in lower case. What only some installations or rooms need may be missing; the
properties at the end give what cannot be done without, and name the setting when it is not there.
"""

import os
import re
from datetime import timedelta
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.errors import SettingInvalid
from shared.models.duration import parse_duration

T = TypeVar("T")

_EVERY_N_MINUTES = re.compile(r"0 \*/([1-9]|[1-5][0-9]) \* \* \* \*")


def _duration(text: str | timedelta) -> timedelta:
    return parse_duration(text) if isinstance(text, str) else text


def _interval(text: str | timedelta) -> timedelta:
    """The specification writes intervals as NCRONTAB, such as `0 */5 * * * *`."""
    every = _EVERY_N_MINUTES.fullmatch(text) if isinstance(text, str) else None
    return timedelta(minutes=int(every[1])) if every else _duration(text)


def _listed(text: str | tuple[str, ...]) -> tuple[str, ...]:
    if not isinstance(text, str):
        return text
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _networks(text: str | tuple[IPv4Network | IPv6Network, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(part) for part in _listed(text)) if isinstance(text, str) else text


def _folders(text: str | tuple[Path, ...]) -> tuple[Path, ...]:
    return tuple(Path(part) for part in text.split(os.pathsep) if part) if isinstance(text, str) else text


def _at_most_ten(number: str | int) -> int:
    return min(int(number), 10)


class Settings(BaseSettings):
    """All settings; each field's description says what it holds."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True, populate_by_name=True
    )

    azure_appconfig_endpoint: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("AZURE_APPCONFIG_ENDPOINT", "AZURE_APP_CONFIG_CONNECTION_STRING"),
        description="The endpoint of App Configuration (https://NAME.azconfig.io), or its connection string.",
    )
    azure_keyvault_url: str | None = Field(
        None,
        validation_alias=AliasChoices("AZURE_KEYVAULT_URL", "AZURE_KEY_VAULT_URL"),
        description="The URL of the Key Vault (https://NAME.vault.azure.net/).",
    )
    backup_storage_account: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("BACKUP_STORAGE_ACCOUNT", "STORAGE_CONNECTION_STRING"),
        description="The blob endpoint of the backup account (https://NAME.blob.core.windows.net), "
        "or its connection string.",
    )
    backup_tables_account: SecretStr | None = Field(
        None,
        description="The table endpoint of the backup account, or its connection string; "
        "by default the account of BACKUP_STORAGE_ACCOUNT.",
    )
    azure_tenant_id: str | None = Field(None, description="The Entra tenant whose tokens the API accepts.")
    azure_client_id: str | None = Field(None, description="The application id of the API: the audience of its tokens.")
    azure_authority_host: str = Field(
        "https://login.microsoftonline.com", description="The URL of Entra ID without a path."
    )
    managed_identity_client_id: str | None = Field(
        None,
        description="The client id of the user-assigned identity that reaches Azure; none for the system-assigned one.",
    )
    allowed_tenants: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)] = Field(
        (), description="Further Entra tenants whose tokens the API accepts, with commas between."
    )
    allowed_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks)] = Field(
        (),
        description="Networks (CIDR, commas between) that databases and webhooks may lie in although refused by rule.",
    )
    scheduler_interval: Annotated[timedelta, BeforeValidator(_interval)] = Field(
        timedelta(minutes=15),
        description="The longest wait before configuration is read again: 5m, or 0 */5 * * * *.",
        gt=timedelta(0),
    )
    backup_retention_days: int = Field(30, ge=1, le=365, description="Days that a backup is kept by default, 1 to 365.")
    backup_compression_level: int = Field(
        2, ge=0, le=9, description="0 (stored) to 9 (smallest); 1 to 3 are many times faster than 4 to 9."
    )
    backup_max_concurrent: Annotated[int, BeforeValidator(_at_most_ten)] = Field(
        5, ge=1, description="Backups that may run at one time, 1 to 10; a higher number counts as 10."
    )
    backup_timeout: Annotated[timedelta, BeforeValidator(_duration)] = Field(
        timedelta(hours=4), description="How long one run may last, such as 4h."
    )
    backup_max_size_gb: int = Field(500, ge=1, description="The largest backup, in units of 2^30 bytes.")
    backup_retries: int = Field(5, ge=0, le=10, description="Further attempts after a transient error, 0 to 10.")
    backup_tool_folders: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_folders)] = Field(
        (), description="Folders searched for client tools before PATH, separated as in PATH."
    )
    database_ca_bundle: Path | None = Field(
        None, description="A PEM file of certificate authorities for database servers; the system's store by default."
    )
    environment: str = Field("production", description="A name for this installation, shown in notices and health.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="DEBUG, INFO, WARNING or ERROR."
    )
    enable_notifications: bool = Field(True, description="Whether notices are sent.")
    enable_metrics: bool = Field(True, description="Whether metrics are recorded.")
    enable_audit_logs: bool = Field(True, description="Whether the audit trail is written.")
    debug_mode: bool = Field(False, description="Whether more is logged; never secrets.")

    @property
    def configuration_store(self) -> str:
        """The endpoint of App Configuration, or its connection string (a secret)."""
        return _needed("azure_appconfig_endpoint", self.azure_appconfig_endpoint).get_secret_value()

    @property
    def vault_url(self) -> str:
        """The URL of the Key Vault."""
        return _needed("azure_keyvault_url", self.azure_keyvault_url)

    @property
    def blob_account(self) -> str:
        """The blob endpoint of the backup account, or its connection string (a secret)."""
        return _needed("backup_storage_account", self.backup_storage_account).get_secret_value()

    @property
    def tables_account(self) -> str:
        """The table endpoint of the backup account, or its connection string (a secret)."""
        if self.backup_tables_account is not None:
            return self.backup_tables_account.get_secret_value()
        account = self.blob_account
        if is_url(account) and ".blob." not in account:
            _needed("backup_tables_account", None)
        return account.replace(".blob.", ".table.", 1) if is_url(account) else account

    @property
    def tenant_id(self) -> str:
        """The Entra tenant of the installation."""
        return _needed("azure_tenant_id", self.azure_tenant_id)

    @property
    def client_id(self) -> str:
        """The application id of the API."""
        return _needed("azure_client_id", self.azure_client_id)

    @property
    def max_size_bytes(self) -> int:
        """The largest backup."""
        return self.backup_max_size_gb * 2**30


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process; raises SettingInvalid, naming each setting that cannot be read."""
    try:
        return Settings()
    except ValidationError as error:
        # Without the cause: pydantic's error holds the values, and a value may be a secret.
        raise SettingInvalid("; ".join(_complaints(error))) from None


def is_url(account: str) -> bool:
    """Whether an account is given by URL, to be reached with the installation's identity, not by connection string."""
    return account.startswith(("https://", "http://"))


def _needed(name: str, value: T | None) -> T:
    if value is None:
        raise SettingInvalid(f"Setting {name.upper()} is missing. It holds: {_meaning(name)}")
    return value


def _complaints(error: ValidationError) -> list[str]:
    # Their own texts are left out: some of them quote the value.
    names = [str(problem["loc"][0]) for problem in error.errors(include_input=False, include_url=False)]
    return [f"Setting {name.upper()} cannot be read. It holds: {_meaning(name)}" for name in names]


def _meaning(name: str) -> str:
    """What the setting holds, by its field's name or by the name of its variable."""
    return Settings.model_fields[name.lower()].description or ""
