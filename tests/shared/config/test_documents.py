"""Documents in a local App Configuration that behaves as Azure's, by the real SDK."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from azure.appconfiguration import ConfigurationSetting

from shared import config
from shared.config import documents, store
from shared.errors import ConfigurationUnavailable, Conflict, InvalidRequest, NotFound, SettingInvalid
from shared.models.database import EPOCH, DatabaseConfig
from tests.support.cloud import forget_settings
from tests.support.configuration import client, set_key
from tests.support.loopback_ports import closed_port
from tests.support.records import OTHER_TENANT, TENANT, database_config, target_config


def test_a_document_comes_back_as_it_was_created() -> None:
    shop = database_config(name="Tienda Ñ 🚀", tags=("production", "critical"), options=("--skip-comments",))

    config.databases.create(shop)

    assert config.databases.get("shop", tenant=TENANT) == shop
    held = client().get_configuration_setting("databases:shop")
    assert held is not None
    assert held.content_type == "application/json"
    assert json.loads(held.value)["name"] == "Tienda Ñ 🚀"


def test_databases_and_targets_are_apart() -> None:
    config.databases.create(database_config(id="same"))
    config.targets.create(target_config(id="same"))

    assert config.targets.get("same", tenant=TENANT) == target_config(id="same")
    assert config.databases.get("same", tenant=TENANT) == database_config(id="same")
    assert config.targets.list_all(tenant=TENANT).documents == (target_config(id="same"),)


def test_a_taken_id_is_refused_also_when_another_tenant_has_it() -> None:
    config.databases.create(database_config())

    with pytest.raises(Conflict, match="The id shop is taken"):
        config.databases.create(database_config(tenant_id=OTHER_TENANT, name="Mine"))
    assert config.databases.get("shop", tenant=TENANT).name == "Shop"


def test_of_many_who_create_one_id_at_once_one_succeeds() -> None:
    def create(number: int) -> bool:
        try:
            config.databases.create(database_config(name=str(number)))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(create, range(8))) == 1


def test_an_installation_holds_a_hundred_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    assert config.MOST_DATABASES == 100
    few = documents.Documents("databases", DatabaseConfig, most=2)
    few.create(database_config(id="one"))
    few.create(database_config(id="two"))

    with pytest.raises(Conflict, match="There are 2 databases already"):
        few.create(database_config(id="three"))
    with pytest.raises(Conflict, match="is taken"):
        few.create(database_config(id="two"))


def test_more_documents_than_a_page_are_all_listed() -> None:
    ids = [f"db_{number:03d}" for number in range(105)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda id: set_key(f"databases:{id}", database_config(id=id).model_dump_json()), ids))

    assert [found.id for found in config.databases.list_all(tenant=TENANT).documents] == ids


@pytest.mark.parametrize("id", ["shop", "../x", "a:b", "*", "shop*", "", "a" * 300, "%2e"])
def test_an_id_that_is_no_document_is_not_found(id: str) -> None:
    with pytest.raises(NotFound, match="There is no database"):
        config.databases.get(id, tenant=None)
    with pytest.raises(NotFound):
        config.databases.update(id, lambda found: found, tenant=None)
    with pytest.raises(NotFound):
        config.databases.delete(id, tenant=None)


def test_c_009_a_tenant_neither_sees_nor_changes_what_another_has() -> None:
    shop = database_config()
    config.databases.create(shop)
    config.databases.create(database_config(id="other", tenant_id=OTHER_TENANT))

    for forbidden in (
        lambda: config.databases.get("shop", tenant=OTHER_TENANT),
        lambda: config.databases.update("shop", lambda found: found, tenant=OTHER_TENANT),
        lambda: config.databases.delete("shop", tenant=OTHER_TENANT),
    ):
        with pytest.raises(NotFound, match="There is no database 'shop'"):
            forbidden()
    assert config.databases.list_all(tenant=TENANT).documents == (shop,)
    assert len(config.databases.list_all(tenant=None).documents) == 2


def test_r_248_an_update_leaves_the_other_fields_and_who_and_when() -> None:
    shop = database_config()
    config.databases.create(shop)

    changed = config.databases.update(
        "shop",
        lambda found: found.model_copy(
            update={"frequency": "3h", "retention_days": 45, "id": "x", "tenant_id": "x", "created_at": EPOCH}
        ),
        tenant=TENANT,
    )

    assert changed == shop.model_copy(update={"frequency": "3h", "retention_days": 45})
    assert config.databases.get("shop", tenant=TENANT) == changed


def test_br_85_of_many_updates_at_once_none_is_lost() -> None:
    config.databases.create(database_config())

    def tag(number: int) -> None:
        for _ in range(10):
            try:
                config.databases.update(
                    "shop", lambda found: found.model_copy(update={"tags": (*found.tags, str(number))}), tenant=TENANT
                )
            except Conflict:
                continue
            return

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(tag, range(20)))

    assert sorted(config.databases.get("shop", tenant=TENANT).tags, key=int) == [str(number) for number in range(20)]


def test_an_update_that_always_comes_too_late_is_a_conflict() -> None:
    config.databases.create(database_config())

    def others_first(found: DatabaseConfig) -> DatabaseConfig:
        set_key("databases:shop", found.model_copy(update={"name": found.name + "x"}).model_dump_json())
        return found

    with pytest.raises(Conflict, match="written by too many"):
        config.databases.update("shop", others_first, tenant=TENANT)


def test_a_change_made_in_app_configuration_itself_is_seen_at_once() -> None:
    config.databases.create(database_config())
    config.databases.get("shop", tenant=TENANT)

    set_key("databases:shop", database_config(name="Renamed").model_dump_json())

    assert config.databases.get("shop", tenant=TENANT).name == "Renamed"


def test_a_deleted_document_is_gone() -> None:
    config.databases.create(database_config())

    config.databases.delete("shop", tenant=TENANT)

    with pytest.raises(NotFound):
        config.databases.get("shop", tenant=TENANT)
    with pytest.raises(NotFound):
        config.databases.delete("shop", tenant=TENANT)
    assert config.databases.list_all(tenant=TENANT).documents == ()
    config.databases.create(database_config(name="Again"))


def test_a_locked_document_is_a_conflict() -> None:
    config.databases.create(database_config())
    client().set_read_only(ConfigurationSetting(key="databases:shop"))

    with pytest.raises(Conflict, match="databases:shop is locked in App Configuration"):
        config.databases.update("shop", lambda found: found, tenant=TENANT)
    with pytest.raises(Conflict, match="is locked"):
        config.databases.delete("shop", tenant=TENANT)


def test_a_document_over_ten_kilobytes_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="longer than the 10 KB"):
        config.databases.create(database_config(tags=tuple("x" * 100 for _ in range(120))))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("{", "see JSON"),
        (database_config(id="other").model_dump_json(), "its id is 'other'"),
        (database_config().model_dump_json().replace('"port":3306', '"port":"many"'), "see port"),
        (database_config().model_dump_json().replace('"host"', '"hots"'), "see host"),
    ],
)
def test_a_document_that_was_broken_by_hand_is_named_and_keeps_no_other_from_being_used(
    value: str, reason: str
) -> None:
    config.databases.create(database_config(id="good"))
    set_key("databases:shop", value)

    with pytest.raises(SettingInvalid, match=reason) as refused:
        config.databases.get("shop", tenant=TENANT)

    assert "databases:shop in App Configuration cannot be read" in refused.value.message
    everything = config.databases.list_all(tenant=None)
    assert [found.id for found in everything.documents] == ["good"]
    assert [(broken.id, broken.reason) for broken in everything.broken] == [("shop", refused.value.message)]
    assert config.databases.list_all(tenant=TENANT).broken == ()


@pytest.mark.parametrize("id", ["a/b", "a#b", "My Shop", ""])
def test_a_key_whose_id_cannot_be_one_keeps_no_other_from_being_used(id: str) -> None:
    config.databases.create(database_config(id="good"))
    set_key(f"databases:{id}", database_config(id=id).model_dump_json())
    set_key("databases:c?d:type", "mysql-vm")

    everything = config.databases.list_all(tenant=None)

    assert [found.id for found in everything.documents] == ["good"]
    assert sorted(broken.id for broken in everything.broken) == sorted([id, "c?d"])


def test_a_creation_whose_answer_got_lost_is_a_creation(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = database_config()
    monkeypatch.setattr(store, "read_all", lambda beginning: [])
    config.databases.create(shop)

    config.databases.create(shop)

    with pytest.raises(Conflict, match="is taken"):
        config.databases.create(shop.model_copy(update={"name": "Another"}))


def test_a_store_may_be_given_by_connection_string(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.config.store.PATIENCE_SECONDS", 0.2)
    monkeypatch.setenv("AZURE_APPCONFIG_ENDPOINT", f"Endpoint=https://127.0.0.1:{closed_port()};Id=a;Secret=c2VjcmV0")
    forget_settings()

    with pytest.raises(ConfigurationUnavailable, match="App Configuration does not answer"):
        store.read("databases:shop")


def test_a_starting_time_keeps_its_moment() -> None:
    config.databases.create(database_config(starts_at=datetime(2026, 3, 1, 3, tzinfo=UTC)))

    assert config.databases.get("shop", tenant=TENANT).starts_at == datetime(2026, 3, 1, 3, tzinfo=UTC)
