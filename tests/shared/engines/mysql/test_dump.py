"""Dumps and restores of MariaDB that went wrong elsewhere, played on a real server."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from local.servers import DatabaseServer
from shared.engines.registry import engine_for, restorer_for
from shared.errors import (
    BackupError,
    BrokenObject,
    ConnectionLost,
    InternalError,
    PermissionDenied,
    RestoreFailed,
    SourceChanged,
)
from shared.tools import ToolProcess
from tests.support.databases import connection, fresh_database, rows, run_sql
from tests.support.engines import Dumped, checked, compared, dumped, loaded, login, read_all, restored, tools, user


@contextmanager
def halted_dump(server: DatabaseServer, database: str) -> Iterator[ToolProcess]:
    """A dump that has begun and waits, because nobody reads on."""
    mine = login(server)
    engine = engine_for(mine.server.type)
    probe = engine.probe(mine, database)
    command = engine.dump_command(mine, database, engine.choose_tool(probe.server, tools(engine.dump_tools)), probe, ())
    with ToolProcess(command.argv, command.environment) as process:
        os.read(process.stdout, 1000)
        yield process


def ending(server: DatabaseServer, database: str, process: ToolProcess) -> BackupError | None:
    """What the engine says of the dump, once it was read to its end."""
    read_all(process)
    code = process.wait()
    return engine_for(login(server).server.type).dump_error(
        code, process.log.text, server=login(server).server, database=database
    )


BIG_TABLE = (
    "CREATE TABLE a (v VARCHAR(400))",
    "INSERT INTO a SELECT REPEAT('x', 400) FROM seq_1_to_20000",
)


def test_br17_a_killed_connection_may_be_tried_again(mariadb: DatabaseServer) -> None:
    with fresh_database(mariadb) as name:
        run_sql(mariadb, BIG_TABLE, database=name)

        with halted_dump(mariadb, name) as process:
            ((pid,),) = rows(mariadb, f"SELECT id FROM information_schema.processlist WHERE db = '{name}'")
            run_sql(mariadb, [f"KILL {pid}"])
            error = ending(mariadb, name, process)

    assert isinstance(error, ConnectionLost)
    assert error.retry


@pytest.mark.parametrize("change", ["TRUNCATE b", "ALTER TABLE b FORCE"])
def test_br34_a_definition_that_changes_meanwhile_may_be_tried_again(mariadb: DatabaseServer, change: str) -> None:
    with fresh_database(mariadb) as name:
        run_sql(mariadb, [*BIG_TABLE, "CREATE TABLE b (v INT)", "INSERT INTO b VALUES (1)"], database=name)

        with halted_dump(mariadb, name) as process:
            run_sql(mariadb, [change, "INSERT INTO b VALUES (2)"], database=name)
            error = ending(mariadb, name, process)

    assert isinstance(error, SourceChanged)
    assert "`b`" in error.message


def test_br16_a_broken_view_is_named(mariadb: DatabaseServer) -> None:
    with fresh_database(mariadb) as name:
        run_sql(
            mariadb,
            [
                "CREATE TABLE aaa (a INT)",
                "CREATE TABLE gone (a INT)",
                "CREATE TABLE zzz (a INT)",
                "CREATE VIEW mid AS SELECT a FROM gone",
                "DROP TABLE gone",
            ],
            database=name,
        )

        with pytest.raises(BrokenObject, match="mid"):
            dumped(login(mariadb), name)


def test_a_routine_whose_body_may_not_be_seen_is_a_matter_of_permission(mariadb: DatabaseServer) -> None:
    with fresh_database(mariadb) as name:
        run_sql(mariadb, ["CREATE PROCEDURE secret() SELECT 1"], database=name)
        grants = [f"GRANT SELECT, EXECUTE, TRIGGER, EVENT, LOCK TABLES, SHOW VIEW ON `{name}`.*"]
        with user(mariadb, "limited", "pw", grants), pytest.raises(PermissionDenied, match="secret"):
            dumped(login(mariadb, user="limited", password="pw"), name)


def test_br19_a_restore_by_a_plain_user_stops_at_the_definer(mariadb: DatabaseServer) -> None:
    with fresh_database(mariadb) as source, fresh_database(mariadb) as target:
        run_sql(
            mariadb,
            ["CREATE TABLE a (v INT)", "CREATE VIEW b AS SELECT v FROM a", "CREATE TABLE zlast (v INT)"],
            database=source,
        )
        dump = dumped(login(mariadb), source)
        with user(mariadb, "plain", "pw", [f"GRANT ALL PRIVILEGES ON `{target}`.*"]):
            error = loaded(login(mariadb, user="plain", password="pw"), target, dump)

    assert isinstance(error, RestoreFailed)
    assert "DEFINER" in error.message
    assert "in part only" in error.message


def test_a_statement_that_fails_fails_the_restore(mariadb: DatabaseServer) -> None:
    with fresh_database(mariadb) as source, fresh_database(mariadb) as target:
        run_sql(mariadb, ["CREATE TABLE a (v INT)"], database=source)
        dump = dumped(login(mariadb), source)

        error = loaded(login(mariadb), target, Dumped(dump.data + b"NONSENSE;\n", dump.probe, dump.tool))

    assert isinstance(error, RestoreFailed)
    assert "1064" in error.message


def test_br28_twice_encoded_text_stays_as_it_is(mariadb: DatabaseServer) -> None:
    with fresh_database(mariadb) as name:
        run_sql(
            mariadb,
            ["CREATE TABLE t (a VARCHAR(40) CHARACTER SET utf8mb4, b VARCHAR(40) CHARACTER SET latin1)"],
            database=name,
        )
        with connection(mariadb, name) as opened, opened.cursor() as cursor:
            cursor.execute("SET NAMES latin1")
            cursor.execute("INSERT INTO t VALUES ('ñ漢🚀é', 'ñé')".encode())
        statement = "SELECT HEX(a), HEX(b) FROM t"
        before = rows(mariadb, statement, database=name)
        dump = dumped(login(mariadb), name)

        with restored(login(mariadb), "twice", dump) as copy:
            assert rows(mariadb, statement, database=copy) == before
            assert compared(login(mariadb), name, dump, copy) == []
    assert before[0][0].startswith("C383C2B1")


def test_br29_zero_dates_come_back(mariadb: DatabaseServer) -> None:
    with fresh_database(mariadb) as name:
        run_sql(
            mariadb,
            [
                "SET SESSION sql_mode = ''",
                "CREATE TABLE t (d DATE NOT NULL DEFAULT '0000-00-00')",
                "INSERT INTO t VALUES ('0000-00-00'), ('2024-00-00')",
            ],
            database=name,
        )
        with restored(login(mariadb), "zero", dumped(login(mariadb), name)) as copy:
            found = rows(mariadb, "SELECT CAST(d AS CHAR) FROM t ORDER BY d", database=copy)

    assert found == [("0000-00-00",), ("2024-00-00",)]


def test_br30_binary_columns_come_back_byte_by_byte(mariadb: DatabaseServer) -> None:
    with fresh_database(mariadb) as name:
        run_sql(
            mariadb,
            [
                "CREATE TABLE t (k BINARY(16) PRIMARY KEY, v VARBINARY(300), b BLOB, f BIT(5))",
                "INSERT INTO t VALUES (UNHEX(REPEAT('00FF', 8)), X'FFFE8027005C0A0D1A',"
                " UNHEX('000102030405060708090A0B0C0D0E0F'), b'10101')",
            ],
            database=name,
        )
        statement = "SELECT HEX(k), HEX(v), HEX(b), HEX(f) FROM t"
        before = rows(mariadb, statement, database=name)
        with restored(login(mariadb), "binary", dumped(login(mariadb), name)) as copy:
            assert rows(mariadb, statement, database=copy) == before


def test_br36_long_escaped_text_comes_back(mariadb: DatabaseServer) -> None:
    with fresh_database(mariadb) as name:
        text = """'{"a":"\\\\"\\\\\\\\\\'\\n\\r\\t'"""
        run_sql(
            mariadb,
            [
                "CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT)",
                f"INSERT INTO t SELECT seq, CONCAT(REPEAT('y', seq), REPEAT({text}, 2000)) FROM seq_1_to_100",
            ],
            database=name,
        )
        statement = "SELECT id, LENGTH(v), MD5(v) FROM t ORDER BY id"
        before = rows(mariadb, statement, database=name)
        with restored(login(mariadb), "escaped", dumped(login(mariadb), name)) as copy:
            assert rows(mariadb, statement, database=copy) == before
    assert before[0][1] > 20_000


