"""The repository's own files, for tests that read the source instead of running it."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("api", "timers", "orchestrators", "activities", "entities")
"""The packages that hold triggers, highest first; `shared` is below them, `local` beside them."""
PACKAGES = (*ROOMS, "shared", "local")
NOT_OURS = {"node_modules", "__pycache__", "dist"}


def folder_of(package: str) -> Path:
    """The folder of a top-level package."""
    return ROOT / "http" / package if package == "api" else ROOT / package


@cache
def files(*endings: str) -> tuple[Path, ...]:
    """All files of ours whose name ends so, generated and installed ones left out."""
    return tuple(sorted(path for path in _walk(ROOT) if path.name.endswith(endings)))


def _walk(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        hidden = entry.name.startswith(".") and entry.name not in (".ci", ".github")
        if hidden or entry.name in NOT_OURS or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from _walk(entry)
        else:
            yield entry


def modules_of(package: str) -> list[Path]:
    """The modules of a top-level package, `__init__` left out."""
    return sorted(path for path in folder_of(package).rglob("*.py") if path.name != "__init__.py")


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(), filename=str(path))


def shown(path: Path) -> str:
    """The path as a reader of this repository writes it."""
    return path.relative_to(ROOT).as_posix()


def imported_modules(tree: ast.Module) -> set[str]:
    """Dotted names of all modules that the file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names
