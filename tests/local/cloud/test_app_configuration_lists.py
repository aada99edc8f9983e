"""The lists of App Configuration: filters, pages, histories, and what tells that something changed."""

from typing import Any

import httpx
import pytest
from azure.appconfiguration import AzureAppConfigurationClient, ConfigurationSetting
from azure.core.exceptions import HttpResponseError

from local.cloud.app_configuration import AUDIENCE
from local.cloud.cloud import LocalCloud
from tests.support.running_cloud import service_token


@pytest.fixture
def url(environment: dict[str, str]) -> str:
    return environment["AZURE_APPCONFIG_ENDPOINT"]


@pytest.fixture
def allowed(cloud: LocalCloud) -> dict[str, str]:
    """Headers that the store lets in."""
    return {"Authorization": f"Bearer {service_token(cloud, AUDIENCE)}"}


def write(configuration: AzureAppConfigurationClient, key: str, value: str, **more: Any) -> None:
    configuration.set_configuration_setting(ConfigurationSetting(key=key, value=value, **more))


def keys(settings: Any) -> list[str]:
    return [setting.key for setting in settings]


def test_filters_choose_by_key_label_and_tags(configuration: AzureAppConfigurationClient) -> None:
    write(configuration, "filtered:a", "1", tags={"stage": "test"})
    write(configuration, "filtered:b", "2", tags={"stage": "live"})
    write(configuration, "filtered:b", "3", label="dev")

    def found(**filters: Any) -> list[str | None]:
        listed = configuration.list_configuration_settings(**{"key_filter": "filtered:*", **filters})
        return [setting.value for setting in listed]

    assert found() == ["1", "2", "3"]
    assert found(key_filter="filtered:a,filtered:c") == ["1"]
    assert found(label_filter="dev") == ["3"]
    assert found(label_filter="\0") == ["1", "2"]
    assert found(tags_filter=["stage=live"]) == ["2"]


def test_only_the_chosen_fields_are_sent(configuration: AzureAppConfigurationClient) -> None:
    write(configuration, "fields", "value", content_type="text/plain")

    (setting,) = configuration.list_configuration_settings(key_filter="fields", fields=["key", "etag"])

    assert setting.key == "fields"
    assert setting.etag
    assert not setting.value
    assert not setting.content_type


def test_lists_come_in_pages_of_100_in_the_order_of_their_keys(configuration: AzureAppConfigurationClient) -> None:
    names = [f"paged:{number:03} ñ&" for number in range(201)]
    for name in names:
        write(configuration, name, "value")

    pages = [keys(page) for page in configuration.list_configuration_settings(key_filter="paged:*").by_page()]

    assert [len(page) for page in pages] == [100, 100, 1]
    assert [key for page in pages for key in page] == names


def test_a_page_goes_on_where_the_one_before_ended_even_if_a_setting_went_meanwhile(
    configuration: AzureAppConfigurationClient,
) -> None:
    for number in range(102):
        write(configuration, f"moving:{number:03}", "value")

    pages = configuration.list_configuration_settings(key_filter="moving:*").by_page()
    next(pages)
    configuration.delete_configuration_setting("moving:000")

    assert keys(next(pages)) == ["moving:100", "moving:101"]


def test_only_pages_that_changed_are_sent_again(configuration: AzureAppConfigurationClient) -> None:
    for number in range(150):
        write(configuration, f"watched:{number:03}", "value")
    tags = []
    pages = configuration.list_configuration_settings(key_filter="watched:*").by_page()
    for _ in pages:
        tags.append(pages.etag)

    def changed() -> list[list[str]]:
        settings = configuration.list_configuration_settings(key_filter="watched:*")
        return [keys(page) for page in settings.by_page(match_conditions=tags)]

    assert changed() == []
    write(configuration, "watched:149", "changed")
    assert changed() == [[f"watched:{number:03}" for number in range(100, 150)]]


def test_changes_are_seen_by_headers_alone(configuration: AzureAppConfigurationClient) -> None:
    def tag() -> str:
        pages = configuration.check_configuration_settings(key_filter="checked").by_page()
        next(pages, None)
        return str(pages.etag)

    write(configuration, "checked", "value")
    before = tag()
    assert tag() == before

    write(configuration, "checked", "changed")
    assert tag() != before


def test_a_page_that_must_be_unchanged_is_refused_when_it_is_not(
    url: str, https: httpx.Client, allowed: dict[str, str]
) -> None:
    answer = https.get(f"{url}/kv", params={"key": "any*"}, headers={**allowed, "If-Match": '"another"'})

    assert answer.status_code == 412


def test_revisions_tell_the_history_from_the_newest_on(configuration: AzureAppConfigurationClient) -> None:
    for value in ("1", "2"):
        write(configuration, "history", value)
    configuration.delete_configuration_setting("history")
    write(configuration, "history", "3")

    assert [setting.value for setting in configuration.list_revisions("history")] == ["3", "2", "1"]


def test_long_histories_come_in_pages(configuration: AzureAppConfigurationClient) -> None:
    for number in range(101):
        write(configuration, "long-history", str(number))

    assert [setting.value for setting in configuration.list_revisions("long-history")] == [
        str(number) for number in reversed(range(101))
    ]


def test_keys_and_labels_are_listed_once_each(
    configuration: AzureAppConfigurationClient, url: str, https: httpx.Client, allowed: dict[str, str]
) -> None:
    for key in ("names:b", "names:a"):
        for label in (None, "names-of-labels"):
            write(configuration, key, "value", label=label)

    listed = https.get(f"{url}/keys", params={"name": "names:*"}, headers=allowed).json()["items"]

    assert listed == [{"name": "names:a"}, {"name": "names:b"}]
    assert [label.name for label in configuration.list_labels(name="\0,names-of-labels")] == [None, "names-of-labels"]


def test_a_bad_filter_is_refused(configuration: AzureAppConfigurationClient) -> None:
    with pytest.raises(HttpResponseError) as refused:
        list(configuration.list_configuration_settings(key_filter="a*b"))

    assert refused.value.status_code == 400


def test_nobody_is_shown_the_present_as_the_past(configuration: AzureAppConfigurationClient) -> None:
    with pytest.raises(HttpResponseError) as refused:
        list(configuration.list_configuration_settings(accept_datetime="Wed, 25 Nov 2026 09:00:00 GMT"))

    assert refused.value.status_code == 400
