"""The defaults of the installation."""

import pytest

from shared import config
from shared.config import Defaults, last_known
from shared.errors import SettingInvalid
from tests.support.configuration import Outage, set_key


def test_r_214_defaults_fall_back_to_the_specifications() -> None:
    assert config.defaults() == Defaults(default_frequency="1d", default_retention_days=30, max_concurrent_backups=5)


def test_defaults_are_read_and_survive_an_outage(no_answer: Outage) -> None:
    set_key("backup:default_frequency", "6h")
    set_key("backup:default_retention_days", "14")
    set_key("backup:max_concurrent_backups", "3")
    set_key("backup:notification_webhook", "https://hooks.example/secret")
    expected = Defaults(default_frequency="6h", default_retention_days=14, max_concurrent_backups=3)

    assert config.defaults() == expected
    no_answer.begin()
    assert config.defaults() == expected
    copy = last_known.recall("backup", "defaults")
    assert copy is not None
    assert "hooks" not in copy


def test_defaults_that_nobody_ever_read_are_those_of_the_settings(
    no_answer: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKUP_RETENTION_DAYS", "7")
    no_answer.begin()

    assert config.defaults().default_retention_days == 7


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("backup:default_frequency", "5m"),
        ("backup:default_retention_days", "0"),
        ("backup:max_concurrent_backups", "many"),
    ],
)
def test_a_default_that_cannot_be_read_is_named(key: str, value: str) -> None:
    set_key(key, value)

    with pytest.raises(SettingInvalid, match=f"{key} in App Configuration"):
        config.defaults()


def test_a_default_that_was_broken_by_hand_stops_no_backup(caplog: pytest.LogCaptureFixture) -> None:
    assert config.backup_slots() == 5
    set_key("backup:max_concurrent_backups", "2")
    assert config.backup_slots() == 2

    set_key("backup:default_frequency", "5m")

    assert config.backup_slots() == 5
    assert "defaults cannot be read" in caplog.text
