"""What each type of database is and can do: what forms, checks and GET /api/types read."""

from collections.abc import Mapping

from shared.engines.registry import ALIASES, ENGINES, RESTORERS, engine_for, type_named
from shared.errors import InvalidRequest
from shared.hosts import VM_TYPES
from shared.models import Value
from shared.models.database import DatabaseType, Rung

LABELS: Mapping[DatabaseType, str] = {
    DatabaseType.MYSQL_FLEXIBLE: "MySQL Flexible Server",
    DatabaseType.MYSQL_VM: "MySQL or MariaDB on a VM",
    DatabaseType.POSTGRESQL_AZURE: "PostgreSQL",
    DatabaseType.POSTGRESQL_VM: "PostgreSQL on a VM",
    DatabaseType.AZURE_SQL_DB: "Azure SQL Database",
    DatabaseType.AZURE_SQL_MI: "SQL Managed Instance",
    DatabaseType.SQLSERVER_VM: "SQL Server on a VM",
}
"""How people know the types; the specification's names where it has one."""
SYSTEM_DATABASES: Mapping[str, frozenset[str]] = {
    "mysql": frozenset({"mysql", "information_schema", "performance_schema", "sys"}),
    "postgresql": frozenset({"postgres", "template0", "template1"}),
}
"""What a server of a family cannot live without: nothing is ever restored over these."""


class TypeFacts(Value):
    """One type of database that can be backed up."""

    type: DatabaseType
    label: str
    family: str
    aliases: tuple[str, ...]
    default_port: int
    format: str
    """The ending of a backup's name."""
    private_hosts: bool
    """Whether a server may lie in a private network that ALLOWED_NETWORKS does not name."""
    verification: tuple[Rung, ...]
    restorable: bool
    dump_tools: tuple[str, ...]


def _facts(kind: DatabaseType) -> TypeFacts:
    engine = ENGINES[kind]
    restorable = kind in RESTORERS
    return TypeFacts(
        type=kind,
        label=LABELS[kind],
        family=engine.family,
        aliases=tuple(alias for alias, meant in ALIASES.items() if meant is kind),
        default_port=engine.default_port,
        format=engine.extension,
        private_hosts=kind in VM_TYPES,
        verification=(Rung.STORED, Rung.READABLE, *((Rung.RESTORED,) if restorable else ())),
        restorable=restorable,
        dump_tools=engine.dump_tools,
    )


TYPES: Mapping[DatabaseType, TypeFacts] = {kind: _facts(kind) for kind in ENGINES}


def supported_type(name: str) -> DatabaseType:
    """The type of this name or alias; raises InvalidRequest where it is unknown or cannot be backed up yet."""
    kind = type_named(name)
    engine_for(kind)
    return kind


def check_options(kind: DatabaseType, options: tuple[str, ...]) -> None:
    """Raises InvalidRequest, naming the option, unless the dump tools of this type may be given all of them."""
    engine_for(kind).check_options(options)


def check_database_name(kind: DatabaseType, name: str) -> None:
    """Raises InvalidRequest when no server of this type can have a database of this name."""
    engine_for(kind).check_database_name(name)


def check_restore_name(kind: DatabaseType, name: str) -> None:
    """Raises InvalidRequest when nothing may be restored into a database of this name."""
    check_database_name(kind, name)
    if name.lower() in SYSTEM_DATABASES[TYPES[kind].family]:
        raise InvalidRequest(f"{name} belongs to the server itself; restore into another database.")