def test_rows_longer_than_the_servers_packet_are_compared_too(mariadb: DatabaseServer) -> None:
    with fresh_database(mariadb) as name:
        long = "REPEAT('x', 9000000)"
        run_sql(
            mariadb,
            [
                "CREATE TABLE t (id INT, a LONGTEXT, b LONGBLOB, c JSON, d MEDIUMTEXT, e LONGTEXT, f LONGTEXT,"
                " g LONGTEXT, h LONGTEXT)",
                f"INSERT INTO t SELECT 1, {long}, {long}, JSON_QUOTE({long}), {long}, {long}, {long}, {long}, {long}",
            ],
            database=name,
        )
        digest = restorer_for(login(mariadb).server.type).digest(login(mariadb), name)

    assert digest.tables[0].rows == 1
    assert digest.tables[0].digest != "0"


def test_rows_that_the_server_cannot_hash_are_no_silent_success(mariadb: DatabaseServer) -> None:
    with fresh_database(mariadb) as name:
        wide = "VARCHAR(20000) CHARACTER SET ascii"
        run_sql(
            mariadb,
            [f"CREATE TABLE t (a {wide}, b {wide})", "INSERT INTO t VALUES (REPEAT('a', 20000), REPEAT('b', 20000))"],
            database=name,
        )
        ((before,),) = rows(mariadb, "SELECT @@GLOBAL.max_allowed_packet")
        run_sql(mariadb, ["SET GLOBAL max_allowed_packet = 16384"])
        try:
            with pytest.raises(InternalError, match="1 rows of table 't' are too long"):
                restorer_for(login(mariadb).server.type).digest(login(mariadb), name)
        finally:
            run_sql(mariadb, [f"SET GLOBAL max_allowed_packet = {before}"])


def test_the_history_of_versioned_tables_stays_away_and_is_a_warning(mariadb: DatabaseServer) -> None:
    with fresh_database(mariadb) as name:
        run_sql(
            mariadb,
            [
                "CREATE TABLE hidden (a INT) WITH SYSTEM VERSIONING",
                "CREATE TABLE shown (a INT, since TIMESTAMP(6) GENERATED ALWAYS AS ROW START,"
                " until TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (since, until))"
                " WITH SYSTEM VERSIONING",
                "INSERT INTO hidden VALUES (1), (2)",
                "INSERT INTO shown (a) VALUES (1), (2)",
                "UPDATE hidden SET a = a + 5",
                "UPDATE shown SET a = a + 5",
            ],
            database=name,
        )
        dump = dumped(login(mariadb), name)

        checked(login(mariadb), dump)
        with restored(login(mariadb), "versioned", dump) as copy:
            assert compared(login(mariadb), name, dump, copy) == []
    assert any("history: hidden, shown." in warning for warning in dump.probe.warnings)
