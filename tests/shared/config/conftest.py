"""Each test begins with an empty App Configuration, and leaves one."""

from collections.abc import Iterator

import pytest

from shared.config import last_known
from shared.storage import tables
from tests.support.cloud import forget_settings
from tests.support.configuration import Outage, client


@pytest.fixture(autouse=True)
def an_empty_store(cloud: object) -> Iterator[None]:
    """The installation's limits, defaults and lists are of the whole store, which other tests use too."""
    empty_it()
    yield
    forget_settings()  # a test may have pointed them elsewhere
    empty_it()


def empty_it() -> None:
    """Removes every setting, and every copy of one."""
    for setting in client().list_configuration_settings():
        if setting.read_only:
            client().set_read_only(setting, False)
        client().delete_configuration_setting(setting.key, label=setting.label)
    for row in list(tables.query("DatabaseConfigs", "PartitionKey ge @any", {"any": ""})):
        tables.remove("DatabaseConfigs", row.partition, row.key)
    last_known._written.clear()


@pytest.fixture
def no_answer(monkeypatch: pytest.MonkeyPatch) -> Outage:
    return Outage(monkeypatch)
