"""Credentials in a local Key Vault that behaves as Azure's, by the real SDK."""

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.keyvault.secrets import SecretClient
from pydantic import SecretStr

from shared import secrets
from shared.errors import ConfigurationUnavailable, InvalidCredentials
from shared.secrets import Credentials
from shared.settings import settings
from shared.storage.access import credential
from tests.support.cloud import forget_settings, fresh_id
from tests.support.loopback_ports import closed_port

pytestmark = pytest.mark.usefixtures("cloud")

PASSWORDS = [
    "p@ss:w/rd%40#?",
    "quo'te\"d",
    "back\\slash\\n",
    " lead and trail ",
    "$HOME`id`",
    "ñ漢🔑",
    "\t",
    "end\\",
]


@pytest.fixture
def slug() -> str:
    return f"db-{fresh_id('secret').replace('_', '-')}"


def vault() -> SecretClient:
    return SecretClient(settings().vault_url, credential())


def credentials(password: str = "S3cr3t-canary-77") -> Credentials:
    return Credentials("backup_user", SecretStr(password))


def test_r_284_username_and_password_are_two_secrets_with_lawful_names(slug: str) -> None:
    secrets.store(slug, credentials())

    assert secrets.fetch(slug) == credentials()
    assert vault().get_secret(f"{slug}-username").value == "backup_user"
    assert vault().get_secret(f"{slug}-password").value == "S3cr3t-canary-77"


@pytest.mark.parametrize("password", PASSWORDS)
def test_br_09_every_password_comes_back_as_it_was(slug: str, password: str) -> None:
    secrets.store(slug, credentials(password))

    assert secrets.fetch(slug).password.get_secret_value() == password


def test_a_password_does_not_show(slug: str) -> None:
    assert "canary" not in f"{credentials()!r} {credentials()}"


def test_missing_credentials_are_named(slug: str) -> None:
    with pytest.raises(InvalidCredentials, match=f"no secret {slug}-username. Store the password again"):
        secrets.fetch(slug)


def test_disabled_credentials_are_named(slug: str) -> None:
    secrets.store(slug, credentials())
    vault().update_secret_properties(f"{slug}-password", enabled=False)

    with pytest.raises(InvalidCredentials, match=f"{slug}-password is disabled"):
        secrets.fetch(slug)


def test_a_password_that_another_process_stored_is_used_at_once(slug: str) -> None:
    secrets.store(slug, credentials("old"))
    secrets.fetch(slug)

    vault().set_secret(f"{slug}-password", "new")

    assert secrets.fetch(slug).password.get_secret_value() == "new"


def test_removal_may_be_repeated(slug: str) -> None:
    secrets.store(slug, credentials())

    secrets.remove(slug)
    secrets.remove(slug)

    with pytest.raises(InvalidCredentials):
        secrets.fetch(slug)


def test_br_86_a_secret_that_was_deleted_is_recovered_and_set_again(slug: str) -> None:
    secrets.store(slug, credentials("old"))
    deleting = vault().begin_delete_secret(f"{slug}-password")
    deleting.wait()

    secrets.store(slug, credentials("new"))

    assert secrets.fetch(slug).password.get_secret_value() == "new"


def test_br_86_also_while_it_is_still_being_deleted(slug: str) -> None:
    secrets.store(slug, credentials("old"))
    secrets.remove(slug)

    secrets.store(slug, credentials("new"))

    assert secrets.fetch(slug).password.get_secret_value() == "new"
    with pytest.raises(ResourceNotFoundError):
        vault().get_deleted_secret(f"{slug}-password")


def test_br_86_a_name_that_does_not_come_back_in_time_is_an_error(slug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "RECOVERY_SECONDS", 0)
    secrets.store(slug, credentials("old"))
    secrets.remove(slug)

    with pytest.raises(ConfigurationUnavailable, match=f"did not give back the deleted secret {slug}-username"):
        secrets.store(slug, credentials("new"))


def test_a_vault_that_does_not_answer_is_named_without_the_password(slug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_KEYVAULT_URL", f"https://127.0.0.1:{closed_port()}")
    monkeypatch.setattr("shared.secrets.PATIENCE_SECONDS", 1)
    forget_settings()

    with pytest.raises(ConfigurationUnavailable, match="Key Vault does not answer") as refused:
        secrets.store(slug, credentials())

    assert "canary" not in str(refused.value)


def test_a_vault_that_refuses_our_identity_says_so(slug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_HEADER", "not the secret of the identity endpoint")
    forget_settings()
    secrets._client.cache_clear()

    with pytest.raises(ConfigurationUnavailable, match="Key Vault refused this installation's identity"):
        secrets.fetch(slug)

    secrets._client.cache_clear()
