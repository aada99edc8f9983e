import pytest

from local.servers import DatabaseServer
from shared.engines.registry import engine_for
from shared.errors import PermissionDenied
from shared.models.inventory import ObjectName, Probe
from tests.support.databases import fresh_database, run_sql
from tests.support.engines import SAMPLE, dumped, login, user

EVERYTHING = ["GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES, EXECUTE ON *.*"]


def probe(server: DatabaseServer, database: str, *, name: str | None = None) -> Probe:
    mine = login(server, user=name, password="pw" if name else None)
    return engine_for(mine.server.type).probe(mine, database)


def names(objects: tuple[ObjectName, ...]) -> list[str]:
    return [found.text for found in objects]


def test_the_inventory_of_the_sample_is_whole(mariadb: DatabaseServer) -> None:
    inventory = probe(mariadb, SAMPLE).inventory

    assert names(inventory.tables) == [
        "customers",
        "empty_table",
        "no_key",
        "old_text",
        "order_log",
        "orders",
        "parted",
        "select",
        "t'x;drop",
        'ti`ck "ünï" 100% a.b',
        "twins",
    ]
    assert names(inventory.views) == ["big_orders"]
    assert names(inventory.routines) == ["function with_tax", "procedure close_orders"]
    assert names(inventory.triggers) == ["order_logged"]
    assert names(inventory.events) == ["nightly"]
    assert names(inventory.sequences) == ["ticket"]
    assert inventory.schemas == ()


def test_the_facts_say_who_answers(mariadb: DatabaseServer) -> None:
    found = probe(mariadb, SAMPLE)

    assert found.server.vendor == "mariadb"
    assert found.server.version.startswith(".".join(map(str, found.server.version_number)))
    assert found.server.character_set == "utf8mb4"
    assert found.server.collation.startswith("utf8mb4_")
    assert not found.server.encrypted
    assert found.size_bytes > 100_000


def test_generated_columns_are_noticed(mariadb: DatabaseServer) -> None:
    with fresh_database(mariadb) as name:
        run_sql(mariadb, ["CREATE TABLE plain (a INT)"], database=name)

        assert not probe(mariadb, name).server.generated_columns
    assert probe(mariadb, SAMPLE).server.generated_columns


def test_br35_tables_outside_the_snapshot_are_a_warning(mariadb: DatabaseServer) -> None:
    assert (
        "Not in the snapshot, because their storage engine has none: no_key (MyISAM)."
        in probe(mariadb, SAMPLE).warnings
    )


def test_tables_of_latin1_are_a_warning(mariadb: DatabaseServer) -> None:
    assert any("latin1" in warning and "old_text" in warning for warning in probe(mariadb, SAMPLE).warnings)


def test_long_lists_of_names_are_cut(mariadb: DatabaseServer) -> None:
    with fresh_database(mariadb) as name:
        run_sql(mariadb, [f"CREATE TABLE t{n:02} (a INT) ENGINE=MyISAM" for n in range(15)], database=name)

        (warning,) = probe(mariadb, name).warnings

    assert "t09 (MyISAM) and 5 more" in warning


def test_br18_definers_that_do_not_exist_are_a_warning_and_the_dump_passes(mariadb: DatabaseServer) -> None:
    with fresh_database(mariadb) as name:
        run_sql(
            mariadb,
            [
                "CREATE TABLE t (a INT)",
                "CREATE DEFINER='ghost'@'nowhere' VIEW v AS SELECT a FROM t",
                "CREATE DEFINER='ghost'@'nowhere' PROCEDURE p() SELECT 1",
                "CREATE DEFINER='ghost'@'nowhere' TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1",
                "CREATE DEFINER='ghost'@'nowhere' EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1",
            ],
            database=name,
        )

        (warning,) = dumped(login(mariadb), name).probe.warnings

    for orphan in ("view v", "routine p", "trigger tr", "event e"):
        assert f"{orphan} (ghost@nowhere)" in warning


def test_a_user_with_all_it_needs_gets_no_warning(mariadb: DatabaseServer) -> None:
    with fresh_database(mariadb) as name, user(mariadb, "backup", "pw", EVERYTHING):
        run_sql(mariadb, ["CREATE TABLE t (a INT)"], database=name)

        assert probe(mariadb, name, name="backup").warnings == ()


def test_a_user_of_one_database_hears_what_it_cannot_see(mariadb: DatabaseServer) -> None:
    with fresh_database(mariadb) as name, user(mariadb, "reader", "pw", [f"GRANT SELECT ON `{name}`.*"]):
        warnings = probe(mariadb, name, name="reader").warnings

    assert any("TRIGGER" in warning for warning in warnings)
    assert any("routines" in warning for warning in warnings)


def test_br53_tables_that_may_not_be_read_are_all_named(mariadb: DatabaseServer) -> None:
    with fresh_database(mariadb) as name:
        run_sql(mariadb, [f"CREATE TABLE `{table}` (a INT, b INT)" for table in "abc"], database=name)
        grants = [f"GRANT SELECT ON `{name}`.a", f"GRANT INSERT ON `{name}`.b", f"GRANT SELECT (a) ON `{name}`.c"]
        told = f"'partly' may not read b, c of database '{name}'"
        with user(mariadb, "partly", "pw", grants), pytest.raises(PermissionDenied, match=told):
            probe(mariadb, name, name="partly")


def test_a_user_with_grants_on_tables_alone_hears_that_others_are_hidden(mariadb: DatabaseServer) -> None:
    with fresh_database(mariadb) as name:
        run_sql(mariadb, ["CREATE TABLE shown (a INT)", "CREATE TABLE hidden (a INT)"], database=name)
        with user(mariadb, "partly", "pw", [f"GRANT SELECT ON `{name}`.shown"]):
            found = probe(mariadb, name, name="partly")

    assert names(found.inventory.tables) == ["shown"]
    assert any("not granted" in warning for warning in found.warnings)


def test_a_database_without_any_right_is_a_matter_of_permission(mariadb: DatabaseServer) -> None:
    with (
        fresh_database(mariadb) as name,
        user(mariadb, "nobody", "pw", []),
        pytest.raises(PermissionDenied, match=name),
    ):
        probe(mariadb, name, name="nobody")
