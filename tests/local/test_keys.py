"""Access keys."""

from pathlib import Path

import pytest

from local.keys import AccessKeys, keep_keys

pytestmark = pytest.mark.unit

KEYS = AccessKeys(master="m", function="f")


@pytest.mark.parametrize(
    ("level", "key", "expected"),
    [
        ("anonymous", None, True),
        ("anonymous", "wrong", True),
        ("function", None, False),
        ("function", "", False),
        ("function", "ñ", False),
        ("function", "f", True),
        ("function", "m", True),
        ("admin", "f", False),
        ("admin", "m", True),
    ],
)
def test_opens(level: str, key: str | None, expected: bool) -> None:
    assert KEYS.opens(level, key) is expected


def test_keys_stay_the_same(tmp_path: Path) -> None:
    assert keep_keys(tmp_path / "keys.json") == keep_keys(tmp_path / "keys.json")


def test_only_the_owner_may_read_the_keys(tmp_path: Path) -> None:
    keep_keys(tmp_path / "keys.json")

    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600


def test_every_key_is_its_own(tmp_path: Path) -> None:
    keys = keep_keys(tmp_path / "keys.json")

    assert len(keys.master) > 40
    assert keys.master != keys.function
