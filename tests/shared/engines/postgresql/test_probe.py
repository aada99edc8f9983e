from typing import Any, cast

import pytest

from local.servers import DatabaseServer
from shared.engines.postgresql.connection import Session
from shared.engines.postgresql.probe import _facts
from shared.engines.registry import engine_for
from shared.errors import PermissionDenied, UnsupportedServer
from shared.models.inventory import ObjectName, Probe
from tests.support.databases import drop_database, fresh_database, run_sql
from tests.support.engines import SAMPLE, dumped, login, user


def probe(server: DatabaseServer, database: str, *, name: str | None = None) -> Probe:
    mine = login(server, user=name, password="pw" if name else None)
    return engine_for(mine.server.type).probe(mine, database)


def names(objects: tuple[ObjectName, ...]) -> list[str]:
    return [found.text for found in objects]


def test_the_inventory_of_the_sample_is_whole(postgresql: DatabaseServer) -> None:
    inventory = probe(postgresql, SAMPLE).inventory

    assert inventory.schemas == ("Sales Dept",)
    assert names(inventory.tables) == [
        "Sales Dept.orders",
        "public.child",
        "public.customers",
        "public.documents",
        "public.dropped_column",
        "public.empty_table",
        "public.guarded",
        "public.no_columns",
        "public.parent",
        "public.parted",
        "public.parted_old",
        "public.parted_rest",
        'public.quo"te ti`ck ünï 100% a.b',
        "public.select",
        "public.t'x;drop",
        "public.twins",
        "public.unlogged_table",
    ]
    assert names(inventory.views) == ["public.big_orders", "public.order_totals"]
    assert names(inventory.routines) == [
        "public.close_orders(IN last bigint)",
        "public.shout()",
        "public.with_tax(amount numeric)",
        "public.with_tax(amount numeric, rate numeric)",
    ]
    assert names(inventory.triggers) == ["public.twins.shouted"]
    assert names(inventory.sequences) == [
        "Sales Dept.orders_id_seq",
        "public.customers_id_seq",
        "public.never_called",
        "public.ticket",
    ]
    assert inventory.large_objects == 2


def test_two_major_versions_tell_the_same_inventory(postgresql: DatabaseServer, postgresql_17: DatabaseServer) -> None:
    assert probe(postgresql, SAMPLE).inventory == probe(postgresql_17, SAMPLE).inventory


def test_the_facts_say_who_answers(postgresql_17: DatabaseServer) -> None:
    found = probe(postgresql_17, SAMPLE)

    assert found.server.vendor == "postgresql"
    assert found.server.version_number == (17, 10)
    assert found.server.version == "17.10"
    assert found.server.character_set == "UTF8"
    assert found.server.collation == "C.UTF-8"
    assert not found.server.encrypted
    assert found.size_bytes > 100_000
    assert found.warnings == ()


def test_event_triggers_and_objects_of_extensions_are_told_apart(postgresql: DatabaseServer) -> None:
    with fresh_database(postgresql) as name:
        run_sql(
            postgresql,
            [
                "CREATE SCHEMA ext",
                "CREATE EXTENSION citext SCHEMA ext",
                "CREATE FUNCTION noticed() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
                "CREATE EVENT TRIGGER watcher ON sql_drop EXECUTE FUNCTION noticed()",
            ],
            database=name,
        )

        inventory = probe(postgresql, name).inventory

    assert names(inventory.routines) == ["public.noticed()"]
    assert names(inventory.events) == ["watcher"]
    assert inventory.schemas == ("ext",)


def test_temporary_and_foreign_tables(postgresql: DatabaseServer) -> None:
    with fresh_database(postgresql) as name:
        run_sql(
            postgresql,
            [
                "CREATE TEMPORARY TABLE passing (a int)",
                "CREATE FOREIGN DATA WRAPPER nothing",
                "CREATE SERVER far FOREIGN DATA WRAPPER nothing",
                "CREATE FOREIGN TABLE distant (a int) SERVER far",
            ],
            database=name,
        )

        dump = dumped(login(postgresql), name)

    assert names(dump.probe.inventory.tables) == ["public.distant"]


def test_r191_a_database_in_sql_ascii_is_a_warning(postgresql: DatabaseServer) -> None:
    run_sql(postgresql, ["CREATE DATABASE plain TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"])
    try:
        (warning,) = probe(postgresql, "plain").warnings
    finally:
        drop_database(postgresql, "plain")

    assert "SQL_ASCII" in warning


def test_br42_row_level_security_that_would_hide_rows_is_refused(postgresql: DatabaseServer) -> None:
    with user(postgresql, "guarded_reader", "pw", ["GRANT pg_read_all_data"]):
        with pytest.raises(PermissionDenied, match=r"BYPASSRLS(.|\n)*public\.guarded"):
            probe(postgresql, SAMPLE, name="guarded_reader")
        run_sql(postgresql, ["ALTER ROLE guarded_reader BYPASSRLS"])

        assert probe(postgresql, SAMPLE, name="guarded_reader").warnings == ()


def test_br53_tables_and_sequences_that_may_not_be_read_are_all_named(postgresql: DatabaseServer) -> None:
    with fresh_database(postgresql) as name:
        run_sql(
            postgresql,
            [
                "CREATE TABLE a (id serial)",
                "CREATE TABLE b (id int)",
                "CREATE SCHEMA closed",
                "CREATE TABLE closed.c (id int)",
                "CREATE ROLE partly LOGIN PASSWORD 'pw'",
                "GRANT SELECT ON a TO partly",
                "GRANT SELECT ON closed.c TO partly",
            ],
            database=name,
        )
        try:
            with pytest.raises(PermissionDenied, match=r"no SELECT on closed\.c, public\.a_id_seq, public\.b"):
                probe(postgresql, name, name="partly")
        finally:
            run_sql(postgresql, ["DROP OWNED BY partly", "DROP ROLE partly"], database=name)


def test_a_server_that_only_speaks_the_protocol_is_refused(postgresql: DatabaseServer) -> None:
    class Cockroach:
        def value(self, statement: str) -> Any:
            return "CockroachDB CCL v23.1"

    with pytest.raises(UnsupportedServer, match="CockroachDB"):
        _facts(cast(Session, Cockroach()), login(postgresql), SAMPLE)
