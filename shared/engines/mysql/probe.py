"""What a MySQL or MariaDB server says about one database before it is dumped."""

import re
from collections.abc import Iterable, Sequence

import pymysql

from shared.engines.diagnosis import listed
from shared.engines.engine import Login
from shared.engines.mysql.connection import Row, Session, quoted, session
from shared.engines.mysql.grants import Grants, parse_grants
from shared.errors import PermissionDenied
from shared.models.inventory import Inventory, ObjectName, Probe, ServerFacts

TABLE_DENIED = (1142, 1143)
SELECT_DENIED = (1044, 1142, 1143, 1227)


def probe(login: Login, database: str, *, timeout_seconds: int) -> Probe:
    """See `Engine.probe`."""
    with session(login, database, timeout_seconds=timeout_seconds) as asked:
        asked.rows("SET SESSION TRANSACTION READ ONLY")
        # Where the server folds letters of names, this is the name as it keeps it.
        name = asked.value("SELECT DATABASE()")
        tables = _tables(asked, name)
        inventory = _inventory(asked, name, tables)
        grants = parse_grants(row[0] for row in asked.rows("SHOW GRANTS"))
        if not grants.cover("SELECT", name):
            _demand_select(asked, login, name, inventory.tables)
        return Probe(
            server=_facts(asked, name),
            size_bytes=sum(int(row[4] or 0) for row in tables),
            inventory=inventory,
            warnings=(
                *_privilege_warnings(grants, name),
                *_snapshot_warnings(asked, tables),
                *_history_warnings(tables),
                *_charset_warnings(asked, name),
                *_definer_warnings(asked, name),
            ),
        )


def digestible_tables(asked: Session, name: str) -> tuple[list[str], list[str]]:
    """The names of tables that hold rows, and of sequences, each sorted."""
    tables = _tables(asked, name)
    return (
        sorted(row[1] for row in tables if row[2] not in ("VIEW", "SEQUENCE")),
        sorted(row[1] for row in tables if row[2] == "SEQUENCE"),
    )


def _tables(asked: Session, name: str) -> list[Row]:
    """Schema, name, type, storage engine and bytes of each table, view and sequence."""
    return _of_schema(
        asked,
        name,
        "SELECT table_schema, table_name, table_type, engine, data_length FROM information_schema.tables"
        " WHERE table_schema = %s",
    )


def _of_schema(asked: Session, name: str, statement: str) -> list[Row]:
    """Rows of the information schema whose first column is the schema. It may compare names without letter case."""
    return [row for row in asked.rows(statement, (name,)) if row[0] == name]


def _facts(asked: Session, name: str) -> ServerFacts:
    version = str(asked.value("SELECT VERSION()"))
    comment = str(asked.value("SELECT @@version_comment"))
    (charset,) = _of_schema(
        asked,
        name,
        "SELECT schema_name, default_character_set_name, default_collation_name FROM information_schema.schemata"
        " WHERE schema_name = %s",
    )
    generated = _of_schema(
        asked,
        name,
        "SELECT table_schema FROM information_schema.columns WHERE table_schema = %s"
        " AND (extra LIKE '%%VIRTUAL%%' OR extra LIKE '%%STORED%%' OR extra LIKE '%%PERSISTENT%%') LIMIT 1",
    )
    encrypted = asked.rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
    return ServerFacts(
        vendor=vendor_of(version, comment),
        version=version,
        version_number=version_number(version),
        character_set=charset[1],
        collation=charset[2],
        encrypted=any(row[1] for row in encrypted),
        generated_columns=bool(generated),
    )


def vendor_of(version: str, comment: str) -> str:
    """`mariadb` or `mysql`, by what the server calls its version; a fork of MySQL counts as MySQL."""
    return "mariadb" if "mariadb" in f"{version} {comment}".lower() else "mysql"


def version_number(version: str) -> tuple[int, ...]:
    """The leading numbers. MariaDB may put 5.5.5 in front, for old clients that expect a MySQL."""
    text = version.removeprefix("5.5.5-")
    numbers = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(map(int, numbers.group().split("."))) if numbers else (0,)


