from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.cloud.setting_store import REVISION_LIFETIME, Condition, Content, SettingStore

pytestmark = pytest.mark.unit

ANY = Condition()


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 25, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[SettingStore]:
    with closing(SettingStore(tmp_path / "settings.sqlite", clock.now)) as store:
        yield store


def content(value: str) -> Content:
    return Content(value, None, {})


def test_revisions_are_forgotten_after_30_days(store: SettingStore, clock: Clock) -> None:
    store.put("key", "", content("old"), ANY)
    store.put("other", "", content("old"), ANY)
    clock.time += REVISION_LIFETIME + timedelta(seconds=1)

    store.put("key", "", content("new"), ANY)

    assert [each.content.value for each in store.revisions() if each.key == "key"] == ["new"]


def test_a_setting_that_nobody_changes_stays_for_ever(store: SettingStore, clock: Clock) -> None:
    store.put("key", "", content("old"), ANY)
    clock.time += REVISION_LIFETIME * 20

    store.put("other", "", content("new"), ANY)

    assert [each.key for each in store.settings()] == ["key", "other"]


def test_the_sequence_grows_with_deletions_too(store: SettingStore) -> None:
    empty = store.sequence()
    store.put("key", "", content("value"), ANY)
    written = store.sequence()
    store.delete("key", "", ANY)

    assert empty < written < store.sequence()


@pytest.mark.parametrize(
    ("condition", "etag", "matches", "differs"),
    [
        (Condition(), None, True, True),
        (Condition(if_match="*"), None, False, True),
        (Condition(if_match="*"), "a", True, True),
        (Condition(if_match="a"), "a", True, True),
        (Condition(if_match="a"), "b", False, True),
        (Condition(if_none_match="*"), None, True, True),
        (Condition(if_none_match="*"), "a", True, False),
        (Condition(if_none_match="a"), "a", True, False),
        (Condition(if_none_match="a"), "b", True, True),
    ],
)
def test_conditions_read_as_in_the_standard(
    condition: Condition, etag: str | None, matches: bool, differs: bool
) -> None:
    assert condition.matches(etag) is matches
    assert condition.differs(etag) is differs
