"""What the API tells about databases. No answer has a field for a password."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from api.times import Moment
from shared import history
from shared.errors import InvalidRequest
from shared.health import DatabaseHealth, database_health
from shared.models.database import DatabaseConfig, DatabaseType, SslMode, Verification
from shared.models.run import RunRecord
from shared.schedule import next_due

RECENT = 5


class DatabaseSummary(BaseModel):
    """A database in a list."""

    model_config = ConfigDict(validate_by_name=True)

    id: str
    name: str
    type: DatabaseType
    host: str
    database: str
    frequency: str | None
    schedule: str | None
    enabled: bool
    last_backup: Moment | None = Field(alias="lastBackup", description="When the newest proven backup began.")
    next_backup: Moment | None = Field(alias="nextBackup", description="null while disabled.")
    status: DatabaseHealth
    tags: tuple[str, ...]

    @classmethod
    def of(cls, config: DatabaseConfig, now: datetime) -> Self:
        """The answer about a database, with its health by its runs."""
        recent = history.recent(config.id, RECENT, tenant=config.tenant_id, since=config.created_at)
        verified = history.verified(config.id, tenant=config.tenant_id, since=config.created_at)
        last_verified = next(verified, None)
        shown = config.model_dump(include=set(cls.model_fields))
        return cls(
            **shown,
            last_backup=last_verified.started_at if last_verified else None,
            **_judged(config, recent, last_verified, now),
        )


def _judged(
    config: DatabaseConfig, recent: list[RunRecord], last_verified: RunRecord | None, now: datetime
) -> dict[str, Any]:
    """When the next run is due, and how well the database is protected."""
    try:
        due = next_due(config, now) if config.enabled else None
        return {"next_backup": due, "status": database_health(config, recent, last_verified, now)}
    except InvalidRequest:  # its due times were written past the API and cannot be read, so no run will be made
        return {"next_backup": None, "status": DatabaseHealth.ERROR}


class DatabaseDetail(DatabaseSummary):
    """A database with all that is configured."""

    port: int
    username: str
    ssl_mode: SslMode
    time_zone: str
    starts_at: Moment | None
    created_at: Moment
    storage_container: str
    retention_days: int
    compress: bool
    notification_enabled: bool
    verification: Verification
    options: tuple[str, ...]


class DatabaseList(BaseModel):
    """All databases of the caller's tenant."""

    databases: list[DatabaseSummary]
    total: int


class CreatedDatabase(BaseModel):
    """The id that was made from the name."""

    id: str
    message: str


class Message(BaseModel):
    """What was done."""

    message: str
