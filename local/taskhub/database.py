"""The hub's SQLite file: its tables, and writes that share one commit.

A commit that waits for the disk runs in a thread while the loop goes on; all changes that arrive meanwhile share the
next one. Statements run on the loop's thread: they take microseconds, and handing each to a thread would cost more.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar

Durability = Literal["FULL", "NORMAL"]
"""FULL survives a power cut; NORMAL may lose the last commits in one. Both survive kill -9."""

Result = TypeVar("Result")
Change = Callable[[sqlite3.Connection], Result]

_SCHEMA_VERSION = 1
_LARGEST_COMMIT = 256  # changes; keeps the loop's thread free for others
_WAL_PAGES = 4000  # 16 MB between checkpoints, each of which waits for the disk whatever the durability
_PAGES_GIVEN_BACK = 500  # in one change
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_SCHEMA = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE instances (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT,
    execution_id TEXT NOT NULL,       -- new with every generation
    status TEXT NOT NULL,
    input TEXT,                       -- JSON
    output TEXT,                      -- JSON
    custom_status TEXT,               -- JSON
    parent_id TEXT,
    parent_execution_id TEXT,
    parent_task INTEGER,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    revision INTEGER NOT NULL         -- grows with every change: a turn that read an older one is void
);
CREATE INDEX instances_by_created ON instances (created);

CREATE TABLE history (
    instance_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (instance_id, sequence)
) WITHOUT ROWID;

CREATE TABLE messages (               -- events on their way to instances, operations on their way to entities
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    target TEXT NOT NULL,
    execution_id TEXT,                -- the generation it is meant for; NULL: whichever is there
    due INTEGER NOT NULL,             -- 0: at once
    held INTEGER NOT NULL,            -- 1 while the target is suspended
    body TEXT NOT NULL
);
CREATE INDEX messages_by_due ON messages (held, due, id, target);
CREATE INDEX messages_by_target ON messages (target, due);

CREATE TABLE activities (             -- scheduled and not completed
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    instance_id TEXT NOT NULL,
    execution_id TEXT NOT NULL,
    task INTEGER NOT NULL,
    name TEXT NOT NULL,
    input TEXT,
    losses INTEGER NOT NULL DEFAULT 0 -- how often its worker died
);
CREATE INDEX activities_by_instance ON activities (instance_id);

CREATE TABLE entities (id TEXT PRIMARY KEY, state TEXT NOT NULL, updated INTEGER NOT NULL) WITHOUT ROWID;
"""
# Every time is in microseconds since 1970, UTC.


class UnknownSchema(Exception):
    """The file was written by another version of the hub."""


def to_micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_micros(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


class Database:
    """One writer with group commit, and one reader that sees what is committed."""

    def __init__(self, path: Path, durability: Durability, on_commit: Callable[[], None]) -> None:
        self._writer = _connect(path, durability)
        _create_tables(self._writer)
        self._reader = _connect(path, durability)
        self._reader.execute("PRAGMA query_only = ON")
        self._waits_for_disk = durability == "FULL"
        self._on_commit = on_commit
        self._pending: list[tuple[Change[Any], asyncio.Future[Any]]] = []
        self._committing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="taskhub-commit")

    @property
    def is_idle(self) -> bool:
        return not self._pending and (self._committing is None or self._committing.done())

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Gives a view of one moment; do not await inside."""
        self._reader.execute("BEGIN")
        try:
            yield self._reader
        finally:
            self._reader.execute("COMMIT")

    async def write(self, change: Change[Result]) -> Result:
        """Gives what `change` returns once it is on disk; if it raises, nothing of it is written."""
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._pending.append((change, done))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_pending())
        return await done

    async def give_back_free_pages(self) -> None:
        """Shrinks the file by the pages that deletions have left free, a slice at a time."""

        def give_back_some(connection: sqlite3.Connection) -> bool:
            (free,) = connection.execute("PRAGMA freelist_count").fetchone()
            for _ in range(min(free, _PAGES_GIVEN_BACK)):
                # Python takes one step of a statement without columns: whatever the number, one page is given back.
                connection.execute("PRAGMA incremental_vacuum(1)")
            return bool(free > _PAGES_GIVEN_BACK)

        while await self.write(give_back_some):
            pass

    async def close(self) -> None:
        """Commits what is pending and closes the file."""
        while self._committing is not None and not self._committing.done():
            await asyncio.wait({self._committing})
        self._thread.shutdown()
        self._reader.close()
        self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._writer.close()

    async def _commit_pending(self) -> None:
        while self._pending:
            batch, self._pending = self._pending[:_LARGEST_COMMIT], self._pending[_LARGEST_COMMIT:]
            try:
                results = await self._commit([change for change, _ in batch])
            except sqlite3.Error as error:
                # A full or broken disk: nothing of this commit is written, and everyone who waits for it learns why.
                results = [error] * len(batch)
            for (_, done), result in zip(batch, results, strict=True):
                if done.cancelled():
                    continue
                if isinstance(result, Exception):
                    done.set_exception(result)
                else:
                    done.set_result(result)
            self._on_commit()

    async def _commit(self, changes: list[Change[Any]]) -> list[Any]:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            results = [_apply(self._writer, change) for change in changes]
            if self._waits_for_disk:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._writer.execute, "COMMIT")
            else:
                self._writer.execute("COMMIT")
        except sqlite3.Error:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise
        return results


def _apply(connection: sqlite3.Connection, change: Change[Any]) -> Any:
    """Gives the change's result, or the error it raised after taking it back; SQLite's own errors go up."""
    connection.execute("SAVEPOINT change")
    try:
        result = change(connection)
    except sqlite3.Error:
        raise
    except Exception as error:  # a refusal belongs to the one who asked, not to the others in this commit
        connection.execute("ROLLBACK TO change")
        result = error
    connection.execute("RELEASE change")
    return result


def _connect(path: Path, durability: Durability) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # works only before the first table
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {durability}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_PAGES * 4096}")
    return connection


def _create_tables(connection: sqlite3.Connection) -> None:
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_SCHEMA_VERSION}; COMMIT;")
    elif found != _SCHEMA_VERSION:
        raise UnknownSchema(f"the task hub's file has schema {found}, this version knows {_SCHEMA_VERSION}")
