"""What others do to a database and its tools while a run works: hold locks, kill processes and connections."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from local.servers import DatabaseServer
from tests.support.databases import connection, quoted, rows, run_sql

DUMP_TOOLS = ("mariadb-dump", "mysqldump", "pg_dump")
WAIT_SECONDS = 60.0


@contextmanager
def locked(server: DatabaseServer, database: str, table: str) -> Iterator[None]:
    """Nobody else reads the table meanwhile."""
    lock = {
        "mysql": [f"LOCK TABLES {quoted(server, table)} WRITE"],
        "postgresql": ["BEGIN", f"LOCK TABLE {quoted(server, table)} IN ACCESS EXCLUSIVE MODE"],
    }
    with _session_with(server, database, lock[server.family]):
        yield


@contextmanager
def dumps_held_up(server: DatabaseServer, database: str, first_table: str) -> Iterator[None]:
    """A dump of the database waits meanwhile; what is asked before a dump does not."""
    lock = {
        "mysql": [f"LOCK TABLES {quoted(server, first_table)} WRITE"],
        "postgresql": ["BEGIN", "LOCK TABLE pg_catalog.pg_ts_parser IN ACCESS EXCLUSIVE MODE"],
    }
    with _session_with(server, database, lock[server.family]):
        yield


def dump_tools(server: DatabaseServer, database: str) -> list[int]:
    """The pids of the tools that dump the database from this server now."""
    port = str(server.port).encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended while we looked
            words = (folder / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            is_tool = Path(words[0].decode(errors="replace")).name in DUMP_TOOLS and database.encode() in words[-1]
            if is_tool and (b"--port=" + port in words or b"PGPORT=" + port in _environment(folder)):
                found.append(int(folder.name))
    return found


def waiting_dump(server: DatabaseServer, database: str) -> int:
    """The pid of the tool that dumps the database, once there is one and it waits for a lock."""
    until(lambda: bool(dump_tools(server, database)) and _waits_for_lock(server, database), "a dump that waits")
    [pid] = dump_tools(server, database)
    return pid


def end_session_of_dump(server: DatabaseServer, database: str) -> None:
    """The server ends the sessions of the dump tool, as an administrator or a time limit would."""
    assert server.family == "postgresql"
    ended = rows(
        server,
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
        " AND application_name = 'pg_dump'",
    )
    assert ended, "no dump is connected"


def until(holds: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS) -> None:
    """Returns when it holds; AssertionError when it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def noise(server: DatabaseServer, database: str, megabytes: int) -> None:
    """Makes a table of so many MB that do not compress."""
    rows_wanted = megabytes * 1024
    if server.family == "mysql":
        made = f"SELECT seq, RANDOM_BYTES(1024) FROM seq_1_to_{rows_wanted}"
        column = "VARBINARY(1024)"
    else:
        noise = "sha512(n::text::bytea) || sha512((-n)::text::bytea)"
        made = f"SELECT n, {noise} FROM generate_series(1, {rows_wanted * 8}) n"
        column = "bytea"
    run_sql(
        server,
        [f"CREATE TABLE noise (id bigint, bytes {column})", f"INSERT INTO noise {made}"],
        database=database,
    )


@contextmanager
def _session_with(server: DatabaseServer, database: str, statements: Sequence[str]) -> Iterator[None]:
    with connection(server, database) as held, held.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        yield


def _environment(folder: Path) -> list[bytes]:
    return (folder / "environ").read_bytes().split(b"\0")


def _waits_for_lock(server: DatabaseServer, database: str) -> bool:
    if server.family == "mysql":
        state = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{}' AND state LIKE '%metadata lock%'"
    else:
        state = "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND wait_event_type = 'Lock'"
    [(count,)] = rows(server, state.format(database))
    return bool(count)
