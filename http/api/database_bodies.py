"""What callers send to create or change a database, and the configuration that is made of it."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.changes import changed_whole, refuse_fixed, refuse_null
from api.fields import (
    SERVER,
    Container,
    DatabaseName,
    Flag,
    Frequency,
    Host,
    Identifier,
    Name,
    Options,
    Password,
    Port,
    RetentionDays,
    RunRung,
    Schedule,
    SslModeName,
    StartsAt,
    Tags,
    TimeZone,
    TypeName,
    Username,
)
from shared import catalogue
from shared.config import Defaults
from shared.models.database import DatabaseConfig, Rung, SslMode

NULL_MEANS_DEFAULT = frozenset({"frequency", "schedule", "starts_at"})


class VerificationFields(BaseModel):
    """What a run must prove to be completed, and the server on which restores may be tried by default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rung: RunRung = Rung.READABLE
    target_id: Identifier | None = None


class DatabaseFields(BaseModel):
    """A whole database without its secret. Each field may look at those above it, so their order matters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    type: TypeName
    host: Host = Field(validation_alias=SERVER)
    port: Port | None = None
    username: Username
    ssl_mode: SslModeName = SslMode.VERIFY_FULL
    database: DatabaseName
    frequency: Frequency | None = None
    schedule: Schedule | None = None
    time_zone: TimeZone = "UTC"
    starts_at: StartsAt | None = None
    storage_container: Container
    retention_days: RetentionDays | None = None
    compress: Flag = True
    enabled: Flag = True
    notification_enabled: Flag = True
    tags: Tags = ()
    verification: VerificationFields = VerificationFields()
    options: Options = ()

    def config(self, *, id: str, tenant_id: str, created_at: datetime, defaults: Defaults) -> DatabaseConfig:
        """The document that configuration keeps."""
        given = self.model_dump(exclude={"password"})
        return DatabaseConfig.model_validate(
            given
            | {
                "id": id,
                "tenant_id": tenant_id,
                "created_at": created_at,
                "port": self.port or catalogue.TYPES[self.type].default_port,
                "frequency": self.frequency or (None if self.schedule else defaults.default_frequency),
                "retention_days": self.retention_days or defaults.default_retention_days,
            }
        )


class NewDatabase(DatabaseFields):
    """A database to create."""

    password: Password


class DatabaseChanges(BaseModel):
    """The fields of a database to change; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name | None = None
    host: Host | None = Field(None, validation_alias=SERVER)
    port: Port | None = None
    username: Username | None = None
    ssl_mode: SslModeName | None = None
    database: DatabaseName | None = None
    frequency: Frequency | None = Field(None, description="Takes the place of `schedule`.")
    schedule: Schedule | None = Field(None, description="Takes the place of `frequency`.")
    time_zone: TimeZone | None = None
    starts_at: StartsAt | None = Field(None, description="null: the time of creation again.")
    storage_container: Container | None = None
    retention_days: RetentionDays | None = None
    compress: Flag | None = None
    enabled: Flag | None = None
    notification_enabled: Flag | None = None
    tags: Tags | None = None
    verification: VerificationFields | None = None
    options: Options | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_fixed_fields(cls, body: Any) -> Any:
        return refuse_fixed(body)

    @model_validator(mode="after")
    def _without_nulls(self) -> Self:
        refuse_null(self, allowed=NULL_MEANS_DEFAULT)
        return self

    def applied_to(self, stored: DatabaseConfig, defaults: Defaults) -> DatabaseConfig:
        """The configuration after the change, checked as a whole; raises InvalidRequest with every fault."""
        changes = self.model_dump(exclude_unset=True)
        if changes.get("frequency"):
            changes["schedule"] = None
        if changes.get("schedule"):
            changes["frequency"] = None
        whole = changed_whole(DatabaseFields, stored, changes)
        return whole.config(id=stored.id, tenant_id=stored.tenant_id, created_at=stored.created_at, defaults=defaults)