def _inventory(asked: Session, name: str, tables: Sequence[Row]) -> Inventory:
    routines = _of_schema(
        asked,
        name,
        "SELECT routine_schema, CONCAT(LOWER(routine_type), ' ', routine_name) FROM information_schema.routines"
        " WHERE routine_schema = %s",
    )
    triggers = _of_schema(
        asked,
        name,
        "SELECT trigger_schema, trigger_name FROM information_schema.triggers WHERE trigger_schema = %s",
    )
    events = _of_schema(
        asked, name, "SELECT event_schema, event_name FROM information_schema.events WHERE event_schema = %s"
    )
    return Inventory(
        tables=_names(row[1] for row in tables if row[2] not in ("VIEW", "SEQUENCE")),
        views=_names(row[1] for row in tables if row[2] == "VIEW"),
        routines=_names(row[1] for row in routines),
        triggers=_names(row[1] for row in triggers),
        events=_names(row[1] for row in events),
        sequences=_names(row[1] for row in tables if row[2] == "SEQUENCE"),
    )


def _names(names: Iterable[str]) -> tuple[ObjectName, ...]:
    return tuple(ObjectName(name=name) for name in sorted(names))


def _demand_select(asked: Session, login: Login, name: str, tables: Sequence[ObjectName]) -> None:
    """Asks each table for nothing: no grant on the whole database was seen, but a role may give one."""
    denied = []
    for table in tables:
        try:
            asked.rows(f"SELECT * FROM {quoted(name)}.{quoted(table.name)} LIMIT 0")  # noqa: S608 - quoted
        except pymysql.err.MySQLError as error:
            if error.args[0] not in TABLE_DENIED:
                raise
            denied.append(table.name)
    if denied:
        raise PermissionDenied(
            f"User {login.server.username!r} may not read {listed(denied)} of database {name!r}"
            f" on {login.server.host}:{login.server.port}. Grant SELECT on the database."
        )


def _privilege_warnings(grants: Grants, name: str) -> list[str]:
    """A server does not show what a user may not see: neither we nor the dump would know that it is missing."""
    warnings = []
    if not grants.cover("SELECT", name):
        warnings.append(
            "The user has no SELECT on the whole database: tables that were not granted to it are not in the backup."
        )
    if not grants.cover("TRIGGER", name):
        warnings.append("The user has no TRIGGER privilege: triggers are not in the backup.")
    if not grants.show_routines(name):
        warnings.append("The user may not see routines: procedures and functions are not in the backup.")
    return warnings


def _snapshot_warnings(asked: Session, tables: Sequence[Row]) -> list[str]:
    transactional = {
        str(row[0]) for row in asked.rows("SELECT engine FROM information_schema.engines WHERE transactions = 'YES'")
    }
    outside = [f"{row[1]} ({row[3]})" for row in tables if row[3] is not None and row[3] not in transactional]
    if not outside:
        return []
    return [f"Not in the snapshot, because their storage engine has none: {listed(outside)}."]


def _history_warnings(tables: Sequence[Row]) -> list[str]:
    versioned = [row[1] for row in tables if row[2] == "SYSTEM VERSIONED"]
    if not versioned:
        return []
    return [
        f"Only the present rows of system-versioned tables are in the backup, not their history: {listed(versioned)}."
    ]


def _charset_warnings(asked: Session, name: str) -> list[str]:
    latin = _of_schema(
        asked,
        name,
        "SELECT DISTINCT table_schema, table_name FROM information_schema.columns"
        " WHERE table_schema = %s AND character_set_name = 'latin1'",
    )
    if not latin:
        return []
    return [
        f"Tables with latin1 columns, which hold no emojis: {listed(row[1] for row in latin)}."
        " If an application wrote UTF-8 into them, the backup keeps it as it is."
    ]


def _definer_warnings(asked: Session, name: str) -> list[str]:
    """Definers that no longer exist: such objects are dumped, but fail on first use, and under another name."""
    try:
        accounts = {f"{user}@{host}" for user, host in asked.rows("SELECT user, host FROM mysql.user")}
    except pymysql.err.MySQLError as error:
        if error.args[0] not in SELECT_DENIED:
            raise
        return []  # most backup users may not see the accounts; then there is nothing to compare with
    orphans = [
        f"{kind} {row[1]} ({row[2]})"
        for kind, table, column in (
            ("view", "views", "table"),
            ("routine", "routines", "routine"),
            ("trigger", "triggers", "trigger"),
            ("event", "events", "event"),
        )
        for row in _of_schema(
            asked,
            name,
            f"SELECT {column}_schema, {column}_name, definer FROM information_schema.{table}"  # noqa: S608 - constants
            f" WHERE {column}_schema = %s",
        )
        if row[2] not in accounts
    ]
    if not orphans:
        return []
    return [
        f"Defined by accounts that do not exist, so they fail when used: {listed(orphans)}."
        " Restored under another database name they may fail at once."
    ]
