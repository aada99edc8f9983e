"""The specification's flat keys beside documents."""

import pytest
from azure.appconfiguration import ConfigurationSetting

from shared import config
from shared.config import store
from shared.errors import Conflict, NotFound, SettingInvalid
from shared.models.database import DatabaseConfig, DatabaseType
from shared.settings import settings
from tests.support.configuration import client, set_key
from tests.support.records import database_config

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
