"""Writes share commits, a refused one takes nobody with it, and a broken disk is told to everyone who waits."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from local.taskhub.database import Database, UnknownSchema


class Refused(Exception):
    pass


def opened(path: Path, on_commit: Callable[[], None] = lambda: None) -> Database:
    return Database(path / "hub", "NORMAL", on_commit)


def store(name: str, value: str = "x") -> Callable[[sqlite3.Connection], str]:
    def change(connection: sqlite3.Connection) -> str:
        connection.execute("INSERT INTO settings VALUES (?, ?)", (name, value))
        return name

    return change


def names(database: Database) -> list[str]:
    with database.snapshot() as connection:
        return [name for (name,) in connection.execute("SELECT name FROM settings ORDER BY name")]


async def test_writes_that_come_together_share_a_commit(tmp_path: Path) -> None:
    commits: list[int] = []
    database = opened(tmp_path, lambda: commits.append(1))
    results = await asyncio.gather(*(database.write(store(f"{number:03}")) for number in range(100)))
    stored = names(database)
    await database.close()

    assert results == stored
    assert len(commits) < 5


async def test_a_refused_write_leaves_nothing_and_the_others_stay(tmp_path: Path) -> None:
    def refuse(connection: sqlite3.Connection) -> None:
        store("half")(connection)
        raise Refused

    database = opened(tmp_path)
    results = await asyncio.gather(
        database.write(store("before")), database.write(refuse), database.write(store("after")), return_exceptions=True
    )
    stored = names(database)
    await database.close()

    assert isinstance(results[1], Refused)
    assert stored == ["after", "before"]


async def test_an_error_of_sqlite_reaches_all_of_its_commit_and_the_next_one_works(tmp_path: Path) -> None:
    database = opened(tmp_path)
    results = await asyncio.gather(database.write(store("one")), database.write(store("one")), return_exceptions=True)
    await database.write(store("two"))
    stored = names(database)
    await database.close()

    assert [type(result) for result in results] == [sqlite3.IntegrityError] * 2
    assert stored == ["two"]


async def test_a_full_disk_is_told_and_what_was_written_before_stays(tmp_path: Path) -> None:
    database = opened(tmp_path)
    await database.write(store("before"))
    await database.write(lambda connection: connection.execute("PRAGMA max_page_count = 40"))
    with pytest.raises(sqlite3.OperationalError, match="full"):
        await database.write(store("large", "x" * 1_000_000))
    await database.write(store("small"))
    stored = names(database)
    await database.close()

    assert stored == ["before", "small"]


async def test_a_write_whose_caller_gave_up_is_still_made(tmp_path: Path) -> None:
    database = opened(tmp_path)
    caller = asyncio.create_task(database.write(store("one")))
    await asyncio.sleep(0)
    caller.cancel()
    await database.close()
    database = opened(tmp_path)
    stored = names(database)
    await database.close()

    assert stored == ["one"]


async def test_a_snapshot_does_not_see_what_is_committed_after_its_first_read(tmp_path: Path) -> None:
    database = opened(tmp_path)
    with database.snapshot() as connection:
        before = connection.execute("SELECT COUNT(*) FROM settings").fetchone()
        await database.write(store("one"))
        after = connection.execute("SELECT COUNT(*) FROM settings").fetchone()
    await database.close()

    assert before == after == (0,)


async def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    file = sqlite3.connect(tmp_path / "hub")
    file.execute("PRAGMA user_version = 99")
    file.close()

    with pytest.raises(UnknownSchema, match="has schema 99, this version knows 1"):
        opened(tmp_path)


async def test_full_durability_waits_for_the_disk(tmp_path: Path) -> None:
    database = Database(tmp_path / "hub", "FULL", lambda: None)
    synchronous = await database.write(lambda connection: connection.execute("PRAGMA synchronous").fetchone())
    await database.close()

    assert synchronous == (2,)
