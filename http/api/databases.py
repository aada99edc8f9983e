"""Databases: what is protected, and by which policy. Writing configuration wakes the plan of the database."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from api.auditing import Audit
from api.database_answers import CreatedDatabase, DatabaseDetail, DatabaseList, DatabaseSummary, Message
from api.database_bodies import DatabaseChanges, DatabaseFields, NewDatabase
from api.fields import DatabaseId
from api.lookup import database_of, target_of
from api.registration import register, store_login, unregister
from orchestrators.protect_database import WAKE, protect_database
from shared import claims, clock, config, history, naming
from shared.errors import BackupError, FieldError, InvalidRequest, NotFound
from shared.models.database import DatabaseConfig
from shared.models.run import ProtectRequest, RunRecord
from shared.secrets import Credentials
from shared.tokens import Caller
from shared.web import Admin, Durable, Reader

router = APIRouter(tags=["Databases"])

READERS = 8
"""How many databases' runs are read at a time for the list."""


class Leftovers(StrEnum):
    """What becomes of the backups of a database that is deleted."""

    KEEP = "keep"
    EXPIRE = "expire"


@router.get("/databases", name="GetDatabases", summary="All databases")
def get_databases(caller: Reader) -> DatabaseList:
    """Sorted by id, each with its health."""
    now = clock.now()
    found = config.databases.list_all(tenant=caller.tenant_id).documents
    with ThreadPoolExecutor(READERS) as readers:
        databases = list(readers.map(lambda database: DatabaseSummary.of(database, now), found))
    return DatabaseList(databases=databases, total=len(databases))


@router.post("/databases", name="CreateDatabase", summary="Protect a database", status_code=HTTPStatus.CREATED)
def create_database(caller: Admin, durable: Durable, trail: Audit, body: NewDatabase) -> CreatedDatabase:
    """The id is made from the name; 409 when it is taken. The password goes to Key Vault alone."""
    database = body.config(
        id=naming.database_id_from(body.name),
        tenant_id=caller.tenant_id,
        created_at=clock.now(),
        defaults=config.defaults(),
    )
    with trail.line(caller, "database_created", database.id):
        _check_scratch_target(caller, body)
        register(config.databases, database, Credentials(body.username, body.password))
    request = ProtectRequest(database_id=database.id, tenant_id=database.tenant_id)
    with suppress(BackupError):  # the reconcile timer starts it then
        durable.start(protect_database, request, instance_id=_plan_of(database.id))
    return CreatedDatabase(id=database.id, message="Database configuration created successfully")


@router.get("/databases/{database_id}", name="GetDatabase", summary="One database")
def get_database(caller: Reader, database_id: DatabaseId) -> DatabaseDetail:
    """All that is configured, and its health."""
    return DatabaseDetail.of(database_of(caller, database_id), clock.now())


@router.put("/databases/{database_id}", name="UpdateDatabase", summary="Change a database")
def update_database(
    caller: Admin, durable: Durable, trail: Audit, database_id: DatabaseId, body: DatabaseChanges
) -> Message:
    """Fields that are left out stay as they are. A change works within a minute."""
    database = database_of(caller, database_id)
    defaults = config.defaults()
    with trail.line(caller, "database_updated", database.id, ", ".join(sorted(body.model_fields_set))):
        _check_scratch_target(caller, body)
        changed = config.databases.update(
            database.id, lambda stored: body.applied_to(stored, defaults), tenant=caller.tenant_id
        )
        if body.username is not None:
            store_login(changed, None)
    durable.wake(_plan_of(database.id), WAKE)
    return Message(message="Database configuration updated successfully")


@router.delete("/databases/{database_id}", name="DeleteDatabase", summary="Stop protecting a database")
def delete_database(
    caller: Admin,
    durable: Durable,
    trail: Audit,
    database_id: DatabaseId,
    backups: Annotated[Leftovers, Query(description="Keep its backups, or let them expire by its policy.")] = (
        Leftovers.KEEP
    ),
) -> Message:
    """A run that is going on is cancelled; configuration and password go."""
    database = database_of(caller, database_id)
    with trail.line(caller, "database_deleted", database.id, f"backups={backups}"):
        running = claims.holder(database.id)
        if running is not None:
            claims.cancel(database.id, running.backup_id)
        if backups is Leftovers.EXPIRE:
            _let_backups_expire(database)
        unregister(config.databases, database)
    durable.wake(_plan_of(database.id), WAKE)
    return Message(message="Database configuration deleted successfully")


def _plan_of(database_id: str) -> str:
    """The instance of a database's eternal plan."""
    return f"protect-{database_id}"


def _check_scratch_target(caller: Caller, body: DatabaseFields | DatabaseChanges) -> None:
    if body.verification is None or body.verification.target_id is None:
        return
    try:
        target_of(caller, body.verification.target_id)
    except NotFound as missing:
        fault = FieldError(field="verification.target_id", message=missing.message)
        raise InvalidRequest(f"{fault.field}: {fault.message}", errors=(fault,)) from missing


def _let_backups_expire(database: DatabaseConfig) -> None:
    kept_for = timedelta(days=database.retention_days)

    def expiring(run: RunRecord) -> RunRecord:
        return run.model_copy(update={"expires_at": run.started_at + kept_for})

    for run in history.present(database.id, tenant=database.tenant_id, since=database.created_at):
        history.update(run.backup_id, expiring)
