"""The function app is what its files say, under the names that Azure, the portal and the durable hub rely on."""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.sources import ROOT, modules_of, shown

pytestmark = pytest.mark.unit

GOLDEN = ROOT / "tests" / "golden" / "functions.txt"
PARTS = {
    "orchestrators/insist.py": "steps that must be done in the end, for every plan",
    "orchestrators/run_checks.py": "the checks that a backup and a later verification share",
}
"""Files of a room that hold no trigger of their own, each with its reason."""


@cache
def functions() -> list[dict[str, Any]]:
    program = ROOT / "tests" / "support" / "function_listing.py"
    listed = subprocess.run([sys.executable, "-P", program, ROOT], cwd="/", capture_output=True, text=True)
    assert listed.returncode == 0, listed.stderr
    found: list[dict[str, Any]] = json.loads(listed.stdout)
    return found


def line_of(function: dict[str, Any]) -> str:
    words = [function["name"], function["trigger"], *function["methods"], function["route"]]
    return " ".join(word for word in words if word)


def test_the_functions_are_those_of_the_golden_list() -> None:
    # A name is public: a change of this list is a migration of running plans, links and dashboards.
    assert "\n".join(line_of(function) for function in functions()) + "\n" == GOLDEN.read_text()


def test_the_worker_accepts_every_binding_parameter() -> None:
    refused = {entry["name"]: entry["parameter_faults"] for entry in functions() if entry["parameter_faults"]}

    assert not refused


@pytest.mark.parametrize("room", ["orchestrators", "activities", "entities", "timers"])
def test_every_file_of_a_room_is_named_after_its_trigger(room: str) -> None:
    names = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(function["name"])).lower() for function in functions()}
    without = [shown(path) for path in modules_of(room) if path.stem not in names and shown(path) not in PARTS]

    assert not without


def test_every_part_that_holds_no_trigger_is_still_there() -> None:
    assert [name for name in PARTS if not (ROOT / name).exists()] == []


def test_no_file_of_the_app_is_found_before_the_standard_library(tmp_path: Path) -> None:
    # What the worker does: the app's folder comes last, and `http` there is no package.
    program = "import sys; sys.path.append(sys.argv[1]); import http.client; print(http.client.__file__)"
    found = subprocess.run(
        [sys.executable, "-P", "-c", program, ROOT], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert not Path(found.stdout.strip()).is_relative_to(ROOT / "http")
