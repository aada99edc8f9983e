"""Finds client tools on this machine and asks each for its vendor and version."""

import os
import re
import subprocess
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from shared.models.run import Tool
from shared.settings import settings

VERSION_SECONDS = 10
POSTGRESQL_FOLDERS = "/usr/lib/postgresql"
# Debian's pg_wrapper stands in PATH for every PostgreSQL tool and picks one by the machine's own clusters.
WRAPPERS = ("pg_wrapper",)
# mariadb-dump from 11.4.2-MariaDB | Ver 10.19 Distrib 10.11.19-MariaDB | Ver 8.0.36 for Linux | (PostgreSQL) 17.10
VERSION = re.compile(r"(?:\bfrom|\bDistrib|\(PostgreSQL\)|\bVer) (\d+(?:\.\d+)*)(?!.*\bDistrib )", re.DOTALL)


def installed_tools(names: Sequence[str]) -> tuple[Tool, ...]:
    """The tools of these names, in the order of `names` and then of the folders; each program once.

    Looks into BACKUP_TOOL_FOLDERS, PATH, and where Debian keeps the PostgreSQL clients of every major version.
    A program that does not run or does not tell its version is left out.
    """
    searched = [*settings().backup_tool_folders, *_path_folders(), *sorted(Path(POSTGRESQL_FOLDERS).glob("*/bin"))]
    found: dict[Path, Tool] = {}
    for name in names:
        for folder in searched:
            program = (folder / name).resolve()
            if program in found or program.name in WRAPPERS or not os.access(program, os.X_OK):
                continue
            tool = _tool(str(folder / name), program.stat().st_mtime_ns)
            if tool is not None:
                found[program] = tool
    return tuple(found.values())


def _path_folders() -> list[Path]:
    return [Path(folder) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]


@lru_cache(maxsize=256)
def _tool(path: str, changed_ns: int) -> Tool | None:
    """The tool at `path`, asked once per change of its file."""
    del changed_ns  # only a part of the cache's key
    try:
        answer = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            cwd="/",
            timeout=VERSION_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return tool_from_version_text(path, answer.stdout.decode(errors="replace"))


def tool_from_version_text(path: str, text: str) -> Tool | None:
    """The tool that printed `text` for `--version`; None when no version stands in it."""
    told = VERSION.search(text)
    if told is None:
        return None
    if "(PostgreSQL)" in text:
        vendor = "postgresql"
    else:
        vendor = "mariadb" if "MariaDB" in text else "mysql"
    version = told.group(1)
    return Tool(path=path, vendor=vendor, version=version, version_number=tuple(map(int, version.split("."))))
