"""User names and passwords of databases and targets in Key Vault: two secrets for each, named after its slug."""

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.keyvault.secrets import SecretClient
from pydantic import SecretStr

from shared import clock
from shared.errors import ConfigurationUnavailable, InvalidCredentials
from shared.naming import password_secret, username_secret
from shared.settings import settings
from shared.storage.access import PATIENCE_SECONDS, TIMEOUTS, credential, service_errors
from shared.storage.retry import DeadlineRetry

CACHED = timedelta(minutes=5)
RECOVERY_SECONDS = 60
"""How long `store` waits until a name whose secret was deleted can be used again."""
_LONGEST_PAUSE_SECONDS = 4


@dataclass(frozen=True)
class Credentials:
    """Who logs in to a server, and with which password."""

    username: str
    password: SecretStr


# Slug -> when to ask again, and what was answered.
_cache: dict[str, tuple[datetime, Credentials]] = {}


def fetch(slug: str) -> Credentials:
    """The credentials of `secret_slug` of a database or target; an answer is used again for five minutes.

    Raises InvalidCredentials when none are stored or they are disabled.
    """
    until, known = _cache.get(slug, (None, None))
    if until is not None and known is not None and clock.now() < until:
        return known
    credentials = Credentials(_value(username_secret(slug)), SecretStr(_value(password_secret(slug))))
    _cache[slug] = (clock.now() + CACHED, credentials)
    return credentials


def forget(slug: str) -> None:
    """Makes the next `fetch` ask Key Vault: after a server refused the password, another may be stored by now."""
    _cache.pop(slug, None)


def store(slug: str, credentials: Credentials) -> None:
    """Stores new versions of both secrets, the password last; a name that was deleted before is recovered first.

    When it raises, the old password is still the latest, or there is none.
    """
    _set(username_secret(slug), credentials.username)
    _set(password_secret(slug), credentials.password.get_secret_value())
    forget(slug)


def remove(slug: str) -> None:
    """Deletes both secrets; those that are gone already are fine. Key Vault keeps them recoverable for a while."""
    forget(slug)
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
