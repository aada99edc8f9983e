"""Bodies that the API takes, with what a test is about given by name."""

from typing import Any

from tests.support.cloud import fresh_id


def new_database(**fields: Any) -> dict[str, Any]:
    """The specification's example of a database to create, under a name of its own."""
    body = {
        "name": fresh_id("New Database").replace("_", " "),
        "type": "mysql-flexible",
        "host": "myserver.mysql.database.azure.com",
        "port": 3306,
        "username": "backup_user",
        "password": "secure_password",
        "database": "my_database",
        "frequency": "1d",
        "storage_container": "new-db-backups",
        "retention_days": 30,
        "enabled": True,
        "tags": ["production"],
    }
    return {name: value for name, value in (body | fields).items() if value is not ...}


def new_target(**fields: Any) -> dict[str, Any]:
    """A target to create, under a name of its own."""
    body = {
        "name": fresh_id("Spare Server").replace("_", " "),
        "type": "mysql-vm",
        "host": "spare.example.com",
        "username": "restore",
        "password": "secure_password",
    }
    return {name: value for name, value in (body | fields).items() if value is not ...}
