"""Which engine and restorer serves which type of database. A new kind is a row here and files of its own."""

from collections.abc import Mapping

from shared.engines.engine import Engine
from shared.engines.mysql.engine import MySqlEngine, MySqlRestorer
from shared.engines.postgresql.engine import PostgreSqlEngine, PostgreSqlRestorer
from shared.engines.restorer import Restorer
from shared.errors import InvalidRequest
from shared.models.database import DatabaseType

ENGINES: Mapping[DatabaseType, Engine] = {
    DatabaseType.MYSQL_FLEXIBLE: MySqlEngine(),
    DatabaseType.MYSQL_VM: MySqlEngine(),
    DatabaseType.POSTGRESQL_AZURE: PostgreSqlEngine(),
    DatabaseType.POSTGRESQL_VM: PostgreSqlEngine(),
}

RESTORERS: Mapping[DatabaseType, Restorer] = {
    DatabaseType.MYSQL_FLEXIBLE: MySqlRestorer(),
    DatabaseType.MYSQL_VM: MySqlRestorer(),
    DatabaseType.POSTGRESQL_AZURE: PostgreSqlRestorer(),
    DatabaseType.POSTGRESQL_VM: PostgreSqlRestorer(),
}

# Short names that the specification's scripts use.
ALIASES: Mapping[str, DatabaseType] = {
    "mysql": DatabaseType.MYSQL_FLEXIBLE,
    "postgresql": DatabaseType.POSTGRESQL_AZURE,
    "sqlserver": DatabaseType.SQLSERVER_VM,
}


def type_named(text: str) -> DatabaseType:
    """The type of this name or alias. Raises InvalidRequest, listing the types that can be backed up."""
    if text in ALIASES:
        return ALIASES[text]
    try:
        return DatabaseType(text)
    except ValueError as error:
        raise InvalidRequest(f"Unknown database type {text!r}. Known: {', '.join(ENGINES)}.") from error


def engine_for(kind: DatabaseType) -> Engine:
    """The engine of this type. Raises InvalidRequest where there is none yet."""
    if kind not in ENGINES:
        raise InvalidRequest(f"Databases of type {kind} cannot be backed up by this version: {', '.join(ENGINES)} can.")
    return ENGINES[kind]


def restorer_for(kind: DatabaseType) -> Restorer:
    """The restorer of this type. Raises InvalidRequest where there is none yet."""
    if kind not in RESTORERS:
        raise InvalidRequest(
            f"Databases of type {kind} cannot be restored by this version: {', '.join(RESTORERS)} can."
        )
    return RESTORERS[kind]
