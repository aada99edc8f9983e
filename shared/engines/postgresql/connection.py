"""One connection to a PostgreSQL server, for questions. libpq has no time limit for an answer, so this has its own."""

import select
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg2
import psycopg2.extensions

from shared.engines.certificates import trusted_bundle
from shared.engines.diagnosis import explained, place
from shared.engines.engine import Login
from shared.engines.postgresql.errors import NO_ANSWER, TOO_SLOW, driver_errors

Row = tuple[Any, ...]

# One form of every value, whatever the server, the role or the database has set; and no rows left out unseen.
FIXED_SETTINGS = (
    "SET search_path = pg_catalog",
    "SET row_security = off",
    "SET TimeZone = 'UTC'",
    "SET DateStyle = 'ISO, YMD'",
    "SET IntervalStyle = 'postgres'",
    "SET extra_float_digits = 3",
    "SET bytea_output = 'hex'",
    "SET xmlbinary = 'base64'",
    "SET lc_monetary = 'C'",
)


class Session:
    """Asks one server; made by `session`."""

    def __init__(self, connection: psycopg2.extensions.connection, timeout_seconds: int, where: str) -> None:
        self._connection = connection
        self._timeout_seconds = timeout_seconds
        self._where = where

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> list[Row]:
        """All rows that the statement gives. `%` is written `%%` where there are parameters, and only there."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, tuple(parameters) or None)
            if not _is_ready(self._connection, self._timeout_seconds):
                raise explained(TOO_SLOW, self._where, f"no answer within {self._timeout_seconds} seconds")
            return list(cursor.fetchall()) if cursor.description else []

    def value(self, statement: str, parameters: Sequence[object] = ()) -> Any:
        """The first column of the only row."""
        (row,) = self.rows(statement, parameters)
        return row[0]


@contextmanager
def session(login: Login, database: str, *, timeout_seconds: int) -> Iterator[Session]:
    """A connection with autocommit and fixed settings, whose every answer takes at most `timeout_seconds`.

    Errors of the driver, inside the block too, come as errors of the tree.
    """
    server = login.server
    where = place(server, database)
    with driver_errors(server, database):
        # The driver's own asynchronous mode: every wait passes through `_is_ready`.
        connection = psycopg2.connect(
            host=server.host,
            port=server.port,
            user=server.username,
            password=login.password.get_secret_value(),
            dbname=database,
            sslmode=server.ssl_mode.value,
            sslrootcert=str(trusted_bundle(login) or ""),
            gssencmode="disable",
            client_encoding="UTF8",
            async_=True,
        )
        try:
            if not _is_ready(connection, timeout_seconds):
                raise explained(NO_ANSWER, where, f"no answer within {timeout_seconds} seconds")
            asked = Session(connection, timeout_seconds, where)
            # The size of a table cannot be asked for while somebody holds it; then the error shall say so.
            for setting in (*FIXED_SETTINGS, f"SET lock_timeout = {timeout_seconds * 500}"):
                asked.rows(setting)
            yield asked
        finally:
            connection.close()


def quoted(name: str) -> str:
    """`name` as an identifier in a statement."""
    return '"' + name.replace('"', '""') + '"'


def connection_string(database: str) -> str:
    """Names the database to a client tool, whatever its name looks like; libpq would read `a=b` as a setting."""
    escaped = database.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{escaped}'"


def connection_environment(login: Login) -> dict[str, str]:
    """All that a client tool needs to connect, the password included."""
    server = login.server
    bundle = trusted_bundle(login)
    return {
        "PGHOST": server.host,
        "PGPORT": str(server.port),
        "PGUSER": server.username,
        "PGPASSWORD": login.password.get_secret_value(),
        "PGSSLMODE": server.ssl_mode.value,
        "PGCONNECT_TIMEOUT": "30",
        "PGGSSENCMODE": "disable",
        **({"PGSSLROOTCERT": str(bundle)} if bundle else {}),
    }


def _is_ready(connection: psycopg2.extensions.connection, timeout_seconds: float) -> bool:
    """Waits for what was asked; False when the time is over."""
    deadline = time.monotonic() + timeout_seconds
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        waiting = select.poll()
        waiting.register(connection, select.POLLIN if state == psycopg2.extensions.POLL_READ else select.POLLOUT)
        left = deadline - time.monotonic()
        if left <= 0 or not waiting.poll(left * 1000):
            return False
    return True
