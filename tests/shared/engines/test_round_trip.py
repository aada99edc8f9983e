"""A dump of every kind of database is whole, loads, and is the same as its source, on each server."""

import os

import pytest

from local.servers import DatabaseServer
from shared.engines.registry import engine_for, restorer_for
from shared.tools import ToolProcess
from tests.support.databases import connection, fresh_database, rows, run_sql
from tests.support.engines import (
    SAMPLE,
    Dumped,
    checked,
    compared,
    dumped,
    loaded,
    login,
    read_all,
    restored,
    tools,
    user,
)
from tests.support.samples import EMOJI

AWKWARD_NAMES = (
    "my-db", "order", "two words", "tick`x", 'quo"te', "ünï", "100%", "a.b", "CaseDb", "a=b", "it's \\ x",
    "postgres://x", "-x",
)  # fmt: skip


AWKWARD_PASSWORDS = (
    "p@ss:w/rd%40#?", "quo'te\"d", "back\\slash\\n", " lead and trail ", "#hash", "$HOME`id`", "ñ漢🔑",
    "ta\tb", "end\\",
)  # fmt: skip


TABLES = {
    "mysql": (
        'CREATE TABLE `select` (`from` INT PRIMARY KEY, `a b` VARCHAR(9), `q"` VARCHAR(9))',
        "INSERT INTO `select` VALUES (1, '🚀', 'b')",
        "CREATE TABLE `t'x;drop` (id INT)",
        "INSERT INTO `t'x;drop` VALUES (1), (1)",
    ),
    "postgresql": (
        'CREATE TABLE "select" ("from" int PRIMARY KEY, "a b" text, "q""" text)',
        "INSERT INTO \"select\" VALUES (1, '🚀', 'b')",
        'CREATE TABLE "t\'x;drop" (id int)',
        'INSERT INTO "t\'x;drop" VALUES (1), (1)',
    ),
}


def test_a_restored_sample_is_the_same_as_its_source(every_server: DatabaseServer) -> None:
    dump = dumped(login(every_server), SAMPLE)

    checked(login(every_server), dump)
    with restored(login(every_server), "sample copy", dump) as copy:
        assert compared(login(every_server), SAMPLE, dump, copy) == []


def test_br27_emojis_come_back_byte_by_byte(server: DatabaseServer) -> None:
    name = "HEX(name)" if server.family == "mysql" else "upper(encode(convert_to(name, 'UTF8'), 'hex'))"
    statement = f"SELECT {name} FROM customers WHERE id = 1"

    with restored(login(server), "emojis", dumped(login(server), SAMPLE)) as copy:
        ((text,),) = rows(server, statement, database=copy)

    # MySQL reads two backslashes in a literal as one.
    expected = EMOJI.replace("\\\\", "\\") if server.family == "mysql" else EMOJI
    assert bytes.fromhex(str(text)).decode() == expected


@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_br13_databases_of_awkward_names_are_dumped_and_restored(server: DatabaseServer, name: str) -> None:
    engine_for(login(server).server.type).check_database_name(name)
    with fresh_database(server, name):
        run_sql(server, TABLES[server.family], database=name)
        dump = dumped(login(server), name)

        checked(login(server), dump)
        with restored(login(server), f"{name} copy", dump) as copy:
            assert compared(login(server), name, dump, copy) == []


def test_br13_names_that_differ_in_letter_case_are_two_databases(server: DatabaseServer) -> None:
    with fresh_database(server, "CaseDb") as upper, fresh_database(server, "casedb") as lower:
        run_sql(server, TABLES[server.family], database=upper)

        probe = engine_for(login(server).server.type).probe(login(server), lower)

        assert probe.inventory.tables == ()


@pytest.mark.parametrize("password", AWKWARD_PASSWORDS)
def test_br09_every_password_works_in_probe_dump_and_restore(server: DatabaseServer, password: str) -> None:
    grants = ["GRANT ALL PRIVILEGES ON *.*"] if server.family == "mysql" else ["GRANT pg_read_all_data"]
    with user(server, "odd password", password, grants), fresh_database(server) as name:
        mine = login(server, user="odd password", password=password)
        if server.family == "postgresql":
            run_sql(server, [f'ALTER DATABASE {name} OWNER TO "odd password"'])

        dump = dumped(mine, name)

        assert loaded(mine, name, dump) is None


def test_br08_the_password_is_in_no_argument_and_no_text(server: DatabaseServer) -> None:
    canary = "S3cr3t-canary-77"
    secret = login(server, password=canary)
    engine, restorer = engine_for(secret.server.type), restorer_for(secret.server.type)
    probe = engine.probe(login(server), SAMPLE)
    tool = engine.choose_tool(probe.server, tools(engine.dump_tools))
    commands = [
        engine.dump_command(secret, SAMPLE, tool, probe, ()),
        restorer.restore_command(secret, SAMPLE, tool, scratch=True),
    ]

    for command in commands:
        assert canary not in repr(command)
        assert canary not in repr(secret)
        assert canary in command.environment.values()
        assert all(canary not in argument for argument in command.argv)


def test_a_dump_is_consistent_while_a_writer_is_active(server: DatabaseServer) -> None:
    """BR-35: a writer moves 1 between two tables in transactions; the total is constant in every dump."""
    with fresh_database(server, "moving") as name:
        engine = "ENGINE=InnoDB" if server.family == "mysql" else ""
        filler = "seq_1_to_20000" if server.family == "mysql" else "generate_series(1, 20000)"
        run_sql(
            server,
            [
                f"CREATE TABLE a (n INT) {engine}",
                f"CREATE TABLE filler (v VARCHAR(400)) {engine}",
                f"INSERT INTO filler SELECT REPEAT('x', 400) FROM {filler}",
                f"CREATE TABLE z (n INT) {engine}",
                "INSERT INTO a VALUES (1000)",
                "INSERT INTO z VALUES (1000)",
            ],
            database=name,
        )
        admin = login(server)
        product = engine_for(admin.server.type)
        probe = product.probe(admin, name)
        tool = product.choose_tool(probe.server, tools(product.dump_tools))
        command = product.dump_command(admin, name, tool, probe, ())

        with ToolProcess(command.argv, command.environment) as process, connection(server, name) as writer:
            data = os.read(process.stdout, 1000)
            # The tool has begun and waits, because nobody reads: the snapshot is older than these.
            with writer.cursor() as cursor:
                for _ in range(5):
                    cursor.execute("BEGIN")
                    cursor.execute("UPDATE a SET n = n - 1")
                    cursor.execute("UPDATE z SET n = n + 1")
                    cursor.execute("COMMIT")
            data += read_all(process)
            assert process.wait() == 0

        with restored(admin, "moved", Dumped(data, probe, tool)) as copy:
            assert rows(server, "SELECT (SELECT n FROM a) + (SELECT n FROM z)", database=copy) == [(2000,)]
