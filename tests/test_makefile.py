"""The five commands are what the documents say, and start programs that exist."""

import importlib.util
import os
import re
import subprocess

import pytest

from tests.support.sources import ROOT

pytestmark = pytest.mark.unit

COMMANDS = ("run", "test", "check", "test-long", "bench")


def dry(*arguments: str) -> str:
    """What make would run, without running it."""
    # A make that runs the tests must not pass its own state on.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", "--dry-run", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_first_installs_what_is_missing(command: str) -> None:
    first, *rest = dry(command).splitlines()

    assert first == "bash infra/setup/install.sh"
    assert rest


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_starts_a_module_that_exists(command: str) -> None:
    modules = re.findall(r"\.venv/bin/python -m ([\w.]+)", dry(command))

    assert modules
    assert all(importlib.util.find_spec(module) for module in modules)


@pytest.mark.parametrize(("once", "expected"), [((), False), (("ONCE=1",), True), (("ONCE=0",), False)])
def test_once_stops_after_the_report(once: tuple[str, ...], expected: bool) -> None:
    assert ("--once" in dry("run", *once)) is expected


def test_minutes_and_seed_reach_the_random_lanes() -> None:
    assert "-m tests.long --minutes 8 --seed 42" in dry("test-long", "MINUTES=8", "SEED=42")


def test_the_documents_name_all_commands_and_no_others() -> None:
    text = (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()

    assert set(re.findall(r"`make ([a-z-]+)", text)) == set(COMMANDS)


def test_the_pipeline_runs_the_suite_and_then_eight_minutes_of_the_random_lanes() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    made = [line.split()[1:3] for line in lines if line.startswith("make ")]

    assert made == [["test"], ["test-long", "MINUTES=8"]]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
