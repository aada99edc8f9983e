"""What a PostgreSQL server says about one database before it is dumped. Extensions' own objects are left out."""

from collections.abc import Iterable, Sequence

from shared.engines.diagnosis import explained, listed, place
from shared.engines.engine import Login
from shared.engines.postgresql.connection import Row, Session, session
from shared.engines.postgresql.errors import PERMISSION, ROW_SECURITY
from shared.errors import UnsupportedServer
from shared.models.inventory import Inventory, ObjectName, Probe, ServerFacts

# Schemas of users: neither the system's own nor anybody's temporary ones.
USER_SCHEMA = (
    "n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"
    " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid"
    " AND d.deptype = 'e')"
)

RELATIONS = f"""
    SELECT n.nspname, c.relname, c.relkind::text, c.oid,
           CASE WHEN c.relkind IN ('r', 'm') THEN pg_table_size(c.oid) ELSE 0 END,
           has_schema_privilege(n.oid, 'USAGE') AND CASE
               WHEN c.relkind IN ('r', 'p') THEN has_table_privilege(c.oid, 'SELECT')
               WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, 'SELECT')
               ELSE true END,
           c.relkind IN ('r', 'p') AND row_security_active(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S') AND c.relpersistence <> 't' AND {USER_SCHEMA}
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                      AND d.deptype = 'e')
"""  # noqa: S608 - constants

ROUTINES = f"""
    SELECT n.nspname, p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')'
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE {USER_SCHEMA}
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                      AND d.deptype = 'e')
"""  # noqa: S608 - constants

TRIGGERS = f"""
    SELECT n.nspname, c.relname || '.' || t.tgname
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT t.tgisinternal AND {USER_SCHEMA}
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_trigger'::regclass AND d.objid = t.oid
                      AND d.deptype = 'e')
"""  # noqa: S608 - constants

EVENT_TRIGGERS = """
    SELECT '', e.evtname FROM pg_event_trigger e
    WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid
                      AND d.deptype = 'e')
"""

# Every database has the schema public, unless somebody dropped it; a restore makes it again.
SCHEMAS = f"SELECT n.nspname FROM pg_namespace n WHERE n.nspname <> 'public' AND {USER_SCHEMA}"  # noqa: S608 - constants

TABLE_KINDS = ("r", "p", "f")
VIEW_KINDS = ("v", "m")


def probe(login: Login, database: str, *, timeout_seconds: int) -> Probe:
    """See `Engine.probe`."""
    with session(login, database, timeout_seconds=timeout_seconds) as asked:
        asked.rows("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        facts = _facts(asked, login, database)
        relations = asked.rows(RELATIONS)
        _demand_rights(relations, place(login.server, database))
        return Probe(
            server=facts,
            size_bytes=sum(row[4] for row in relations) + int(asked.value("SELECT pg_table_size('pg_largeobject')")),
            inventory=Inventory(
                schemas=tuple(sorted(row[0] for row in asked.rows(SCHEMAS))),
                tables=_names(row for row in relations if row[2] in TABLE_KINDS),
                views=_names(row for row in relations if row[2] in VIEW_KINDS),
                routines=_names(asked.rows(ROUTINES)),
                triggers=_names(asked.rows(TRIGGERS)),
                events=_names(asked.rows(EVENT_TRIGGERS)),
                sequences=_names(row for row in relations if row[2] == "S"),
                large_objects=int(asked.value("SELECT count(*) FROM pg_largeobject_metadata")),
            ),
            warnings=_charset_warnings(facts),
        )


def digestible_relations(asked: Session) -> tuple[list[ObjectName], list[ObjectName]]:
    """Tables that hold rows of their own, and sequences, each sorted."""
    relations = asked.rows(RELATIONS)
    return (
        list(_names(row for row in relations if row[2] == "r")),
        list(_names(row for row in relations if row[2] == "S")),
    )


def _facts(asked: Session, login: Login, database: str) -> ServerFacts:
    told = str(asked.value("SELECT version()"))
    if not told.startswith(("PostgreSQL", "EnterpriseDB")):
        raise UnsupportedServer(f"What answers is no PostgreSQL but {told[:60]!r} ({place(login.server, database)}).")
    number = int(asked.value("SHOW server_version_num"))
    ((encoding, collation),) = asked.rows(
        "SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = current_database()"
    )
    return ServerFacts(
        vendor="postgresql",
        version=str(asked.value("SHOW server_version")),
        version_number=(number // 10000, number % 10000),
        character_set=encoding,
        collation=collation,
        encrypted=bool(
            asked.value("SELECT coalesce(bool_or(ssl), false) FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        ),
    )


def _names(rows: Iterable[Row]) -> tuple[ObjectName, ...]:
    return tuple(ObjectName(schema_name=schema, name=name) for schema, name in sorted(row[:2] for row in rows))


def _demand_rights(relations: Sequence[Row], where: str) -> None:
    """A dump stops at the first table it may not read; this names all of them, and before it has begun."""
    denied = [f"{row[0]}.{row[1]}" for row in relations if not row[5]]
    if denied:
        raise explained(PERMISSION, where, f"no SELECT on {listed(denied)}")
    guarded = [f"{row[0]}.{row[1]}" for row in relations if row[6]]
    if guarded:
        raise explained(ROW_SECURITY, where, f"row-level security is active on {listed(guarded)}")


def _charset_warnings(facts: ServerFacts) -> tuple[str, ...]:
    if facts.character_set != "SQL_ASCII":
        return ()
    return (
        "The database's encoding is SQL_ASCII: the server never checked its text. A dump in UTF8 keeps the bytes, and a"
        " restore into a UTF8 database fails at the first text that is not UTF-8.",
    )
