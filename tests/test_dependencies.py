"""What is imported is declared, what is declared is needed, and both locks hold exactly what is declared."""

import re
import sys
import tomllib
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support.sources import PACKAGES, ROOMS, ROOT, files, imported_modules, parsed, shown

pytestmark = pytest.mark.unit

OURS = {*PACKAGES, "function_app", "tests", "bench"}
PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+) \\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+", re.M
)

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME = [Requirement(line) for line in PROJECT["dependencies"]]
LOCAL = [Requirement(line) for line in PROJECT["optional-dependencies"]["local"]]
DEV = [Requirement(line) for line in PROJECT["optional-dependencies"]["dev"]]


def names(*groups: list[Requirement]) -> set[str]:
    return {canonicalize_name(requirement.name) for group in groups for requirement in group}


def pins(lock: str) -> dict[str, Version]:
    """Every pin of the lock; a line that is neither a pin with hashes nor a comment fails."""
    text = "".join(line for line in (ROOT / lock).read_text().splitlines(keepends=True) if not line.startswith("#"))
    found: dict[str, Version] = {
        canonicalize_name(match["name"]): Version(match["version"]) for match in PIN.finditer(text)
    }
    rest = PIN.sub("", text).strip()
    assert not rest, f"{lock} has lines that pin nothing: {rest[:200]}"
    return found


@cache
def distribution_of_module() -> dict[str, str]:
    """For every module installed here, by dotted name, the package that brought it."""
    owner: dict[str, str] = {}
    for distribution in distributions():
        name = canonicalize_name(distribution.metadata["Name"])
        for file in distribution.files or ():
            if file.suffix not in (".py", ".so", ".pyi"):
                continue
            parts = [*file.parts[:-1], file.name.split(".")[0]]
            if parts[-1] == "__init__":
                parts.pop()
            # A folder of stubs is named for the package it describes; that one is the owner.
            if parts and not parts[0].endswith("-stubs"):
                owner[".".join(parts)] = name
    return owner


def distribution_of(module: str) -> str | None:
    """The package that brought `module`, or None where none has it."""
    while module:
        if module in distribution_of_module():
            return distribution_of_module()[module]
        module = module.rpartition(".")[0]
    return None


def third_party(*packages: str) -> dict[str, set[str]]:
    """For each imported package, by name (the module's own name where none has it), the files that import it."""
    importers: dict[str, set[str]] = {}
    for path in files(".py"):
        top = path.relative_to(ROOT).parts[1 if path.is_relative_to(ROOT / "http") else 0].removesuffix(".py")
        if top not in packages:
            continue
        for module in imported_modules(parsed(path)):
            first = module.split(".")[0]
            if first in OURS or first in sys.stdlib_module_names or _is_beside(path, first):
                continue
            importers.setdefault(distribution_of(module) or module, set()).add(shown(path))
    return importers


def _is_beside(path: Path, module: str) -> bool:
    """A foreign function app under tests has modules of its own, found from its folder."""
    return any((folder / module).exists() or (folder / f"{module}.py").exists() for folder in path.parents[:3])


@pytest.mark.parametrize(
    ("packages", "declared"),
    [
        ((*ROOMS, "shared", "function_app"), names(RUNTIME)),
        (("local",), names(RUNTIME, LOCAL)),
        (("tests", "bench"), names(RUNTIME, LOCAL, DEV)),
    ],
    ids=["function app", "embedded host", "tests and benchmarks"],
)
def test_only_declared_packages_are_imported(packages: tuple[str, ...], declared: set[str]) -> None:
    undeclared = {name: importers for name, importers in third_party(*packages).items() if name not in declared}

    assert not undeclared


@pytest.mark.parametrize(
    ("packages", "declared"),
    [((*ROOMS, "shared", "function_app"), names(RUNTIME)), (("local",), names(LOCAL))],
    ids=["function app", "embedded host"],
)
def test_every_declared_package_is_imported(packages: tuple[str, ...], declared: set[str]) -> None:
    assert not declared - set(third_party(*packages))


@pytest.mark.parametrize(
    ("lock", "declared"),
    [("requirements.txt", RUNTIME), ("requirements-dev.txt", RUNTIME + LOCAL + DEV)],
    ids=["requirements.txt", "requirements-dev.txt"],
)
def test_a_lock_pins_every_declared_package_within_its_range(lock: str, declared: list[Requirement]) -> None:
    pinned = pins(lock)
    wrong = {
        str(requirement): str(pinned.get(canonicalize_name(requirement.name)))
        for requirement in declared
        if (version := pinned.get(canonicalize_name(requirement.name))) is None or version not in requirement.specifier
    }

    assert not wrong, "run infra/setup/lock.sh"


def test_what_runs_in_azure_is_what_was_tested() -> None:
    assert pins("requirements.txt").items() <= pins("requirements-dev.txt").items()
