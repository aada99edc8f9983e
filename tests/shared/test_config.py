"""Configuration in a local App Configuration that behaves as Azure's, by the real SDK."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from azure.appconfiguration import AzureAppConfigurationClient, ConfigurationSetting

from shared import config
from shared.config import Defaults, documents, last_known, store
from shared.errors import ConfigurationUnavailable, Conflict, InvalidRequest, NotFound, SettingInvalid
from shared.models.database import EPOCH, DatabaseConfig, DatabaseType
from shared.settings import settings
from shared.storage import tables
from tests.support.cloud import forget_settings
from tests.support.loopback_ports import closed_port
from tests.support.records import OTHER_TENANT, TENANT, database_config, target_config

pytestmark = pytest.mark.usefixtures("cloud")


def client() -> AzureAppConfigurationClient:
    return store._client()


def set_key(key: str, value: str) -> None:
    client().set_configuration_setting(ConfigurationSetting(key=key, value=value))


@pytest.fixture(autouse=True)
def an_empty_store(cloud: object) -> Iterator[None]:
    """Each test begins without any configuration: the installation's limits and lists are of the whole store."""
    for setting in client().list_configuration_settings():
        if setting.read_only:
            client().set_read_only(setting, False)
        client().delete_configuration_setting(setting.key, label=setting.label)
    for row in list(tables.query("DatabaseConfigs", "PartitionKey ge @any", {"any": ""})):
        tables.remove("DatabaseConfigs", row.partition, row.key)
    last_known._written.clear()
    yield


@pytest.fixture
def no_answer(monkeypatch: pytest.MonkeyPatch) -> "Outage":
    return Outage(monkeypatch)


