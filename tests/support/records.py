"""Configurations and runs for tests: whole by default, with what a test is about given by name."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shared import naming
from shared.models.database import DatabaseConfig, DatabaseType, TargetConfig
from shared.models.run import BlobAddress, RunRecord, RunStatus, Trigger

TENANT = "11111111-1111-1111-1111-111111111111"
OTHER_TENANT = "22222222-2222-2222-2222-222222222222"
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)


def database_config(**fields: Any) -> DatabaseConfig:
    """A daily MySQL database called shop."""
    whole = {
        "id": "shop",
        "tenant_id": TENANT,
        "name": "Shop",
        "type": DatabaseType.MYSQL_VM,
        "host": "db.example.com",
        "port": 3306,
        "username": "backup",
        "database": "shop",
        "storage_container": "shop-backups",
        "created_at": LONG_AGO,
    }
    return DatabaseConfig.model_validate(whole | fields)


def target_config(**fields: Any) -> TargetConfig:
    """A MySQL server called spare."""
    whole = {
        "id": "spare",
        "tenant_id": TENANT,
        "name": "Spare",
        "type": DatabaseType.MYSQL_VM,
        "host": "spare.example.com",
        "port": 3306,
        "username": "restore",
        "created_at": LONG_AGO,
    }
    return TargetConfig.model_validate(whole | fields)


def run_record(started_at: datetime, status: RunStatus = RunStatus.COMPLETED, **fields: Any) -> RunRecord:
    """A run of shop that began at `started_at`; a completed one lasted a minute, has a blob and is verified."""
    seed = fields.pop("seed", f"{started_at} {status}")
    whole: dict[str, Any] = {
        "backup_id": naming.backup_id(started_at, naming.six_from(seed)),
        "database_id": "shop",
        "tenant_id": TENANT,
        "trigger": Trigger.SCHEDULED,
        "status": status,
        "started_at": started_at,
    }
    if status.is_final:
        whole["ended_at"] = started_at + timedelta(minutes=1)
    if status is RunStatus.COMPLETED:
        whole["verified_at"] = whole["ended_at"]
        whole["blob"] = BlobAddress(container="shop-backups", name=f"{started_at:%Y/%m/%d}/backup.sql.gz")
    return RunRecord.model_validate(whole | fields)
