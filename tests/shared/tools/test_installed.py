import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.settings import settings
from shared.tools import installed_tools
from shared.tools.installed import tool_from_version_text


@pytest.fixture
def only_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The one folder in which tools are searched."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("BACKUP_TOOL_FOLDERS", str(tmp_path))
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def write_program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.unit
@pytest.mark.parametrize(
    ("text", "vendor", "version"),
    [
        ("mariadb-dump  Ver 10.19 Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)", "mariadb", (10, 11, 19)),
        ("mariadb-dump from 11.4.2-MariaDB, client 10.19 for debian-linux-gnu (x86_64)", "mariadb", (11, 4, 2)),
        ("mysqldump  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)", "mysql", (8, 0, 36)),
        ("mysqldump  Ver 10.13 Distrib 5.7.44, for Linux (x86_64)", "mysql", (5, 7, 44)),
        ("mysql  Ver 14.14 Distrib 5.7.44, for Linux (x86_64) using  EditLine wrapper", "mysql", (5, 7, 44)),
        ("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "postgresql", (15, 18)),
        ("pg_restore (PostgreSQL) 18beta1", "postgresql", (18,)),
    ],
)
def test_the_version_is_read_from_what_each_vendor_prints(text: str, vendor: str, version: tuple[int, ...]) -> None:
    tool = tool_from_version_text("/bin/tool", text)

    assert tool is not None
    assert (tool.vendor, tool.version_number) == (vendor, version)


@pytest.mark.unit
def test_a_program_without_a_version_is_no_tool() -> None:
    assert tool_from_version_text("/bin/tool", "usage: tool") is None


def test_the_real_clients_of_this_machine_are_found() -> None:
    vendors = {tool.vendor for tool in installed_tools(["mariadb-dump", "mysqldump", "pg_dump"])}

    assert vendors == {"mariadb", "postgresql"}


def test_the_wrapper_of_debian_is_passed_over_for_the_programs_behind_it() -> None:
    paths = [tool.path for tool in installed_tools(["pg_dump"])]

    assert paths
    assert all(Path(path).resolve().name == "pg_dump" for path in paths)


def test_two_names_of_one_program_count_once() -> None:
    assert shutil.which("mysqldump")
    assert len(installed_tools(["mariadb-dump", "mysqldump"])) == 1


def test_names_are_found_in_the_order_asked_for(only_folder: Path) -> None:
    write_program(only_folder / "one-dump", "echo one-dump Ver 8.0.1 for Linux")
    write_program(only_folder / "two-dump", "echo two-dump Ver 8.0.2 for Linux")

    found = installed_tools(["two-dump", "one-dump"])

    assert [tool.version for tool in found] == ["8.0.2", "8.0.1"]


def test_a_program_that_fails_or_hides_its_version_is_left_out(only_folder: Path) -> None:
    write_program(only_folder / "broken", "exit 1")
    write_program(only_folder / "silent", "true")
    (only_folder / "text").write_text("not a program")

    assert installed_tools(["broken", "silent", "text", "absent"]) == ()


def test_a_replaced_program_is_asked_again(only_folder: Path) -> None:
    program = write_program(only_folder / "dump", "echo dump Ver 8.0.1 for Linux")
    before = installed_tools(["dump"])
    write_program(program, "echo dump Ver 8.4.0 for Linux")
    os.utime(program, ns=(1, 1))

    after = installed_tools(["dump"])

    assert [tool.version for tool in (*before, *after)] == ["8.0.1", "8.4.0"]