class Outage:
    """Makes App Configuration stop answering."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def begin(self) -> None:
        self._monkeypatch.setattr("shared.config.store.PATIENCE_SECONDS", 0.2)
        self._monkeypatch.setenv("AZURE_APPCONFIG_ENDPOINT", f"https://127.0.0.1:{closed_port()}")
        forget_settings()


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


SEED = {
    "enabled": "true",
    "type": "mysql-flexible",
    "host": "prod-mysql.mysql.database.azure.com",
    "port": "3306",
    "username": "backup_user",
    "password_key_vault_ref": "@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/mysql-password/)",
    "database": "website_db",
    "frequency": "6h",
    "storage_container": "website-backups",
    "retention_days": "30",
    "compress": "true",
    "notification_enabled": "true",
    "tags": "production,critical",
}
STAGING = {
    "enabled": "true",
    "type": "azure-sql-db",
    "server": "staging-sql.database.windows.net",
    "database": "api_db",
    "authentication": "azure-ad-integrated",
    "frequency": "1d",
    "storage_container": "api-backups",
    "tags": "staging,api",
}


def set_fields(id: str, fields: dict[str, str]) -> None:
    for name, value in fields.items():
        set_key(f"databases:{id}:{name}", value)


def test_r_215_the_specifications_flat_keys_are_read() -> None:
    set_fields("prod_website", SEED)
    set_fields("staging_api", STAGING)

    website = config.databases.get("prod_website", tenant=settings().tenant_id)
    everything = config.databases.list_all(tenant=None)

    assert website == DatabaseConfig(
        id="prod_website",
        tenant_id=settings().tenant_id,
        name="prod_website",
        type=DatabaseType.MYSQL_FLEXIBLE,
        host="prod-mysql.mysql.database.azure.com",
        port=3306,
        username="backup_user",
        database="website_db",
        frequency="6h",
        storage_container="website-backups",
        retention_days=30,
        tags=("production", "critical"),
    )
    assert [found.id for found in everything.documents] == ["prod_website", "staging_api"]
    staging = everything.documents[1]
    assert (staging.host, staging.port, staging.username) == ("staging-sql.database.windows.net", 1433, "")
    assert everything.broken == ()


def test_flat_keys_may_have_a_schedule_and_a_short_type() -> None:
    fields = {**SEED, "schedule": "0 3 * * *", "type": "postgresql"}
    del fields["frequency"], fields["port"]
    set_fields("prod_website", fields)

    found = config.databases.get("prod_website", tenant=None)

    assert (found.frequency, found.schedule, found.type, found.port) == (
        None,
        "0 3 * * *",
        DatabaseType.POSTGRESQL_AZURE,
        5432,
    )


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"type": "oracle"}, "Unknown database type 'oracle'"), ({"port": "many"}, "see port"), ({"host": ""}, "")],
)
def test_flat_keys_that_cannot_be_read_are_named(fields: dict[str, str], reason: str) -> None:
    set_fields("prod_website", SEED | fields)
    if not reason:
        assert config.databases.get("prod_website", tenant=None).host == ""
        return

    with pytest.raises(SettingInvalid, match=reason):
        config.databases.get("prod_website", tenant=None)


def test_the_document_wins_over_flat_keys_and_is_made_by_the_first_update() -> None:
    set_fields("prod_website", SEED)
    tenant = settings().tenant_id

    config.databases.update("prod_website", lambda found: found.model_copy(update={"frequency": "3h"}), tenant=tenant)
    set_key("databases:prod_website:frequency", "1w")

    assert config.databases.get("prod_website", tenant=tenant).frequency == "3h"
    assert config.databases.list_all(tenant=tenant).documents[0].frequency == "3h"


def test_flat_keys_take_their_id_and_go_with_the_database() -> None:
    set_fields("prod_website", SEED)
    with pytest.raises(Conflict, match="is taken"):
        config.databases.create(database_config(id="prod_website"))

    config.databases.delete("prod_website", tenant=settings().tenant_id)

    assert store.read_all("databases:") == []


def test_targets_have_no_flat_keys() -> None:
    set_key("targets:spare:host", "h")

    with pytest.raises(NotFound):
        config.targets.get("spare", tenant=None)
    assert config.targets.list_all(tenant=None).documents == ()


def test_keys_with_a_label_are_not_ours() -> None:
    client().set_configuration_setting(
        ConfigurationSetting(key="databases:shop", value=database_config().model_dump_json(), label="staging")
    )

    assert config.databases.list_all(tenant=None).documents == ()


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


def test_r_214_defaults_fall_back_to_the_specifications() -> None:
    assert config.defaults() == Defaults(default_frequency="1d", default_retention_days=30, max_concurrent_backups=5)


def test_defaults_are_read_and_survive_an_outage(no_answer: Outage) -> None:
    set_key("backup:default_frequency", "6h")
    set_key("backup:default_retention_days", "14")
    set_key("backup:max_concurrent_backups", "3")
    set_key("backup:notification_webhook", "https://hooks.example/secret")
    expected = Defaults(default_frequency="6h", default_retention_days=14, max_concurrent_backups=3)

    assert config.defaults() == expected
    no_answer.begin()
    assert config.defaults() == expected
    copy = last_known.recall("backup", "defaults")
    assert copy is not None
    assert "hooks" not in copy


def test_defaults_that_nobody_ever_read_are_those_of_the_settings(
    no_answer: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKUP_RETENTION_DAYS", "7")
    no_answer.begin()

    assert config.defaults().default_retention_days == 7


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("backup:default_frequency", "5m"),
        ("backup:default_retention_days", "0"),
        ("backup:max_concurrent_backups", "many"),
    ],
)
def test_a_default_that_cannot_be_read_is_named(key: str, value: str) -> None:
    set_key(key, value)

    with pytest.raises(SettingInvalid, match=f"{key} in App Configuration"):
        config.defaults()


def test_a_starting_time_keeps_its_moment() -> None:
    config.databases.create(database_config(starts_at=datetime(2026, 3, 1, 3, tzinfo=UTC)))

    assert config.databases.get("shop", tenant=TENANT).starts_at == datetime(2026, 3, 1, 3, tzinfo=UTC)
