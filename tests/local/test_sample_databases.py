"""The sample databases are whole: one that a killed start left half-filled is made anew, a whole one stays as it is."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local import sample_databases
from local.sample_databases import DATABASE, start_samples, stop_samples
from tests.support.certificates import certificate_for
from tests.support.databases import rows, run_sql

TABLES = "SELECT COUNT(*) FROM information_schema.tables WHERE table_name NOT LIKE 'pg_%' AND table_schema IN ({})"
COUNTS = {"mysql": TABLES.format(f"'{DATABASE}'"), "postgresql": TABLES.format("'public', 'sales'")}


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours catches it."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every account may enter; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="dilux-samples-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_sample_that_was_left_half_filled_is_made_anew_and_a_whole_one_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certificate_for("localhost", folder)
    play = sample_databases._play

    def killed(*arguments: Any) -> None:
        play(*arguments)
        raise Killed

    monkeypatch.setattr(sample_databases, "_play", killed)
    with pytest.raises(Killed):
        start_samples(folder, certificate)
    monkeypatch.setattr(sample_databases, "_play", play)
    samples = start_samples(folder, certificate)
    try:
        whole = [rows(sample.server, COUNTS[sample.server.family], database=DATABASE) for sample in samples]
        for sample in samples:
            run_sql(sample.server, ["CREATE TABLE of_somebody (a int)"], database=DATABASE)
    finally:
        stop_samples(samples)
    samples = start_samples(folder, certificate)
    try:
        again = [rows(sample.server, COUNTS[sample.server.family], database=DATABASE) for sample in samples]
    finally:
        stop_samples(samples)

    assert all(count > 1 for [(count,)] in whole)
    assert again == [[(count + 1,)] for [(count,)] in whole]
