"""What the host takes from an app's folder: `host.json` and `local.settings.json`."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

# Azure's on a Flex plan.
DEFAULT_TIMEOUT = timedelta(minutes=30)

TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d+):(\d+):(\d+)")


@dataclass(frozen=True)
class HostSettings:
    """The part of `host.json` that the embedded host honours. A `function_timeout` of None: no limit."""

    route_prefix: str
    function_timeout: timedelta | None
    most_activities: int | None
    hub_name: str
    default_version: str | None


def read_host_settings(app: Path) -> HostSettings:
    """The settings in the app's `host.json`. Raises ValueError, saying what is wrong with it."""
    path = app / "host.json"
    if not path.is_file():
        raise ValueError(f"There is no host.json in {app}: it is not the folder of a function app.")
    document = _read_json(path)
    extensions = document.get("extensions", {})
    durable = extensions.get("durableTask", {})
    return HostSettings(
        route_prefix=extensions.get("http", {}).get("routePrefix", "api"),
        function_timeout=_timeout(document.get("functionTimeout")),
        most_activities=durable.get("maxConcurrentActivityFunctions"),
        hub_name=durable.get("hubName", "TestHubName"),
        default_version=durable.get("defaultVersion"),
    )


def read_local_settings(app: Path) -> Mapping[str, str]:
    """The values in the app's `local.settings.json`, if it has one. Raises ValueError when it is no JSON."""
    path = app / "local.settings.json"
    values = _read_json(path).get("Values", {}) if path.is_file() else {}
    return {name: str(value) for name, value in values.items()}


def resolve_settings(text: str, environment: Mapping[str, str]) -> str:
    """The text with each `%NAME%` replaced by that setting. Raises ValueError for one that is missing."""

    def setting(match: re.Match[str]) -> str:
        if match[1] not in environment:
            raise ValueError(f"the setting {match[1]}, named in {text!r}, is missing")
        return environment[match[1]]

    return re.sub("%([^%]+)%", setting, text)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    return document


def _timeout(text: str | None) -> timedelta | None:
    if text is None:
        return DEFAULT_TIMEOUT
    if text == "-1":
        return None
    match = TIME_SPAN.fullmatch(text)
    if not match:
        raise ValueError(f"functionTimeout is {text!r}, it must be like 00:30:00, or -1 for no limit.")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
