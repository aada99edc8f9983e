"""App Configuration through its unmodified SDK, and on the wire where the SDK hides what happens."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from azure.appconfiguration import (
    AzureAppConfigurationClient,
    ConfigurationSetting,
    ResourceReadOnlyError,
    SecretReferenceConfigurationSetting,
)
from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)

from local.cloud.app_configuration import AUDIENCE
from local.cloud.cloud import LocalCloud
from tests.support.running_cloud import running_cloud, service_token, trusting


@pytest.fixture
def url(environment: dict[str, str]) -> str:
    return environment["AZURE_APPCONFIG_ENDPOINT"]


@pytest.fixture
def allowed(cloud: LocalCloud) -> dict[str, str]:
    """Headers that the store lets in."""
    return {"Authorization": f"Bearer {service_token(cloud, AUDIENCE)}"}


def write(configuration: AzureAppConfigurationClient, key: str, value: str, **more: Any) -> ConfigurationSetting:
    return configuration.set_configuration_setting(ConfigurationSetting(key=key, value=value, **more))


def read(configuration: AzureAppConfigurationClient, key: str, label: str | None = None) -> ConfigurationSetting:
    setting = configuration.get_configuration_setting(key, label)
    assert setting is not None
    return setting


def test_a_setting_comes_back_as_it_was_written(configuration: AzureAppConfigurationClient) -> None:
    document = json.dumps({"name": "Tienda ñ 🔑"}, ensure_ascii=False)

    write(configuration, "databases:shop", document, content_type="application/json", tags={"team": "backup"})

    setting = read(configuration, "databases:shop")
    assert setting.value == document
    assert setting.content_type == "application/json"
    assert setting.tags == {"team": "backup"}
    assert not setting.label
    assert setting.read_only is False
    assert setting.last_modified is not None
    assert setting.last_modified.utcoffset() == timedelta(0)


@pytest.mark.parametrize("key", ["a/b", "a b", "a?b#c", "ñ🔑", "a+b&c=d", "/", "a,b*", "a\\b"])
def test_a_key_may_hold_any_character_but_a_percent_sign(configuration: AzureAppConfigurationClient, key: str) -> None:
    write(configuration, key, "value")

    assert read(configuration, key).key == key


def test_labels_keep_settings_of_one_key_apart(configuration: AzureAppConfigurationClient) -> None:
    write(configuration, "labelled", "none")
    write(configuration, "labelled", "test", label="test")

    assert read(configuration, "labelled").value == "none"
    assert read(configuration, "labelled", "\0").value == "none"
    assert read(configuration, "labelled", "test").value == "test"


def test_a_missing_setting_is_not_found(configuration: AzureAppConfigurationClient) -> None:
    with pytest.raises(ResourceNotFoundError):
        configuration.get_configuration_setting("missing")


def test_a_key_vault_reference_is_recognised(configuration: AzureAppConfigurationClient) -> None:
    reference = SecretReferenceConfigurationSetting("reference", "https://vault.example.com/secrets/a")
    configuration.set_configuration_setting(reference)

    found = read(configuration, "reference")

    assert isinstance(found, SecretReferenceConfigurationSetting)
    assert found.secret_id == "https://vault.example.com/secrets/a"


def test_adding_what_is_there_is_refused(configuration: AzureAppConfigurationClient) -> None:
    configuration.add_configuration_setting(ConfigurationSetting(key="added", value="first"))

    with pytest.raises(ResourceExistsError):
        configuration.add_configuration_setting(ConfigurationSetting(key="added", value="second"))
    assert read(configuration, "added").value == "first"


def test_a_write_on_what_somebody_else_changed_is_refused(configuration: AzureAppConfigurationClient) -> None:
    mine = write(configuration, "contested", "original")
    write(configuration, "contested", "theirs")
    mine.value = "mine"

    with pytest.raises(ResourceModifiedError):
        configuration.set_configuration_setting(mine, MatchConditions.IfNotModified)
    assert read(configuration, "contested").value == "theirs"


def test_a_write_on_what_nobody_changed_succeeds(configuration: AzureAppConfigurationClient) -> None:
    mine = write(configuration, "uncontested", "original")
    mine.value = "mine"

    changed = configuration.set_configuration_setting(mine, MatchConditions.IfNotModified)

    assert changed.etag != mine.etag
    assert read(configuration, "uncontested").value == "mine"


def test_a_write_that_changes_nothing_keeps_the_entity_tag(configuration: AzureAppConfigurationClient) -> None:
    first = write(configuration, "unchanged", "same")

    assert write(configuration, "unchanged", "same").etag == first.etag
    assert len(list(configuration.list_revisions("unchanged"))) == 1


def test_a_write_that_needs_something_there_is_refused_where_nothing_is(
    configuration: AzureAppConfigurationClient,
) -> None:
    with pytest.raises(ResourceNotFoundError):
        configuration.set_configuration_setting(
            ConfigurationSetting(key="nothing-there", value="x"), MatchConditions.IfPresent, etag="*"
        )


def test_an_unchanged_setting_is_not_sent_again(configuration: AzureAppConfigurationClient) -> None:
    setting = write(configuration, "polled", "value")

    assert configuration.get_configuration_setting("polled", None, setting.etag, MatchConditions.IfModified) is None
    write(configuration, "polled", "changed")
    again = configuration.get_configuration_setting("polled", None, setting.etag, MatchConditions.IfModified)
    assert again is not None
    assert again.value == "changed"


def test_a_read_that_wants_another_state_is_refused(configuration: AzureAppConfigurationClient) -> None:
    write(configuration, "other-state", "value")

    with pytest.raises(ResourceModifiedError):
        configuration.get_configuration_setting("other-state", None, "old", MatchConditions.IfNotModified)


def test_a_deleted_setting_is_gone_and_can_be_made_again(configuration: AzureAppConfigurationClient) -> None:
    write(configuration, "deleted", "value")

    deleted = configuration.delete_configuration_setting("deleted")

    assert deleted is not None
    assert deleted.value == "value"
    with pytest.raises(ResourceNotFoundError):
        configuration.get_configuration_setting("deleted")
    assert not list(configuration.list_configuration_settings(key_filter="deleted"))
    configuration.add_configuration_setting(ConfigurationSetting(key="deleted", value="again"))


def test_deleting_what_is_not_there_is_no_error(configuration: AzureAppConfigurationClient) -> None:
    assert configuration.delete_configuration_setting("never-there") is None


def test_a_deletion_of_what_somebody_else_changed_is_refused(configuration: AzureAppConfigurationClient) -> None:
    mine = write(configuration, "contested-deletion", "original")
    write(configuration, "contested-deletion", "theirs")

    with pytest.raises(ResourceModifiedError):
        configuration.delete_configuration_setting(
            "contested-deletion", etag=mine.etag, match_condition=MatchConditions.IfNotModified
        )


def test_a_read_only_setting_cannot_be_changed_until_it_is_unlocked(configuration: AzureAppConfigurationClient) -> None:
    setting = write(configuration, "locked", "value")

    locked = configuration.set_read_only(setting)

    assert locked.read_only
    assert locked.etag != setting.etag
    with pytest.raises(ResourceReadOnlyError):
        write(configuration, "locked", "changed")
    with pytest.raises(ResourceReadOnlyError):
        configuration.delete_configuration_setting("locked")
    assert configuration.set_read_only(locked).etag == locked.etag
    assert configuration.set_read_only(locked, read_only=False).read_only is False
    assert write(configuration, "locked", "changed").value == "changed"


def test_what_is_not_there_cannot_be_locked(configuration: AzureAppConfigurationClient) -> None:
    with pytest.raises(ResourceNotFoundError):
        configuration.set_read_only(ConfigurationSetting(key="not-there-to-lock"))


def test_a_lock_on_what_somebody_else_changed_is_refused(configuration: AzureAppConfigurationClient) -> None:
    mine = write(configuration, "contested-lock", "original")
    write(configuration, "contested-lock", "theirs")

    with pytest.raises(ResourceModifiedError):
        configuration.set_read_only(mine, match_condition=MatchConditions.IfNotModified)


def test_answers_carry_a_token_of_sequence_that_grows(url: str, https: httpx.Client, allowed: dict[str, str]) -> None:
    def sequence(value: str) -> int:
        answer = https.put(f"{url}/kv/sequence", json={"value": value}, headers=allowed)
        return int(answer.headers["sync-token"].partition(";sn=")[2])

    assert sequence("1") < sequence("2")


def test_a_setting_has_at_most_10_kilobytes_as_it_is_sent(configuration: AzureAppConfigurationClient) -> None:
    write(configuration, "large", "x" * 10_000)

    with pytest.raises(HttpResponseError) as refused:
        write(configuration, "large", '"' * 6_000)
    assert refused.value.status_code == 413


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("kv/", "key"),
        ("kv/100%25", "key"),
        ("kv/%2e%2e", "key"),
        (f"kv/{'k' * 257}", "key"),
        ("kv/key?label=a*", "label"),
        (f"kv/key?label={'l' * 257}", "label"),
        ("kv?after=x", "after"),
        ("kv?after=NQ==", "after"),
    ],
)
def test_a_bad_name_or_token_is_refused(
    url: str, https: httpx.Client, allowed: dict[str, str], path: str, name: str
) -> None:
    answer = https.get(f"{url}/{path}", headers=allowed)

    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["name"] == name


@pytest.mark.parametrize("body", ["not json", "[]", '{"value": 7}', '{"tags": {"a": 1}}'])
def test_a_bad_body_is_refused(url: str, https: httpx.Client, allowed: dict[str, str], body: str) -> None:
    answer = https.put(f"{url}/kv/bad-body", content=body, headers=allowed)

    assert answer.status_code == 400
    assert answer.json()["name"] == "body"


@pytest.mark.parametrize(
    "claims",
    [None, {"audience": "https://vault.azure.net"}, {"lifetime_seconds": -1}],
    ids=["none", "audience", "expired"],
)
def test_nobody_comes_in_without_a_valid_token(
    cloud: LocalCloud, url: str, https: httpx.Client, claims: dict[str, Any] | None
) -> None:
    headers = (
        {}
        if claims is None
        else {"Authorization": f"Bearer {service_token(cloud, **{'audience': AUDIENCE, **claims})}"}
    )

    answer = https.put(f"{url}/kv/secret", json={"value": "x"}, headers=headers)

    assert answer.status_code == 401
    assert "Bearer" in answer.headers["www-authenticate"]


def test_settings_outlive_a_restart_in_a_private_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("kept")
    with running_cloud(home) as cloud:
        url = cloud.environment()["AZURE_APPCONFIG_ENDPOINT"]
        headers = {"Authorization": f"Bearer {service_token(cloud, AUDIENCE)}"}
        with trusting(cloud) as client:
            client.put(f"{url}/kv/kept", json={"value": "still here"}, headers=headers).raise_for_status()
        modes = {path.stat().st_mode & 0o777 for path in (home / "cloud").glob("app-configuration.sqlite*")}

    with running_cloud(home) as cloud, trusting(cloud) as client:
        answer = client.get(f"{url}/kv/kept", headers=headers)

    assert answer.json()["value"] == "still here"
    assert modes == {0o600}
