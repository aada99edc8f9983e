"""The search for secrets finds them in every disguise that it claims to know."""

import base64
import gzip
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.canary import CommandLines, files_with, leaks

pytestmark = pytest.mark.unit

SECRET = "S3cr3t \"canary'\\ñ🚀/+"


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        json.dumps({"a": SECRET}),
        json.dumps({"a": json.dumps({"b": SECRET})}),
        f"https://host/?password={quote(SECRET)}",
        str([SECRET]),
        *(base64.b64encode(f"{'x' * before}{SECRET}tail".encode()).decode() for before in range(4)),
        base64.urlsafe_b64encode(json.dumps({"a": SECRET}).encode()).decode(),
    ],
)
def test_a_disguised_secret_is_found(text: str) -> None:
    assert leaks(b"before " + text.encode() + b" after", [SECRET])


def test_a_secret_in_utf_16_or_gzip_is_found() -> None:
    assert leaks(f"a{SECRET}b".encode("utf-16-le"), [SECRET])
    assert leaks(gzip.compress(SECRET.encode()), [SECRET])


def test_what_holds_no_secret_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "clean").write_bytes(os.urandom(100_000))
    (tmp_path / "vault.db").write_text(SECRET)
    (tmp_path / "log").write_text(f"login with {SECRET}")

    assert list(files_with(tmp_path, [SECRET], but_not="vault")) == ["log"]


def test_a_secret_in_the_rows_of_a_database_file_is_found(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "hub.sqlite")) as hub:
        hub.execute("CREATE TABLE t (body TEXT)")
        hub.execute("INSERT INTO t VALUES (?)", (SECRET,))
        hub.commit()

    assert files_with(tmp_path, [SECRET], but_not="vault")


def test_command_lines_are_seen_while_their_processes_live() -> None:
    with CommandLines() as lines:
        subprocess.run([sys.executable, "-c", "import time; time.sleep(0.3)", SECRET], check=True)

    assert leaks(b"\n".join(lines.seen), [SECRET])
