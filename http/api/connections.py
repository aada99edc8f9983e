"""Trying whether a database can be reached and read, without storing anything."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from api.fields import SERVER, DatabaseId, DatabaseName, Host, Password, Port, SslModeName, TypeName, Username
from api.lookup import database_of
from shared import catalogue, connection, secrets
from shared.connection import Check, ConnectionReport
from shared.errors import InvalidCredentials
from shared.models.database import DatabaseConfig, Server, SslMode
from shared.tokens import Role
from shared.web import Admin, Operator

router = APIRouter(tags=["Databases"])


class NewConnection(BaseModel):
    """A database that is not stored yet. Each field may look at those above it."""

    model_config = ConfigDict(extra="forbid")

    type: TypeName
    host: Host = Field(validation_alias=SERVER)
    port: Port | None = None
    username: Username
    password: Password
    ssl_mode: SslModeName = SslMode.VERIFY_FULL
    database: DatabaseName


class StoredConnection(BaseModel):
    """Another password than the stored one, if any."""

    model_config = ConfigDict(extra="forbid")

    password: Password | None = None


@router.post("/databases/test-connection", name="TestNewConnection", summary="Try a database before it is stored")
def test_new_connection(caller: Admin, body: NewConnection) -> ConnectionReport:
    """Each step of the connection, until one fails."""
    server = Server(
        type=body.type,
        host=body.host,
        port=body.port or catalogue.TYPES[body.type].default_port,
        username=body.username,
        ssl_mode=body.ssl_mode,
        secret_slug="",
    )
    return connection.test(server, body.password, body.database)


@router.post("/databases/{database_id}/test-connection", name="TestConnection", summary="Try a stored database")
def test_connection(
    caller: Operator, database_id: DatabaseId, body: StoredConnection | None = None
) -> ConnectionReport:
    """With a `password` it is that one that is tried, which takes an administrator; it is not stored."""
    database = database_of(caller, database_id)
    if body is None or body.password is None:
        return _test_stored(database)
    caller.must_have(Role.ADMIN)
    return connection.test(database.server, body.password, database.database)


def _test_stored(database: DatabaseConfig) -> ConnectionReport:
    try:
        password = secrets.fetch(database.secret_slug).password
    except InvalidCredentials as missing:
        check = Check(name="login", status=connection.CheckStatus.FAILED, detail=missing.message)
        return ConnectionReport(success=False, checks=(check,))
    return connection.test(database.server, password, database.database)
