"""What the host takes from an app's folder."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.host_settings import read_host_settings, read_local_settings

pytestmark = pytest.mark.unit


def written(folder: Path, document: dict[str, Any]) -> Path:
    (folder / "host.json").write_text(json.dumps(document))
    return folder


def test_reads_what_the_app_says(tmp_path: Path) -> None:
    durable = {"maxConcurrentActivityFunctions": 6}
    extensions = {"http": {"routePrefix": "v1"}, "durableTask": durable}

    settings = read_host_settings(written(tmp_path, {"functionTimeout": "02:00:00", "extensions": extensions}))

    assert settings.route_prefix == "v1"
    assert settings.function_timeout == timedelta(hours=2)
    assert settings.most_activities == 6


def test_has_azures_defaults(tmp_path: Path) -> None:
    settings = read_host_settings(written(tmp_path, {"version": "2.0"}))

    assert settings.route_prefix == "api"
    assert settings.function_timeout == timedelta(minutes=30)
    assert settings.most_activities is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("-1", None), ("00:00:05", timedelta(seconds=5)), ("1.00:30:00", timedelta(days=1, minutes=30))],
)
def test_reads_the_timeout(tmp_path: Path, text: str, expected: timedelta | None) -> None:
    assert read_host_settings(written(tmp_path, {"functionTimeout": text})).function_timeout == expected


def test_refuses_a_timeout_it_does_not_understand(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="functionTimeout is 'soon'"):
        read_host_settings(written(tmp_path, {"functionTimeout": "soon"}))


def test_says_that_a_folder_holds_no_app(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no host\.json"):
        read_host_settings(tmp_path)


def test_says_which_file_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text("{")

    with pytest.raises(ValueError, match=r"host\.json is no JSON"):
        read_host_settings(tmp_path)


def test_reads_local_settings_as_texts(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": {"LEVEL": 3, "NAME": "x"}}))

    assert read_local_settings(tmp_path) == {"LEVEL": "3", "NAME": "x"}


def test_an_app_needs_no_local_settings(tmp_path: Path) -> None:
    assert read_local_settings(tmp_path) == {}
