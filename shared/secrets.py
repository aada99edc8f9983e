"""User names and passwords of databases and targets in Key Vault: two secrets for each, named after its slug."""

import time
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.keyvault.secrets import SecretClient
from pydantic import SecretStr

from shared.errors import ConfigurationUnavailable, InvalidCredentials
from shared.naming import password_secret, username_secret
from shared.settings import settings
from shared.storage.access import PATIENCE_SECONDS, TIMEOUTS, credential, service_errors
from shared.storage.retry import DeadlineRetry

RECOVERY_SECONDS = 60
"""How long `store` waits until a name whose secret was deleted can be used again."""
_LONGEST_PAUSE_SECONDS = 4


@dataclass(frozen=True)
class Credentials:
    """Who logs in to a server, and with which password."""

    username: str
    password: SecretStr


def fetch(slug: str) -> Credentials:
    """The credentials of `secret_slug` of a database or target, as they are now.

    They are asked for each time: a remembered password would be the old one in every process but that which stored the
    new one, and a run has few logins. Raises InvalidCredentials when none are stored or they are disabled.
    """
    return Credentials(_value(username_secret(slug)), SecretStr(_value(password_secret(slug))))


def store(slug: str, credentials: Credentials) -> None:
    """Stores new versions of both secrets, the password last; a name that was deleted before is recovered first.

    When it raises, the old password is still the latest, or there is none.
    """
    _set(username_secret(slug), credentials.username)
    _set(password_secret(slug), credentials.password.get_secret_value())


def store_username(slug: str, username: str) -> None:
    """Stores a new version of the user name alone: a password that somebody stores at this moment stays the latest."""
    _set(username_secret(slug), username)


def remove(slug: str) -> None:
    """Deletes both secrets; those that are gone already are fine. Key Vault keeps them recoverable for a while."""
    for name in (password_secret(slug), username_secret(slug)):
        with service_errors("Key Vault"), suppress(ResourceNotFoundError):
            _client(settings().vault_url).begin_delete_secret(name)


def _value(name: str) -> str:
    with service_errors("Key Vault"):
        try:
            return _client(settings().vault_url).get_secret(name).value or ""
        except ResourceNotFoundError:
            raise InvalidCredentials(f"Key Vault holds no secret {name}. Store the password again.") from None
        except HttpResponseError as refusal:
            if _inner_code(refusal) != "SecretDisabled":
                raise
            raise InvalidCredentials(f"The secret {name} is disabled in Key Vault. Enable it.") from None


def _set(name: str, value: str) -> None:
    client = _client(settings().vault_url)
    deadline = time.monotonic() + RECOVERY_SECONDS
    pause_seconds = 0.25
    with service_errors("Key Vault"):
        while True:
            try:
                client.set_secret(name, value)
                return
            except ResourceExistsError:
                # The name's last secret was deleted, is being deleted, or is being recovered.
                _ask_for_recovery(client, name)
            if time.monotonic() + pause_seconds > deadline:
                break
            time.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
    raise ConfigurationUnavailable(
        f"Key Vault did not give back the deleted secret {name} in {RECOVERY_SECONDS} seconds."
    )


def _ask_for_recovery(client: SecretClient, name: str) -> None:
    # Refused while the name is still being deleted, or being recovered already: the next try to set it tells.
    with suppress(ResourceNotFoundError, ResourceExistsError):
        client.begin_recover_deleted_secret(name)


def _inner_code(refusal: HttpResponseError) -> str:
    inner = getattr(refusal.error, "innererror", None) or {}
    return str(inner.get("code", ""))


@lru_cache(maxsize=1)
def _client(vault_url: str) -> SecretClient:
    retry = DeadlineRetry(total_seconds=PATIENCE_SECONDS)
    return SecretClient(vault_url, credential(), retry_policy=retry, **TIMEOUTS)
