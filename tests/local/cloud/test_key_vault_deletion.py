"""What Key Vault does with deleted secrets, through its unmodified SDK."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient

from local.cloud.key_vault import key_vault_application
from local.cloud.ports import listen
from local.cloud.secret_store import LAG_SECONDS, SecretStore
from local.cloud.server import LoopbackServer
from local.cloud.tokens import TokenIssuer, keep_tenant
from tests.support.running_cloud import background_loop


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def now(self) -> float:
        return self.seconds

    def wait(self) -> None:
        """Let what was begun be complete."""
        self.seconds += LAG_SECONDS


def inner_code(error: HttpResponseError) -> Any:
    assert error.error is not None
    return error.error.innererror["code"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed_vault(
    cloud_home: Path, credential: DefaultAzureCredential, clock: Clock, tmp_path: Path
) -> Iterator[SecretClient]:
    """A vault of its own beside the cloud's, in which time is the clock's."""
    store = SecretStore(tmp_path / "vault.sqlite", clock.now)
    issuer = TokenIssuer(keep_tenant(cloud_home / "cloud" / "tenant.json"), os.environ["AZURE_AUTHORITY_HOST"])
    listener = listen(None)
    port = listener.getsockname()[1]
    application = key_vault_application(store, issuer, port)
    server = LoopbackServer(application, listener, cloud_home / "cloud" / "server.pem")
    with background_loop() as loop, closing(store), SecretClient(f"https://127.0.0.1:{port}", credential) as client:
        loop.run(server.start())
        yield client
        loop.run(server.stop())


def test_the_sdk_waits_until_a_deletion_is_complete(vault: SecretClient) -> None:
    vault.set_secret("deleted-and-waited-for", "value")

    vault.begin_delete_secret("deleted-and-waited-for").wait()

    deleted = vault.get_deleted_secret("deleted-and-waited-for")
    assert deleted.recovery_id is not None
    assert deleted.scheduled_purge_date is not None
    assert deleted.deleted_date is not None
    assert (deleted.scheduled_purge_date - deleted.deleted_date).days == 90


def test_a_name_is_neither_there_nor_deleted_for_a_moment(timed_vault: SecretClient) -> None:
    timed_vault.set_secret("in-between", "value")

    timed_vault.begin_delete_secret("in-between")

    for get in (timed_vault.get_secret, timed_vault.get_deleted_secret):
        with pytest.raises(ResourceNotFoundError):
            get("in-between")
    assert not list(timed_vault.list_properties_of_secrets())
    assert not list(timed_vault.list_deleted_secrets())


@pytest.mark.parametrize("operation", ["purge_deleted_secret", "begin_recover_deleted_secret", "set_secret"])
def test_a_deletion_must_be_complete_before_anything_else(timed_vault: SecretClient, operation: str) -> None:
    timed_vault.set_secret("being-deleted", "value")
    timed_vault.begin_delete_secret("being-deleted")

    with pytest.raises(ResourceExistsError) as conflict:
        getattr(timed_vault, operation)(*["being-deleted", "again"][: 2 if operation == "set_secret" else 1])

    assert inner_code(conflict.value) == "ObjectIsBeingDeleted"


def test_the_name_of_a_deleted_secret_is_taken(timed_vault: SecretClient, clock: Clock) -> None:
    timed_vault.set_secret("taken", "value")
    timed_vault.begin_delete_secret("taken")
    clock.wait()

    with pytest.raises(ResourceExistsError) as conflict:
        timed_vault.set_secret("taken", "again")

    assert inner_code(conflict.value) == "ObjectIsDeletedButRecoverable"


def test_a_recovered_secret_has_its_versions_again(timed_vault: SecretClient, clock: Clock) -> None:
    first = timed_vault.set_secret("recovered", "one")
    timed_vault.set_secret("recovered", "two")
    timed_vault.begin_delete_secret("recovered")
    clock.wait()

    timed_vault.begin_recover_deleted_secret("recovered")
    clock.wait()

    assert timed_vault.get_secret("recovered").value == "two"
    assert timed_vault.get_secret("recovered", first.properties.version).value == "one"
    with pytest.raises(ResourceNotFoundError):
        timed_vault.get_deleted_secret("recovered")


def test_a_recovery_must_be_complete_before_the_next_version(timed_vault: SecretClient, clock: Clock) -> None:
    timed_vault.set_secret("being-recovered", "one")
    timed_vault.begin_delete_secret("being-recovered")
    clock.wait()

    timed_vault.begin_recover_deleted_secret("being-recovered")

    with pytest.raises(ResourceExistsError) as conflict:
        timed_vault.set_secret("being-recovered", "too early")
    assert inner_code(conflict.value) == "ObjectIsBeingRecovered"


def test_a_purged_name_starts_afresh(timed_vault: SecretClient, clock: Clock) -> None:
    old = timed_vault.set_secret("purged", "old")
    timed_vault.begin_delete_secret("purged")
    clock.wait()

    timed_vault.purge_deleted_secret("purged")
    timed_vault.set_secret("purged", "new")

    assert timed_vault.get_secret("purged").value == "new"
    with pytest.raises(ResourceNotFoundError):
        timed_vault.get_secret("purged", old.properties.version)


@pytest.mark.parametrize("operation", ["begin_delete_secret", "begin_recover_deleted_secret", "purge_deleted_secret"])
def test_nothing_can_be_done_to_a_secret_that_never_was(vault: SecretClient, operation: str) -> None:
    with pytest.raises(ResourceNotFoundError):
        getattr(vault, operation)("never-was")


def test_deleted_secrets_are_listed_until_they_are_purged(timed_vault: SecretClient, clock: Clock) -> None:
    for name in ("gone-1", "gone-2"):
        timed_vault.set_secret(name, "value")
        timed_vault.begin_delete_secret(name)
    clock.wait()

    pages = [[each.name for each in page] for page in timed_vault.list_deleted_secrets(max_page_size=1).by_page()]
    timed_vault.purge_deleted_secret("gone-1")

    assert pages == [["gone-1"], ["gone-2"]]
    assert [each.name for each in timed_vault.list_deleted_secrets()] == ["gone-2"]
    assert not list(timed_vault.list_properties_of_secrets())
