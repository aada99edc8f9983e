import stat
from pathlib import Path

import pytest

from local.cloud.private_file import make_private_folder, write_private_file

pytestmark = pytest.mark.unit


def test_only_the_owner_may_read_a_written_file(tmp_path: Path) -> None:
    write_private_file(tmp_path / "secret", b"content")

    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert (tmp_path / "secret").read_bytes() == b"content"


def test_a_rewritten_file_leaves_no_draft_beside_it(tmp_path: Path) -> None:
    write_private_file(tmp_path / "secret", b"long old content")
    write_private_file(tmp_path / "secret", b"new")

    assert (tmp_path / "secret").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_folder_that_everybody_could_read_becomes_private(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True, mode=0o755)

    make_private_folder(folder)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
