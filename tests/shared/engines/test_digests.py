"""Rows and content of tables, computed by the server: equal for equal content, different for anything else."""

import pytest

from local.servers import DatabaseServer
from shared.engines.registry import engine_for, restorer_for
from shared.errors import (
    UnsupportedServer,
)
from tests.support.databases import fresh_database, run_sql
from tests.support.engines import SAMPLE, compared, dumped, login, restored


def test_the_digest_sees_one_changed_value(server: DatabaseServer) -> None:
    admin = login(server)
    restorer = restorer_for(admin.server.type)
    dump = dumped(admin, SAMPLE)

    with restored(admin, "changed", dump) as copy:
        run_sql(
            server,
            ["UPDATE customers SET name = '🚁' WHERE id = 1", "DELETE FROM twins WHERE b IS NULL"],
            database=copy,
        )
        found = compared(login(server), SAMPLE, dump, copy)

    prefix = "public." if server.family == "postgresql" else ""
    assert found == [
        f"table {prefix}customers: the number of rows is right, their content is not",
        f"table {prefix}twins: 3 rows instead of 6",
    ]
    assert restorer.digest(admin, SAMPLE).rows > 2000


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("(NULL, '')", "('', NULL)"),
        ("('a', 'bc')", "('ab', 'c')"),
        ("('N', NULL)", "(NULL, 'N')"),
        ("('1:a', '')", "('', '1:a')"),
        ("('a', 'b'), ('a', 'b')", "('b', 'a'), ('b', 'a')"),
        ("('x', 'x'), ('x', 'x')", "('y', 'y'), ('y', 'y')"),
    ],
)
def test_the_digest_tells_values_that_look_alike_when_joined(server: DatabaseServer, before: str, after: str) -> None:
    digests = []
    for values in (before, after):
        with fresh_database(server, "alike") as name:
            run_sql(
                server,
                ["CREATE TABLE t (t VARCHAR(20), b VARCHAR(20))", f"INSERT INTO t VALUES {values}"],
                database=name,
            )
            digests.append(restorer_for(login(server).server.type).digest(login(server), name).tables[0])

    assert digests[0].rows == digests[1].rows
    assert digests[0].digest != digests[1].digest


def test_the_digest_does_not_depend_on_the_order_of_rows(server: DatabaseServer) -> None:
    digests = []
    for values in ("(1), (2), (3)", "(3), (1), (2)"):
        with fresh_database(server, "ordered") as name:
            run_sql(server, ["CREATE TABLE t (a INT)", f"INSERT INTO t VALUES {values}"], database=name)
            digests.append(restorer_for(login(server).server.type).digest(login(server), name))

    assert digests[0] == digests[1]


def test_a_method_of_digest_that_is_not_known_is_refused(server: DatabaseServer) -> None:
    admin = login(server)
    restorer = restorer_for(admin.server.type)
    method = restorer.digest(admin, SAMPLE).method

    assert restorer.digest(admin, SAMPLE, method=method).method == method
    with pytest.raises(UnsupportedServer, match="crc-7"):
        restorer.digest(admin, SAMPLE, method="crc-7")


def test_neither_probe_nor_digest_changes_anything(server: DatabaseServer) -> None:
    admin = login(server)
    restorer = restorer_for(admin.server.type)
    before = restorer.digest(admin, SAMPLE)

    engine_for(admin.server.type).probe(admin, SAMPLE)
    restorer.is_empty(admin, SAMPLE)

    assert restorer.digest(admin, SAMPLE) == before
