"""Rows and content of tables, computed by the server so that any two servers give the same.

The digest of a table is the sum over its rows of a 64-bit hash of the row's text, which does not depend on the order
of rows. The hash is PostgreSQL's own: hash partitions of dumps and upgrades rely on it, so it is the same in all
versions since 11. Texts have one form, because `session` fixes every setting that shapes them.
"""

from shared.engines.engine import Login
from shared.engines.postgresql.connection import Session, quoted, session
from shared.engines.postgresql.probe import digestible_relations
from shared.errors import UnsupportedServer
from shared.models.inventory import ContentDigest, ObjectName, TableDigest

METHOD = "postgresql-hashtextextended-sum-1"

LARGE_OBJECTS = """
    SELECT count(*),
           coalesce(sum(hashtextextended(oid::text || ':' || encode(sha256(lo_get(oid)), 'hex'), 0)::numeric), 0)
    FROM pg_largeobject_metadata
"""


def digest(login: Login, database: str, *, method: str | None, timeout_seconds: int) -> ContentDigest:
    """See `Restorer.digest`."""
    if method not in (None, METHOD):
        raise UnsupportedServer(f"The digest method {method!r} is not known here, only {METHOD!r}.")
    with session(login, database, timeout_seconds=timeout_seconds) as asked:
        asked.rows("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        tables, sequences = digestible_relations(asked)
        return ContentDigest(
            method=METHOD,
            tables=tuple(_table_digest(asked, table) for table in tables),
            sequences=tuple((sequence.text, _position(asked, sequence)) for sequence in sequences),
            large_objects=_large_objects_digest(asked),
        )


def _table_digest(asked: Session, table: ObjectName) -> TableDigest:
    # ONLY: rows of partitions and of inheriting tables count where they lie. The alias is no column's name by accident.
    ((rows, total),) = asked.rows(
        'SELECT count(*), coalesce(sum(hashtextextended(("the whole row".*)::text, 0)::numeric), 0)'  # noqa: S608
        f' FROM ONLY {_qualified(table)} AS "the whole row"'
    )
    return TableDigest(table=table, rows=rows, digest=str(total))


def _position(asked: Session, sequence: ObjectName) -> int:
    """The number that the sequence gives next."""
    ((last, called, increment),) = asked.rows(
        "SELECT s.last_value, s.is_called, p.seqincrement"  # noqa: S608 - quoted
        f" FROM {_qualified(sequence)} s, pg_sequence p WHERE p.seqrelid = s.tableoid"
    )
    return int(last + increment if called else last)


def _large_objects_digest(asked: Session) -> str:
    ((number, total),) = asked.rows(LARGE_OBJECTS)
    return f"{number}:{total}" if number else ""


def _qualified(relation: ObjectName) -> str:
    return f"{quoted(relation.schema_name)}.{quoted(relation.name)}"
