import pytest

from shared.engines.mysql.grants import parse_grants

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("line", "database", "covered"),
    [
        ("GRANT ALL PRIVILEGES ON *.* TO `a`@`%` WITH GRANT OPTION", "shop", True),
        ("GRANT SELECT, TRIGGER ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '*AB'", "shop", True),
        ("GRANT SELECT ON `shop`.* TO `a`@`%`", "shop", True),
        ("GRANT SELECT ON `shop`.* TO `a`@`%`", "Shop", False),
        ("GRANT SELECT ON `sh%`.* TO `a`@`%`", "shop", True),
        ("GRANT SELECT ON `sho_`.* TO `a`@`%`", "shop", True),
        (r"GRANT SELECT ON `sho\_`.* TO `a`@`%`", "shop", False),
        (r"GRANT SELECT ON `my\_shop`.* TO `a`@`%`", "my_shop", True),
        ("GRANT SELECT ON `ti``ck`.* TO `a`@`%`", "ti`ck", True),
        ("GRANT SELECT ON `a.b`.* TO `a`@`%`", "axb", False),
        ("GRANT SELECT ON `shop`.`one_table` TO `a`@`%`", "shop", False),
        ("GRANT SELECT (a) ON `shop`.`one_table` TO `a`@`%`", "shop", False),
        ("GRANT INSERT ON `shop`.* TO `a`@`%`", "shop", False),
        ("GRANT USAGE ON *.* TO `a`@`%`", "shop", False),
        ("GRANT `reader` TO `a`@`%`", "shop", False),
        ("GRANT PROXY ON ''@'' TO 'root'@'localhost' WITH GRANT OPTION", "shop", False),
    ],
)
def test_select_on_a_whole_database_is_read_from_its_grant(line: str, database: str, covered: bool) -> None:
    assert parse_grants([line]).cover("SELECT", database) == covered


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("GRANT EXECUTE ON `shop`.* TO `a`@`%`", True),
        ("GRANT SELECT ON *.* TO `a`@`%`", True),
        ("GRANT SHOW_ROUTINE ON *.* TO `a`@`%`", True),
        ("GRANT SELECT ON `mysql`.`proc` TO `a`@`%`", True),
        ("GRANT SELECT ON `shop`.* TO `a`@`%`", False),
    ],
)
def test_who_sees_routines(line: str, shown: bool) -> None:
    assert parse_grants([line]).show_routines("shop") == shown
