"""Progress rows on a real table service: they never go back, and cost one request."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared import progress
from shared.models.run import Progress
from shared.storage import tables
from shared.storage.tables import utf16_units
from tests.support.cloud import fresh_id

pytestmark = pytest.mark.usefixtures("cloud")

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def run() -> str:
    return fresh_id("run")


def at(run: str, phase: str, percent: int = 0, **fields: Any) -> Progress:
    return Progress(id=run, phase=phase, percent=percent, **({"updated_at": NOW} | fields))


def read(run: str) -> Progress:
    found = progress.read(run)
    assert found is not None
    return found


def test_progress_is_read_as_it_was_written(run: str) -> None:
    shown = at(
        run,
        "dumping",
        40,
        bytes_read=5_000_000_000,
        bytes_stored=2_000_000_000,
        bytes_per_second=100_000_000,
        eta_at=NOW + timedelta(minutes=1),
        logs=("Starting backup process...", "Dumping tables... (40% complete)"),
    )

    progress.write(shown)

    assert progress.read(run) == shown


@pytest.mark.parametrize("id", ["never-seen", "../x", "a/b#c?d"])
def test_what_never_showed_progress_has_none(id: str) -> None:
    assert progress.read(id) is None


def test_r_255_percent_never_goes_back_though_a_second_attempt_begins_at_nothing(run: str) -> None:
    seen = []
    for percent in (0, 10, 65, 0, 30, 65, 80):
        progress.write(at(run, "dumping", percent))
        seen.append(read(run).percent)

    assert seen == [0, 10, 65, 65, 65, 65, 80]


def test_the_phases_of_a_backup_never_go_back(run: str) -> None:
    seen = []
    for phase in ("dumping", "verifying", "dumping", "recording", "queued", "done"):
        progress.write(at(run, phase))
        seen.append(read(run).phase)

    assert seen == ["dumping", "verifying", "verifying", "recording", "recording", "done"]


def test_other_phases_are_shown_as_they_come(run: str) -> None:
    for phase in ("restoring", "comparing", "restoring"):
        progress.write(at(run, phase))

        assert read(run).phase == phase


def test_what_is_measured_is_that_of_the_last_writer(run: str) -> None:
    progress.write(at(run, "dumping", 50, bytes_read=1000, bytes_per_second=10))
    progress.write(at(run, "dumping", 10, bytes_read=5, bytes_per_second=7, updated_at=NOW + timedelta(seconds=2)))

    shown = read(run)
    assert (shown.bytes_read, shown.bytes_per_second, shown.updated_at) == (5, 7, NOW + timedelta(seconds=2))


def test_lines_are_added_once_and_the_oldest_go(run: str) -> None:
    progress.write(at(run, "dumping", logs=("one", "two")))
    progress.write(at(run, "dumping", logs=("one", "two", "three")))
    progress.write(at(run, "verifying", logs=("four",)))
    assert read(run).logs == ("one", "two", "three", "four")

    progress.write(at(run, "verifying", logs=tuple(f"line {number}" for number in range(60))))

    assert read(run).logs == tuple(f"line {number}" for number in range(10, 60))


def test_long_lines_are_cut(run: str) -> None:
    progress.write(at(run, "dumping", logs=("🚀" * 5000, *("x" * 1000 + str(number) for number in range(49)))))

    assert all(utf16_units(line) <= progress.LONGEST_LINE for line in read(run).logs)
    assert len(read(run).logs) == 50


def test_a_write_after_the_first_is_one_request(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    progress.write(at(run, "dumping", 1))
    requests: list[str] = []
    for name in ("get", "insert", "replace"):
        original = getattr(tables, name)

        def counted(*arguments: Any, name: str = name, original: Any = original) -> Any:
            requests.append(name)
            return original(*arguments)

        monkeypatch.setattr(tables, name, counted)

    progress.write(at(run, "dumping", 2))

    assert requests == ["replace"]


def test_what_another_process_showed_meanwhile_counts(run: str) -> None:
    progress.write(at(run, "dumping", 10))
    tables.put("RunProgress", tables.Row(run, "progress", {"Progress": at(run, "verifying", 70).model_dump_json()}))

    progress.write(at(run, "dumping", 20, bytes_read=9))

    assert (read(run).phase, read(run).percent, read(run).bytes_read) == ("verifying", 70, 9)


def test_a_row_that_always_changes_stops_nobody(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    progress.write(at(run, "dumping", 10))
    replace = tables.replace

    def somebody_was_first(table: str, row: tables.Row, etag: str) -> str | None:
        tables.put(table, row)
        return replace(table, row, etag)

    monkeypatch.setattr(tables, "replace", somebody_was_first)

    progress.write(at(run, "dumping", 20))

    assert read(run).percent == 20


def test_lines_of_control_characters_stay_readable(run: str) -> None:
    """JSON needs six characters for each, and a row that was cut could not be read any more, nor written again."""
    noise = tuple(f"{number} " + "\x01" * 197 for number in range(50))
    progress.write(at(run, "dumping", logs=noise))
    progress.write(at(run, "dumping", logs=("after it",)))

    assert read(run).logs[-1] == "after it"
    assert len(read(run).logs) == 50
