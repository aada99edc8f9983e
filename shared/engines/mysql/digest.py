"""Rows and content of tables, computed by the server so that any two servers of the family give the same.

Each row becomes one text: for every column its length and its value, or N for NULL. The digest of a table is the sum
over its rows of 64 bits of that text's MD5, which does not depend on the order of rows, nor on how they are stored.
CHECKSUM TABLE depends on the row format and on the version. FLOAT columns count as they are shown and dumped, with six
digits: dump tools lose the rest.
"""

from collections.abc import Sequence

from shared.engines.engine import Login
from shared.engines.mysql.connection import Row, Session, quoted, session
from shared.engines.mysql.probe import digestible_tables
from shared.errors import InternalError, UnsupportedServer
from shared.models.inventory import ContentDigest, ObjectName, TableDigest

METHOD = "mysql-md5-64-sum-1"

# Values that may be as long as the server's longest packet: a text of the whole row would be NULL then.
LONG_TYPES = frozenset({
    "tinytext", "text", "mediumtext", "longtext", "tinyblob", "blob", "mediumblob", "longblob", "json",
})  # fmt: skip
BYTE_TYPES = frozenset({"char", "varchar", "binary", "varbinary", "enum", "set"})
SHAPE_TYPES = frozenset({
    "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
    "geometrycollection", "geomcollection",
})  # fmt: skip


def digest(login: Login, database: str, *, method: str | None, timeout_seconds: int) -> ContentDigest:
    """See `Restorer.digest`."""
    if method not in (None, METHOD):
        raise UnsupportedServer(f"The digest method {method!r} is not known here, only {METHOD!r}.")
    with session(login, database, timeout_seconds=timeout_seconds) as asked:
        asked.rows("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        asked.rows("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        name = str(asked.value("SELECT DATABASE()"))
        tables, sequences = digestible_tables(asked, name)
        return ContentDigest(
            method=METHOD,
            tables=tuple(_table_digest(asked, name, table) for table in tables),
            sequences=tuple((sequence, _position(asked, name, sequence)) for sequence in sequences),
        )


def _table_digest(asked: Session, database: str, table: str) -> TableDigest:
    columns = [
        row
        for row in asked.rows(
            "SELECT column_name, data_type, table_schema, table_name FROM information_schema.columns"
            " WHERE table_schema = %s AND table_name = %s"
            # The period of a system-versioned table is when the row was written, also by a restore.
            " AND COALESCE(generation_expression, '') NOT IN ('ROW START', 'ROW END')"
            " ORDER BY ordinal_position",
            (database, table),
        )
        if row[2:] == (database, table)
    ]
    text = _row_text(columns)
    rows, hashed, total = asked.rows(
        "SELECT COUNT(*), COUNT(h), COALESCE(SUM(h), 0) FROM ("  # noqa: S608 - all names are quoted
        f"SELECT CAST(CONV(LEFT(MD5({text}), 16), 16, 10) AS UNSIGNED) AS h"
        f" FROM {quoted(database)}.{quoted(table)}) AS hashes"
    )[0]
    if rows != hashed:
        raise InternalError(f"{rows - hashed} rows of table {table!r} are too long to be compared on the server.")
    return TableDigest(table=ObjectName(name=table), rows=rows, digest=str(total))


def _row_text(columns: Sequence[Row]) -> str:
    return f"CONCAT({', '.join(_marked_text(str(row[0]), str(row[1]).lower()) for row in columns)})"


def _marked_text(column: str, kind: str) -> str:
    """NULL is told from every value, and from what the server makes NULL because it is too long for a packet."""
    value = _value_text(column, kind)
    return f"IF({quoted(column)} IS NULL, 'N', CONCAT(LENGTH({value}), ':', {value}))"


def _value_text(column: str, kind: str) -> str:
    """An expression for bytes that mean the value, whatever the character sets of column and connection."""
    name = quoted(column)
    if kind in LONG_TYPES:
        return f"MD5({name})"
    if kind in BYTE_TYPES:
        return f"CAST({name} AS BINARY)"
    if kind in SHAPE_TYPES:
        return f"HEX({name})"
    if kind == "bit":
        return f"CAST({name} + 0 AS CHAR)"
    return f"CAST({name} AS CHAR)"


def _position(asked: Session, database: str, sequence: str) -> int:
    """The first number that the sequence has not handed out to a cache."""
    return int(
        asked.value(
            f"SELECT next_not_cached_value FROM {quoted(database)}.{quoted(sequence)}"  # noqa: S608 - quoted
        )
    )
