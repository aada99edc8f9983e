import pytest

from shared.engines.registry import ALIASES, ENGINES, RESTORERS, engine_for, restorer_for, type_named
from shared.errors import InvalidRequest
from shared.models.database import DatabaseType

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("kind", "family", "extension", "port"),
    [
        (DatabaseType.MYSQL_FLEXIBLE, "mysql", "sql.gz", 3306),
        (DatabaseType.MYSQL_VM, "mysql", "sql.gz", 3306),
        (DatabaseType.POSTGRESQL_AZURE, "postgresql", "dump.gz", 5432),
        (DatabaseType.POSTGRESQL_VM, "postgresql", "dump.gz", 5432),
    ],
)
def test_each_type_has_its_engine(kind: DatabaseType, family: str, extension: str, port: int) -> None:
    engine = engine_for(kind)

    assert (engine.family, engine.extension, engine.default_port) == (family, extension, port)


def test_whatever_is_backed_up_can_be_restored() -> None:
    assert ENGINES.keys() == RESTORERS.keys()


@pytest.mark.parametrize(
    ("text", "kind"),
    [*((kind.value, kind) for kind in DatabaseType), *ALIASES.items()],
)
def test_names_and_aliases_are_understood(text: str, kind: DatabaseType) -> None:
    assert type_named(text) is kind


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidRequest, match=r"'oracle'.*mysql-flexible"):
        type_named("oracle")


def test_a_type_without_an_engine_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="cannot be backed up"):
        engine_for(DatabaseType.AZURE_SQL_DB)
    with pytest.raises(InvalidRequest, match="cannot be restored"):
        restorer_for(DatabaseType.AZURE_SQL_DB)
