"""What tests/conftest.py promises, seen from outside: whole pytest sessions over one small test file."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.loopback import is_loopback
from tests.support.sources import ROOT

RULES = ("clean_environment", "leftovers", "loopback")
START_SLEEPER = 'subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that has our rules and no tests yet."""
    support = tmp_path / "tests" / "support"
    support.mkdir(parents=True)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name in ("__init__", "conftest", "support/__init__", *(f"support/{rule}" for rule in RULES)):
        shutil.copy(ROOT / "tests" / f"{name}.py", tmp_path / "tests" / f"{name}.py")
    return tmp_path


def session(project: Path, source: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A pytest session over `source` as the only test file."""
    (project / "tests" / "test_it.py").write_text(source)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q"],
        cwd=project,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_process_left_behind_fails_the_session_is_named_and_ended(project: Path) -> None:
    # Kept in a global, or Python itself would warn of it.
    source = f"""
import subprocess, sys

def test_it():
    global kept
    kept = {START_SLEEPER}
"""

    result = session(project, source)

    assert result.returncode == 1
    assert "1 passed" in result.stdout.splitlines()[-1]
    assert _is_gone(_pid_of_sleeper(result.stdout))


def test_an_orphan_left_behind_is_found_too(project: Path) -> None:
    # The process between ends at once, so the sleeper is no child of the session any more.
    between = f"import subprocess, sys; {START_SLEEPER}"
    source = f"""
import subprocess, sys

def test_it():
    subprocess.run([sys.executable, "-c", {between!r}], check=True)
"""

    result = session(project, source)

    assert result.returncode == 1
    assert _is_gone(_pid_of_sleeper(result.stdout))


def test_settings_of_the_machine_reach_no_test(project: Path) -> None:
    source = (
        "import os\ndef test_it():\n    assert not [n for n in os.environ if n.startswith(('AZURE_', 'BACKUP_'))]\n"
    )

    result = session(project, source, AZURE_CLIENT_ID="x", BACKUP_RETENTION_DAYS="1")

    assert result.returncode == 0, result.stdout


def test_what_a_test_puts_into_the_environment_goes_with_it(project: Path) -> None:
    source = """
import os

def test_first():
    os.environ["BACKUP_A"] = "1"
    os.environ["PATH"] += ":/x"

def test_second():
    assert "BACKUP_A" not in os.environ
    assert not os.environ["PATH"].endswith(":/x")
"""

    assert session(project, source).returncode == 0


def test_a_session_without_tests_fails(project: Path) -> None:
    assert session(project, "").returncode == 5


def test_a_package_named_http_stops_everything_with_one_clear_line(project: Path) -> None:
    (project / "http").mkdir()
    (project / "http" / "__init__.py").touch()

    result = session(project, "def test_it(): pass\n")

    assert result.returncode == 4
    assert "http/__init__.py must not exist" in result.stdout + result.stderr


def test_other_machines_are_refused_before_anything_is_sent() -> None:
    with socket.socket() as client, pytest.raises(AssertionError, match=r"not to 192\.0\.2\.1:80"):
        client.connect(("192.0.2.1", 80))


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("a.b", False)],
)
def test_only_this_machines_own_addresses_count_as_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def _pid_of_sleeper(output: str) -> int:
    found = re.search(r"^(\d+)  .*time\.sleep", output, re.M)
    assert found, output
    return int(found[1])


def _is_gone(pid: int) -> bool:
    """Whether the process has ended; a zombie has."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/cmdline").read_bytes() == b"":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    return False
