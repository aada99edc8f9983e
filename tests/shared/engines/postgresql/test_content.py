import os
import signal
import threading
from contextlib import closing
from pathlib import Path

import pytest

from local.servers import DatabaseServer
from shared.engines.postgresql.content import ArchiveCheck
from shared.errors import BackupCorrupted, ToolKilled, ToolMissing
from shared.models.inventory import ObjectName
from shared.models.run import Tool
from shared.settings import settings
from tests.support.databases import fresh_database, run_sql
from tests.support.engines import SAMPLE, Dumped, checked, dumped, login


@pytest.fixture(scope="module")
def dump(postgresql: DatabaseServer) -> Dumped:
    return dumped(login(postgresql), SAMPLE)


def with_data(dump: Dumped, data: bytes) -> Dumped:
    return Dumped(data, dump.probe, dump.tool)


def test_an_archive_of_every_kind_of_table_is_whole(postgresql: DatabaseServer) -> None:
    with fresh_database(postgresql) as name:
        run_sql(
            postgresql,
            [
                "CREATE TYPE kind AS (a int)",
                "CREATE TABLE typed OF kind",
                'CREATE UNLOGGED TABLE "Un LOGGED" ()',
                "CREATE TABLE parted (a int) PARTITION BY LIST (a)",
                "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1)",
                "CREATE FOREIGN DATA WRAPPER nothing",
                "CREATE SERVER far FOREIGN DATA WRAPPER nothing",
                'CREATE FOREIGN TABLE "fo""reign" (a int) SERVER far',
            ],
            database=name,
        )
        made = dumped(login(postgresql), name)

    assert checked(login(postgresql), made).endswith("replayed whole by pg_restore; 5 tables")


def test_a_name_that_begins_like_another_is_another(postgresql: DatabaseServer, dump: Dumped) -> None:
    tables = (*dump.probe.inventory.tables, ObjectName(schema_name="public", name="customer"))
    inventory = dump.probe.inventory.model_copy(update={"tables": tables})
    probe = dump.probe.model_copy(update={"inventory": inventory})

    with pytest.raises(BackupCorrupted, match=r"lacks 1 tables: public\.customer\."):
        checked(login(postgresql), Dumped(dump.data, probe, dump.tool))


@pytest.mark.parametrize("cut", [1, 2, 5, 17, 60])
def test_a_missing_tail_is_found(postgresql: DatabaseServer, dump: Dumped, cut: int) -> None:
    with pytest.raises(BackupCorrupted, match="cannot be replayed"):
        checked(login(postgresql), with_data(dump, dump.data[:-cut]))


def test_a_table_of_contents_without_its_data_is_found(postgresql: DatabaseServer, dump: Dumped) -> None:
    contents = dump.data.index(b"Rocket") - 200

    with pytest.raises(BackupCorrupted, match="cannot be replayed"):
        checked(login(postgresql), with_data(dump, dump.data[:contents]))


def test_garbage_in_the_middle_is_found(postgresql: DatabaseServer, dump: Dumped) -> None:
    middle = dump.data.index(b"Rocket") - 50

    with pytest.raises(BackupCorrupted, match="pg_restore ended with code 1"):
        checked(login(postgresql), with_data(dump, dump.data[:middle] + b"\xff" * 4096 + dump.data[middle:]))


def test_what_follows_an_archive_is_found(postgresql: DatabaseServer, dump: Dumped) -> None:
    with pytest.raises(BackupCorrupted, match="Something follows"):
        checked(login(postgresql), with_data(dump, dump.data + b"more" * 1024 * 1024))


def test_a_newer_archive_than_pg_restore_can_read_is_no_success(
    postgresql_17: DatabaseServer, postgresql: DatabaseServer, dump: Dumped
) -> None:
    newer = dumped(login(postgresql_17), SAMPLE)

    with pytest.raises(BackupCorrupted, match="unsupported version"):
        checked(login(postgresql), with_data(dump, newer.data))


def test_without_a_known_tool_the_newest_one_checks(postgresql_17: DatabaseServer, dump: Dumped) -> None:
    with closing(ArchiveCheck(dump.probe, None)) as check:
        check.feed(dump.data)
        assert "replayed whole" in check.finish()


def test_a_tool_without_its_pg_restore_is_helped_out(dump: Dumped, tmp_path: Path) -> None:
    lonely = Tool(path=str(tmp_path / "pg_dump"), vendor="postgresql", version="15.1", version_number=(15, 1))

    with closing(ArchiveCheck(dump.probe, lonely)) as check:
        check.feed(dump.data)
        check.finish()


def test_a_machine_without_pg_restore_is_named(dump: Dumped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("shared.tools.installed.POSTGRESQL_FOLDERS", str(tmp_path))
    settings.cache_clear()

    with pytest.raises(ToolMissing, match="pg_restore is not on this machine"):
        ArchiveCheck(dump.probe, None)


def test_a_killed_pg_restore_says_nothing_about_the_backup(dump: Dumped) -> None:
    with closing(ArchiveCheck(dump.probe, dump.tool)) as check:
        check.feed(dump.data[:10_000])
        os.kill(check._replay._process.pid, signal.SIGKILL)

        with pytest.raises(ToolKilled):
            check.feed(dump.data * 20)
            check.finish()


def test_another_thread_may_close_a_check_that_is_being_fed(dump: Dumped) -> None:
    check = ArchiveCheck(dump.probe, dump.tool)
    os.kill(check._replay._process.pid, signal.SIGSTOP)
    closer = threading.Timer(0.3, check.close)
    closer.start()

    with pytest.raises((ToolKilled, OSError, ValueError)):
        for _ in range(100):
            check.feed(dump.data)
        check.finish()
    closer.join()


def test_no_process_is_left(dump: Dumped) -> None:
    check = ArchiveCheck(dump.probe, dump.tool)
    pids = [reader._process.pid for reader in (check._replay, check._contents)]

    check.close()

    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
