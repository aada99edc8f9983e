"""Targets: servers that restores and verification may use, each with a password of its own."""

from http import HTTPStatus
from typing import Any, Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.auditing import Audit
from api.changes import changed_whole, refuse_fixed, refuse_null
from api.database_answers import Message
from api.fields import SERVER, Host, Name, Password, Port, SslModeName, TargetId, TypeName, Username
from api.lookup import target_of
from api.registration import register, store_login, unregister
from api.times import Moment
from shared import catalogue, clock, config, naming
from shared.errors import Conflict
from shared.models.database import DatabaseType, SslMode, TargetConfig
from shared.secrets import Credentials
from shared.web import Admin, Reader

router = APIRouter(tags=["Targets"])


class TargetFields(BaseModel):
    """A whole target without its secret. Each field may look at those above it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    type: TypeName
    host: Host = Field(validation_alias=SERVER)
    port: Port | None = None
    username: Username
    ssl_mode: SslModeName = SslMode.VERIFY_FULL

    def config(self, *, id: str, tenant_id: str, created_at: Any) -> TargetConfig:
        """The document that configuration keeps."""
        given = self.model_dump(exclude={"password"})
        port = self.port or catalogue.TYPES[self.type].default_port
        return TargetConfig(**given | {"id": id, "tenant_id": tenant_id, "created_at": created_at, "port": port})


class NewTarget(TargetFields):
    """A target to create."""

    password: Password


class TargetChanges(BaseModel):
    """The fields of a target to change; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name | None = None
    host: Host | None = Field(None, validation_alias=SERVER)
    port: Port | None = None
    username: Username | None = None
    ssl_mode: SslModeName | None = None
    password: Password | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_fixed_fields(cls, body: Any) -> Any:
        return refuse_fixed(body)

    @model_validator(mode="after")
    def _without_nulls(self) -> Self:
        refuse_null(self)
        return self

    def applied_to(self, stored: TargetConfig) -> TargetConfig:
        """The configuration after the change, checked as a whole; raises InvalidRequest with every fault."""
        whole = changed_whole(TargetFields, stored, self.model_dump(exclude_unset=True, exclude={"password"}))
        return whole.config(id=stored.id, tenant_id=stored.tenant_id, created_at=stored.created_at)


class TargetAnswer(BaseModel):
    """A target. No answer has a field for a password."""

    id: str
    name: str
    type: DatabaseType
    host: str
    port: int
    username: str
    ssl_mode: SslMode
    created_at: Moment

    @classmethod
    def of(cls, target: TargetConfig) -> Self:
        """The answer about a target."""
        return cls(**target.model_dump(include=set(cls.model_fields)))


class TargetList(BaseModel):
    """All targets of the caller's tenant."""

    targets: list[TargetAnswer]
    total: int


class CreatedTarget(BaseModel):
    """The id that was made from the name."""

    id: str
    message: str


@router.get("/targets", name="GetTargets", summary="All targets")
def get_targets(caller: Reader) -> TargetList:
    """Sorted by id."""
    found = [TargetAnswer.of(target) for target in config.targets.list_all(tenant=caller.tenant_id).documents]
    return TargetList(targets=found, total=len(found))


@router.post("/targets", name="CreateTarget", summary="Add a target", status_code=HTTPStatus.CREATED)
def create_target(caller: Admin, trail: Audit, body: NewTarget) -> CreatedTarget:
    """Its user must be allowed to create and drop databases. 409 when the id made from the name is taken."""
    target = body.config(id=naming.database_id_from(body.name), tenant_id=caller.tenant_id, created_at=clock.now())
    with trail.line(caller, "target_created", target.id):
        register(config.targets, target, Credentials(body.username, body.password))
    return CreatedTarget(id=target.id, message="Target created successfully")


@router.get("/targets/{target_id}", name="GetTarget", summary="One target")
def get_target(caller: Reader, target_id: TargetId) -> TargetAnswer:
    """All that is configured."""
    return TargetAnswer.of(target_of(caller, target_id))


@router.put("/targets/{target_id}", name="UpdateTarget", summary="Change a target")
def update_target(caller: Admin, trail: Audit, target_id: TargetId, body: TargetChanges) -> Message:
    """Fields that are left out stay as they are; `password` replaces the stored one."""
    target = target_of(caller, target_id)
    with trail.line(caller, "target_updated", target.id, ", ".join(sorted(body.model_fields_set))):
        changed = config.targets.update(target.id, body.applied_to, tenant=caller.tenant_id)
        if body.username is not None or body.password is not None:
            store_login(changed, body.password)
    return Message(message="Target updated successfully")


@router.delete("/targets/{target_id}", name="DeleteTarget", summary="Remove a target")
def delete_target(caller: Admin, trail: Audit, target_id: TargetId) -> Message:
    """409 while a database names it for its verification."""
    target = target_of(caller, target_id)
    with trail.line(caller, "target_deleted", target.id):
        databases = config.databases.list_all(tenant=caller.tenant_id).documents
        users = [database.id for database in databases if database.verification.target_id == target.id]
        if users:
            raise Conflict(f"Target {target.id} is named by {', '.join(users)}; change these databases first.")
        unregister(config.targets, target)
    return Message(message="Target deleted successfully")
