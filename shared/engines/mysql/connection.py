"""One connection to a MySQL or MariaDB server, for questions: everything has a time limit, and TLS is never lost."""

import ssl
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pymysql

from shared.engines.certificates import trusted_bundle
from shared.engines.diagnosis import place
from shared.engines.engine import Login
from shared.engines.mysql.errors import driver_errors
from shared.errors import UnsupportedServer
from shared.models.database import SslMode

Row = tuple[Any, ...]


class Session:
    """Asks one server; made by `session`."""

    def __init__(self, connection: "pymysql.Connection[pymysql.cursors.Cursor]") -> None:
        self._connection = connection

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> list[Row]:
        """All rows that the statement gives. `%` is written `%%` where there are parameters, and only there."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, tuple(parameters) or None)
            return list(cursor.fetchall())

    def value(self, statement: str, parameters: Sequence[object] = ()) -> Any:
        """The first column of the only row."""
        (row,) = self.rows(statement, parameters)
        return row[0]


@contextmanager
def session(login: Login, database: str | None, *, timeout_seconds: int) -> Iterator[Session]:
    """A connection with autocommit, in UTC and utf8mb4, whose every answer takes at most `timeout_seconds`.

    Errors of the driver, inside the block too, come as errors of the tree.
    """
    server = login.server
    tls: dict[str, Any] = {"ssl_disabled": True} if server.ssl_mode is SslMode.DISABLE else {"ssl": _context(login)}
    with driver_errors(server, database or ""):
        try:
            connection = pymysql.connect(
                host=server.host,
                port=server.port,
                user=server.username,
                password=login.password.get_secret_value().encode(),  # PyMySQL would encode text as Latin 1
                database=database,
                charset="utf8mb4",
                autocommit=True,
                init_command="SET time_zone = '+00:00', sql_mode = ''",
                connect_timeout=timeout_seconds,
                read_timeout=timeout_seconds,
                write_timeout=timeout_seconds,
                **tls,
            )
        # What PyMySQL trips over when another kind of server answers.
        except (struct.error, IndexError, AssertionError) as error:
            raise UnsupportedServer(
                f"What answers is neither MySQL nor MariaDB ({place(server, database or '')}). Check host and port."
            ) from error
        try:
            yield Session(connection)
        finally:
            connection.close()


def quoted(name: str) -> str:
    """`name` as an identifier in a statement."""
    return f"`{name.replace('`', '``')}`"


def _context(login: Login) -> ssl.SSLContext:
    bundle = trusted_bundle(login)
    context = ssl.create_default_context(cafile=bundle)
    # Servers make their own authorities, often without the extensions that Python's strict mode demands.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = login.server.ssl_mode is SslMode.VERIFY_FULL
    if bundle is None:
        context.verify_mode = ssl.CERT_NONE
    return context
