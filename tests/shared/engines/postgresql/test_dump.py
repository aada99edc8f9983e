"""Dumps and restores of PostgreSQL that went wrong elsewhere, played on real servers."""

import os

import pytest

from local.servers import DatabaseServer
from shared.engines.comparison import differences
from shared.engines.registry import engine_for, restorer_for
from shared.errors import ClientTooOld, ConnectionLost, DatabaseLocked, PermissionDenied, RestoreFailed
from shared.tools import ToolProcess
from tests.support.databases import connection, fresh_database, rows, run_sql
from tests.support.engines import SAMPLE, Dumped, compared, dumped, loaded, login, read_all, restored, run, tools, user


def test_br39_the_old_clients_own_refusal_is_understood(postgresql_17: DatabaseServer) -> None:
    mine = login(postgresql_17)
    engine = engine_for(mine.server.type)
    old = min(tools(["pg_dump"]), key=lambda tool: tool.version_number)
    ended = run(engine.dump_command(mine, SAMPLE, old, engine.probe(mine, SAMPLE), ()), mine)

    assert ended.output == b""
    assert isinstance(
        engine.dump_error(ended.exit_code, ended.stderr, server=mine.server, database=SAMPLE), ClientTooOld
    )


def test_br17_a_terminated_session_may_be_tried_again(postgresql: DatabaseServer) -> None:
    mine = login(postgresql)
    engine = engine_for(mine.server.type)
    with fresh_database(postgresql) as name:
        run_sql(
            postgresql,
            ["CREATE TABLE a AS SELECT repeat('x', 400) AS v FROM generate_series(1, 30000)"],
            database=name,
        )
        probe = engine.probe(mine, name)
        command = engine.dump_command(mine, name, engine.choose_tool(probe.server, tools(engine.dump_tools)), probe, ())

        with ToolProcess(command.argv, command.environment) as process:
            os.read(process.stdout, 1000)
            run_sql(postgresql, [f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"])
            read_all(process)
            error = engine.dump_error(process.wait(), process.log.text, server=mine.server, database=name)

    assert isinstance(error, ConnectionLost)
    assert error.retry


def test_br50_a_locked_table_ends_probe_and_dump_in_time(postgresql: DatabaseServer) -> None:
    mine = login(postgresql)
    engine = engine_for(mine.server.type)
    with fresh_database(postgresql) as name:
        run_sql(postgresql, ["CREATE TABLE held (a int)"], database=name)
        probe = engine.probe(mine, name)
        tool = engine.choose_tool(probe.server, tools(engine.dump_tools))
        with connection(postgresql, name) as holder, holder.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("LOCK TABLE held IN ACCESS EXCLUSIVE MODE")

            with pytest.raises(DatabaseLocked):
                engine.probe(mine, name, timeout_seconds=1)
            ended = run(engine.dump_command(mine, name, tool, probe, ["--lock-wait-timeout=300"]), mine)
    error = engine.dump_error(ended.exit_code, ended.stderr, server=mine.server, database=name)

    assert isinstance(error, DatabaseLocked)
    assert error.retry


def test_br53_a_large_object_of_somebody_else_is_a_matter_of_permission(postgresql: DatabaseServer) -> None:
    with fresh_database(postgresql) as name, user(postgresql, "reader", "pw", ["GRANT pg_read_all_data"]):
        run_sql(postgresql, ["SELECT lo_from_bytea(0, 'x')"], database=name)

        with pytest.raises(PermissionDenied, match="large object"):
            dumped(login(postgresql, user="reader", password="pw"), name)


def test_br43_large_objects_come_back_byte_by_byte(postgresql: DatabaseServer) -> None:
    statement = "SELECT md5(lo_get(body)) FROM documents ORDER BY id"
    before = rows(postgresql, statement, database=SAMPLE)

    with restored(login(postgresql), "objects", dumped(login(postgresql), SAMPLE)) as copy:
        assert rows(postgresql, statement, database=copy) == before


def test_br44_sequences_go_on_after_the_last_number(postgresql: DatabaseServer) -> None:
    with restored(login(postgresql), "sequences", dumped(login(postgresql), SAMPLE)) as copy:
        ((following, greatest),) = rows(
            postgresql,
            'SELECT nextval(\'"Sales Dept".orders_id_seq\'), max(id) FROM "Sales Dept".orders',
            database=copy,
        )

    assert following > greatest


def test_r192_the_data_of_an_excluded_table_stay_away(postgresql: DatabaseServer) -> None:
    dump = dumped(login(postgresql), SAMPLE, options=["--exclude-table-data=twins"])

    with restored(login(postgresql), "excluded", dump) as copy:
        found = compared(login(postgresql), SAMPLE, dump, copy)

    assert found == ["table public.twins: 0 rows instead of 6"]


def test_a_dump_of_an_older_server_restores_into_a_newer_one_and_compares_equal(
    postgresql: DatabaseServer, postgresql_17: DatabaseServer
) -> None:
    dump = dumped(login(postgresql), SAMPLE)
    engine, restorer = engine_for(login(postgresql).server.type), restorer_for(login(postgresql).server.type)

    with restored(login(postgresql_17), "upgraded", dump) as copy:
        found = differences(
            dump.probe,
            restorer.digest(login(postgresql), SAMPLE),
            engine.probe(login(postgresql_17), copy),
            restorer.digest(login(postgresql_17), copy),
        )

    assert found == []


def test_br45_owners_that_do_not_exist_cost_a_scratch_restore_nothing(postgresql: DatabaseServer) -> None:
    with fresh_database(postgresql) as source, fresh_database(postgresql) as target:
        with user(postgresql, "owner who leaves", "pw", []):
            run_sql(
                postgresql,
                [
                    "CREATE TABLE a (v int)",
                    'ALTER TABLE a OWNER TO "owner who leaves"',
                    "CREATE TABLE b (v int)",
                    'GRANT SELECT ON b TO "owner who leaves"',
                ],
                database=source,
            )
            dump = dumped(login(postgresql), source)
            run_sql(postgresql, ['DROP OWNED BY "owner who leaves"'], database=source)

        refused = loaded(login(postgresql), target, dump, scratch=False)
        tables_after_refusal = rows(
            postgresql, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", database=target
        )
        accepted = loaded(login(postgresql), target, dump, scratch=True)

    assert isinstance(refused, RestoreFailed)
    assert 'role "owner who leaves" does not exist' in refused.message
    assert tables_after_refusal == [(0,)]
    assert accepted is None


def test_br54_a_second_restore_changes_nothing(postgresql: DatabaseServer) -> None:
    with fresh_database(postgresql) as source, fresh_database(postgresql) as target:
        run_sql(
            postgresql,
            ["CREATE TABLE log (i int)", "INSERT INTO log VALUES (1), (2)", "CREATE TABLE pk (i int PRIMARY KEY)"],
            database=source,
        )
        dump = dumped(login(postgresql), source)

        first = loaded(login(postgresql), target, dump)
        second = loaded(login(postgresql), target, dump)

        assert first is None
        assert isinstance(second, RestoreFailed)
        assert "1 error" in second.message
        assert rows(postgresql, "SELECT count(*) FROM log", database=target) == [(2,)]


def test_a_restore_that_says_nothing_is_reported_all_the_same(postgresql: DatabaseServer) -> None:
    error = restorer_for(login(postgresql).server.type).restore_error(
        1, "", server=login(postgresql).server, database="x"
    )

    assert isinstance(error, RestoreFailed)


def test_a_database_with_a_type_alone_is_not_empty(postgresql: DatabaseServer) -> None:
    restorer = restorer_for(login(postgresql).server.type)
    with fresh_database(postgresql) as name:
        assert restorer.is_empty(login(postgresql), name)
        run_sql(postgresql, ["CREATE TYPE kind AS ENUM ('a')"], database=name)

        assert not restorer.is_empty(login(postgresql), name)


def test_a_changed_large_object_and_a_moved_sequence_are_seen(postgresql: DatabaseServer) -> None:
    dump = dumped(login(postgresql), SAMPLE)

    with restored(login(postgresql), "touched", dump) as copy:
        run_sql(
            postgresql,
            ["SELECT lo_put(body, 0, 'X') FROM documents WHERE id = 1", "SELECT nextval('ticket')"],
            database=copy,
        )
        found = compared(login(postgresql), SAMPLE, dump, copy)

    assert found == [
        "sequence public.ticket: at 115 instead of 110",
        "large objects: the number is right, their content is not",
    ]


def test_a_column_named_like_the_row_does_not_mislead_the_digest(postgresql: DatabaseServer) -> None:
    digests = []
    for value in ("one", "two"):
        with fresh_database(postgresql) as name:
            run_sql(
                postgresql,
                ['CREATE TABLE t ("the whole row" int, v text)', f"INSERT INTO t VALUES (1, '{value}')"],
                database=name,
            )
            digests.append(restorer_for(login(postgresql).server.type).digest(login(postgresql), name))

    assert digests[0] != digests[1]


def test_dumps_without_a_password_prompt_end_at_once(postgresql: DatabaseServer) -> None:
    mine = login(postgresql, password="")
    engine = engine_for(mine.server.type)
    probe = engine.probe(login(postgresql), SAMPLE)
    tool = engine.choose_tool(probe.server, tools(engine.dump_tools))

    ended = run(engine.dump_command(mine, SAMPLE, tool, probe, ()), mine)
    error = engine.dump_error(ended.exit_code, ended.stderr, server=mine.server, database=SAMPLE)

    assert error is not None
    assert error.code == "invalid_credentials"
    assert Dumped(ended.output, probe, tool).data == b""
