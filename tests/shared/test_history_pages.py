"""Pages of history: newest first, in one order, with true totals."""

from datetime import timedelta

import pytest

from shared.history import RunPage, pages
from tests.support.cloud import fresh_id
from tests.support.history import COMPLETED, FAILED, START, Recorder, ids, runs

__all__ = ["runs"]

pytestmark = pytest.mark.usefixtures("cloud")


def test_r_252_pages_are_newest_first_with_the_whole_total(runs: Recorder) -> None:
    made = [runs.record() for _ in range(12)]
    newest_first = ids(made[::-1])

    first, last, beyond = runs.page(5, 0), runs.page(5, 10), runs.page(5, 99_999)

    assert (ids(first), first.total, first.total_is_at_least) == (newest_first[:5], 12, False)
    assert (ids(last), last.total) == (newest_first[10:], 12)
    assert (ids(beyond), beyond.total) == ([], 12)


def test_br_102_runs_of_one_second_are_shown_once_each_on_pages_of_one(runs: Recorder) -> None:
    made = [runs.record(hours=1) for _ in range(3)]

    for everything in (False, True):
        shown = [ids(runs.page(1, offset, everything=everything))[0] for offset in range(3)]
        assert shown == sorted(ids(made))


def test_pages_over_all_databases_are_in_one_order(runs: Recorder) -> None:
    databases = [fresh_id() for _ in range(3)]
    made = [runs.record(FAILED if hour % 4 == 0 else COMPLETED, database_id=databases[hour % 3]) for hour in range(10)]

    assert ids(runs.page(everything=True)) == ids(made[::-1])
    assert ids(runs.page(4, 3, everything=True)) == ids(made[::-1])[3:7]
    assert runs.page(4, 3, everything=True).total == 10
    failed = runs.page(everything=True, status=FAILED)
    assert (ids(failed), failed.total) == ([run.backup_id for run in made[::-1] if run.status is FAILED], 3)


@pytest.mark.parametrize("everything", [False, True])
def test_pages_can_be_bounded_in_time(runs: Recorder, everything: bool) -> None:
    # The first two of these runs are in January, the others in February.
    made = [runs.record(FAILED if hour == 3 else COMPLETED) for hour in range(6)]
    since, until = START + timedelta(hours=1), START + timedelta(hours=4)

    within = runs.page(everything=everything, since=since, until=until)
    later = runs.page(everything=everything, since=since + timedelta(microseconds=1))
    earlier = runs.page(everything=everything, until=until + timedelta(microseconds=1))
    failed = runs.page(everything=everything, since=since, until=until, status=FAILED)

    assert (ids(within), within.total) == (ids(made[3:0:-1]), 3)
    assert ids(later) == ids(made[5:1:-1])
    assert ids(earlier) == ids(made[4::-1])
    assert (ids(failed), failed.total) == ([made[3].backup_id], 1)
    assert runs.page(everything=everything, since=until, until=since) == RunPage(runs=(), total=0)


def test_a_count_without_counters_stops_and_says_so(runs: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "COUNT_LIMIT", 3)
    for _ in range(3):
        runs.record()
    exact = runs.page(since=START)

    runs.record()
    more = runs.page(since=START)

    assert (exact.total, exact.total_is_at_least) == (3, False)
    assert (more.total, more.total_is_at_least) == (3, True)
