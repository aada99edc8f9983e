"""The specification's form of a database: one key for each field, every value a text."""

from collections.abc import Mapping
from typing import Any

from shared.engines.registry import type_named
from shared.models.database import DatabaseConfig, DatabaseType
from shared.settings import settings

DEFAULT_PORTS = {
    DatabaseType.MYSQL_FLEXIBLE: 3306,
    DatabaseType.MYSQL_VM: 3306,
    DatabaseType.POSTGRESQL_AZURE: 5432,
    DatabaseType.POSTGRESQL_VM: 5432,
    DatabaseType.AZURE_SQL_DB: 1433,
    DatabaseType.AZURE_SQL_MI: 3342,
    DatabaseType.SQLSERVER_VM: 1433,
}


def config_from(database_id: str, fields: Mapping[str, str]) -> DatabaseConfig:
    """The configuration that the fields of one database make; ValueError or InvalidRequest when one is bad or missing.

    They belong to the installation's own tenant. `server` is another name for `host`. The password's reference is not
    read: secrets have the names that follow from the id.
    """
    type = type_named(fields.get("type", ""))
    whole: dict[str, Any] = {
        "port": DEFAULT_PORTS[type],
        "username": "",
        "host": fields.get("server"),
        "name": database_id,
        **fields,
        "id": database_id,
        "type": type,
        "tenant_id": settings().tenant_id,
        "tags": tuple(tag.strip() for tag in fields.get("tags", "").split(",") if tag.strip()),
    }
    if "schedule" in fields and "frequency" not in fields:
        whole["frequency"] = None
    return DatabaseConfig.model_validate(whole)
