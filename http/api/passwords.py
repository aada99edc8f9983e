"""Changing the password of a database: tested first, stored then, never told."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from api.auditing import Audit
from api.fields import NO_PASSWORD, DatabaseId, Password
from api.lookup import database_of
from shared import connection, secrets
from shared.connection import CheckStatus
from shared.errors import FieldError, InvalidRequest
from shared.secrets import Credentials
from shared.web import Admin

router = APIRouter(tags=["Databases"])

TEST_FAILED = "Connection test failed"


class PasswordBody(BaseModel):
    """The new password."""

    model_config = ConfigDict(extra="forbid")

    password: Password | None = None


class UpdatedPassword(BaseModel):
    """The password is stored."""

    status: str = "password_updated"


@router.put("/databases/{database_id}/password", name="UpdateDatabasePassword", summary="Store a new password")
def update_database_password(
    caller: Admin, trail: Audit, database_id: DatabaseId, body: PasswordBody | None = None
) -> UpdatedPassword:
    """The new password must open the database; when it does not, the old one stays."""
    database = database_of(caller, database_id)
    with trail.line(caller, "password_updated", database.id):
        if body is None or body.password is None:
            raise InvalidRequest(
                f"{NO_PASSWORD}.", title=NO_PASSWORD, errors=(FieldError(field="password", message=NO_PASSWORD),)
            )
        report = connection.test(database.server, body.password, database.database)
        if not report.success:
            failed = next(check for check in report.checks if check.status is CheckStatus.FAILED)
            raise InvalidRequest(
                f"{TEST_FAILED} at {failed.name}: {failed.detail}",
                title=TEST_FAILED,
                errors=(FieldError(field=failed.name, message=failed.detail),),
            )
        secrets.store(database.secret_slug, Credentials(database.username, body.password))
    return UpdatedPassword()
