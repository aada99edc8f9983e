"""What holds while App Configuration does not answer."""

import pytest

from shared import config
from shared.config import last_known, store
from shared.errors import ConfigurationUnavailable, NotFound
from shared.storage import tables
from tests.support.configuration import Outage
from tests.support.records import OTHER_TENANT, TENANT, database_config, target_config


def test_r_224_without_app_configuration_plans_go_on_from_the_last_known_copy(no_answer: Outage) -> None:
    shop, spare = database_config(), target_config()
    config.databases.create(shop)
    config.targets.create(spare)
    config.databases.get("shop", tenant=None)
    config.targets.list_all(tenant=None)

    no_answer.begin()

    assert config.databases.get("shop", tenant=TENANT) == shop
    listed = config.databases.list_all(tenant=TENANT)
    assert (listed.documents, listed.is_copy) == ((shop,), True)
    assert config.databases.list_all(tenant=OTHER_TENANT).documents == ()
    assert config.targets.get("spare", tenant=TENANT) == spare
    with pytest.raises(NotFound):
        config.databases.get("shop", tenant=OTHER_TENANT)


def test_the_copy_follows_changes_and_deletions(no_answer: Outage) -> None:
    config.databases.create(database_config())
    config.databases.create(database_config(id="gone"))
    config.databases.create(database_config(id="erased"))
    config.databases.list_all(tenant=None)
    config.databases.update("shop", lambda found: found.model_copy(update={"enabled": False}), tenant=TENANT)
    config.databases.get("shop", tenant=None)
    config.databases.delete("gone", tenant=TENANT)
    store.erase("databases:erased")
    with pytest.raises(NotFound):
        config.databases.get("erased", tenant=None)

    no_answer.begin()

    assert [(found.id, found.enabled) for found in config.databases.list_all(tenant=None).documents] == [
        ("shop", False)
    ]


def test_what_was_never_read_is_unavailable_and_nothing_is_written_without_app_configuration(
    no_answer: Outage,
) -> None:
    config.databases.create(database_config(id="known"))
    config.databases.get("known", tenant=None)
    no_answer.begin()

    for impossible in (
        lambda: config.databases.get("shop", tenant=None),
        lambda: config.databases.create(database_config()),
        lambda: config.databases.update("known", lambda found: found, tenant=None),
        lambda: config.databases.delete("known", tenant=None),
    ):
        with pytest.raises(ConfigurationUnavailable, match="App Configuration does not answer"):
            impossible()


def test_what_did_not_change_is_not_copied_again(monkeypatch: pytest.MonkeyPatch) -> None:
    config.databases.create(database_config())
    config.databases.get("shop", tenant=None)
    written: list[str] = []
    monkeypatch.setattr(tables, "put", lambda table, row: written.append(row.key))

    config.databases.get("shop", tenant=None)
    config.databases.list_all(tenant=None)
    assert written == []

    config.databases.update("shop", lambda found: found.model_copy(update={"name": "x"}), tenant=None)
    config.databases.get("shop", tenant=None)
    assert written == ["shop"]


def test_a_copy_that_cannot_be_written_keeps_nobody_from_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    config.databases.create(database_config())

    def refuse(table: str, row: tables.Row) -> str:
        raise ConfigurationUnavailable("Table DatabaseConfigs does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(tables, "put", refuse)
        assert config.databases.get("shop", tenant=TENANT) == database_config()
    assert last_known.recall("databases", "shop") is None

    config.databases.get("shop", tenant=TENANT)

    assert last_known.recall("databases", "shop") is not None
