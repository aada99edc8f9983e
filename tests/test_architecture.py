"""The house keeps its shape: who may import whom, what a plan may do, what a file may look like."""

import http
import re
import sys
import sysconfig
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

from tests.support.plan_rules import breaches
from tests.support.sources import PACKAGES, ROOMS, ROOT, files, imported_modules, modules_of, parsed, shown

pytestmark = pytest.mark.unit

# Written so that the patterns do not find themselves.
LOOSE_END = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
PATH_OF_A_MACHINE = re.compile(r"(?<![\w.])/(?:work|root|farm|Users)/")
CODE = (".py", ".sh", ".ts", ".tsx", ".bicep")
TEXT = (*CODE, ".md", ".toml", ".json", ".txt", ".yaml", ".yml", "Makefile", "run")


def test_no_import_breaks_a_contract(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # It would configure logging for the whole process and switch off every logger there is, for all tests after it.
    monkeypatch.setattr("importlinter.cli.logging_config.dictConfig", lambda configuration: None)
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True)

    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_function_app_alone_stands_above_the_rooms_and_never_imports_the_embedded_host() -> None:
    names = imported_modules(parsed(ROOT / "function_app.py"))

    assert not {name for name in names if name.split(".")[0] in ("local", "tests", "bench")}


@pytest.mark.parametrize("package", [*ROOMS, "shared", "local"])
def test_no_package_imports_tests_or_benchmarks(package: str) -> None:
    importers = {
        shown(path): names
        for path in modules_of(package)
        if (names := {name for name in imported_modules(parsed(path)) if name.split(".")[0] in ("tests", "bench")})
    }

    assert not importers


def test_http_is_the_standard_library() -> None:
    assert Path(http.__file__).is_relative_to(sysconfig.get_path("stdlib"))


def test_no_package_of_ours_has_the_name_of_an_installed_one() -> None:
    # The Functions worker puts our folder last on the path, so any other package of that name would win.
    taken = (set(packages_distributions()) | set(sys.stdlib_module_names)) & {*PACKAGES, "function_app"}

    assert not taken


@pytest.mark.parametrize("path", modules_of("orchestrators"), ids=lambda path: path.stem)
def test_a_plan_does_nothing_that_replays_differently(path: Path) -> None:
    assert not list(breaches(parsed(path)))


def test_every_file_is_short_enough_to_read() -> None:
    lengths = {shown(path): len(path.read_text().splitlines()) for path in files(*CODE)}

    assert not {name: length for name, length in lengths.items() if length > 400}, "split by role"


def test_no_loose_end_is_left_in_the_code() -> None:
    assert not _lines_with(LOOSE_END, CODE)


def test_no_file_names_a_path_of_one_machine() -> None:
    assert not _lines_with(PATH_OF_A_MACHINE, TEXT)


def test_every_folder_of_tests_is_a_package() -> None:
    # Without it, tests/http or a second test_x.py would take the name of another module.
    folders = {path.parent for path in files(".py") if path.name.startswith("test_")}

    assert not [shown(folder) for folder in folders if not (folder / "__init__.py").exists()]
    assert not (ROOT / "tests" / "http").exists(), "tests of http/api live in tests/api"


def _lines_with(pattern: re.Pattern[str], endings: tuple[str, ...]) -> list[str]:
    return [
        f"{shown(path)}:{number}: {line.strip()[:100]}"
        for path in files(*endings)
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if pattern.search(line)
    ]
