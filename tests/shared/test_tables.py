"""Rows on a real table service, by the real SDK and the installation's identity."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ConfigurationUnavailable, InternalError
from shared.storage import tables
from shared.storage.tables import CUT, LARGEST_ROW, LONGEST_TEXT, Cell, Row, fit_text, utf16_units
from tests.support.cloud import forget_settings
from tests.support.loopback_ports import closed_port

TABLE = "TestRows"
numbers = count(1)


@pytest.fixture
def partition(cloud: object) -> Iterator[str]:
    """A partition of one test's own."""
    yield f"partition-{next(numbers)}"


def row(partition: str, key: str = "a", **cells: Cell | None) -> Row:
    return Row(partition, key, cells)


def test_a_row_comes_back_as_it_was_written(partition: str) -> None:
    moment = datetime(2026, 3, 29, 1, 0, 0, 123456, tzinfo=UTC)
    cells: dict[str, Cell | None] = {
        "Text": "🚀 ñ漢 'x' %",
        "Small": 7,
        "Large": 5_000_000_000_000,
        "Negative": -1,
        "True": True,
        "False": False,
        "Share": 0.25,
        "Moment": moment,
        "Empty": "",
    }

    tables.insert(TABLE, Row(partition, "a", cells | {"Nothing": None}))

    found = tables.get(TABLE, partition, "a")
    assert found == Row(partition, "a", cells)
    assert {name: type(cell) for name, cell in found.cells.items()} == {
        name: type(cell) for name, cell in cells.items()
    }
    assert found.moment("Moment").tzinfo is UTC
    assert (found.text("Missing"), found.number("Missing")) == ("", 0)


def test_times_of_any_zone_are_kept_as_utc(partition: str) -> None:
    moment = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))

    tables.insert(TABLE, row(partition, Moment=moment))

    found = tables.get(TABLE, partition, "a")
    assert found is not None
    assert found.moment("Moment") == moment


def test_a_time_without_a_zone_is_refused(partition: str) -> None:
    with pytest.raises(InternalError, match="without a zone"):
        tables.insert(TABLE, row(partition, Moment=datetime(2026, 7, 1)))  # noqa: DTZ001 - what is refused


def test_an_insert_does_not_overwrite(partition: str) -> None:
    assert tables.insert(TABLE, row(partition, A=1))

    assert tables.insert(TABLE, row(partition, A=2)) is None
    assert tables.get(TABLE, partition, "a") == row(partition, A=1)


def test_a_replacement_needs_the_etag_of_what_is_there(partition: str) -> None:
    first = tables.insert(TABLE, row(partition, A=1))
    assert first is not None
    second = tables.replace(TABLE, row(partition, B=2), first)

    assert second is not None
    assert tables.replace(TABLE, row(partition, A=3), first) is None
    found = tables.get(TABLE, partition, "a")
    assert found == row(partition, B=2)
    assert found.etag == second


def test_what_is_gone_is_not_replaced(partition: str) -> None:
    etag = tables.insert(TABLE, row(partition))
    assert etag is not None
    assert tables.remove(TABLE, partition, "a")

    assert tables.replace(TABLE, row(partition), etag) is None
    assert tables.get(TABLE, partition, "a") is None


def test_a_swap_is_an_insert_or_a_replacement(partition: str) -> None:
    assert tables.swap(TABLE, None, row(partition, A=1))
    assert not tables.swap(TABLE, None, row(partition, A=2))

    read = tables.get(TABLE, partition, "a")

    assert tables.swap(TABLE, read, row(partition, A=3))
    assert not tables.swap(TABLE, read, row(partition, A=4))
    assert tables.get(TABLE, partition, "a") == row(partition, A=3)


def test_put_writes_whatever_is_there(partition: str) -> None:
    tables.put(TABLE, row(partition, A=1))
    etag = tables.put(TABLE, row(partition, B=2))

    found = tables.get(TABLE, partition, "a")
    assert found == row(partition, B=2)
    assert found.etag == etag


def test_a_row_that_changed_is_not_removed(partition: str) -> None:
    etag = tables.insert(TABLE, row(partition, A=1))
    tables.put(TABLE, row(partition, A=2))

    assert not tables.remove(TABLE, partition, "a", etag)
    assert tables.get(TABLE, partition, "a") == row(partition, A=2)
    assert tables.remove(TABLE, partition, "a")
    assert tables.remove(TABLE, partition, "a")


def test_br_59_a_query_goes_on_to_its_last_page(partition: str) -> None:
    for key in range(5):
        tables.put(TABLE, row(partition, str(key), A=key))

    found = list(tables.query(TABLE, "PartitionKey eq @p", {"p": partition}, page_rows=2))

    assert [(found_row.key, found_row.number("A")) for found_row in found] == [(str(key), key) for key in range(5)]


def test_a_query_takes_parameters_of_all_kinds(partition: str) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    tables.put(TABLE, row(partition, "old", Name="it's", At=moment, Size=2**40, Good=True))
    tables.put(TABLE, row(partition, "new", Name="it's", At=moment + timedelta(seconds=1), Size=2**40, Good=True))
    condition = "PartitionKey eq @p and Name eq @name and At gt @at and Size ge @size and Good eq @good"

    parameters: dict[str, Cell] = {"p": partition, "name": "it's", "at": moment, "size": 2**40, "good": True}

    assert [found.key for found in tables.query(TABLE, condition, parameters)] == ["new"]


def test_a_query_gives_only_the_cells_that_are_wanted(partition: str) -> None:
    tables.put(TABLE, row(partition, A=1, B=2))

    assert list(tables.query(TABLE, "PartitionKey eq @p", {"p": partition}, select=["A"])) == [row(partition, A=1)]


def test_br_89_forbidden_keys_are_not_found_and_not_written(partition: str) -> None:
    assert tables.get(TABLE, partition, "a/b#c?d") is None
    assert tables.get(TABLE, "a/b", "a") is None
    assert tables.remove(TABLE, partition, "../x")
    with pytest.raises(InternalError, match="cannot be the keys"):
        tables.insert(TABLE, row(partition, "a/b#c?d"))


def test_br_90_a_long_text_is_cut_not_refused(partition: str) -> None:
    tables.put(TABLE, row(partition, Rockets="🚀" * 20_000, Letters="x" * LONGEST_TEXT))

    found = tables.get(TABLE, partition, "a")

    assert found is not None
    assert found.text("Letters") == "x" * LONGEST_TEXT
    assert utf16_units(found.text("Rockets")) <= LONGEST_TEXT
    assert found.text("Rockets").startswith("🚀🚀")
    assert CUT in found.text("Rockets")


def test_a_row_over_one_mebibyte_is_refused_though_azurite_takes_it(partition: str) -> None:
    cells = {f"C{number}": "x" * LONGEST_TEXT for number in range(16)}

    with pytest.raises(InternalError, match="at most 1 MiB"):
        tables.put(TABLE, row(partition, **cells))

    del cells["C0"]
    tables.put(TABLE, row(partition, **cells))
    assert sum(2 * utf16_units(cell) for cell in cells.values()) < LARGEST_ROW


@given(st.text(st.characters(codec=None), max_size=40), st.integers(5, 30))
def test_a_fitted_text_fits_and_keeps_head_and_tail(text: str, units: int) -> None:
    fitted = fit_text(text, units)

    assert utf16_units(fitted) <= units
    fitted.encode()
    if utf16_units(text) <= units:
        assert fitted == text or not text.isprintable()
    else:
        head, _, tail = fitted.partition(CUT)
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        assert whole.startswith(head[:-1])
        assert whole.endswith(tail[1:])


def test_a_service_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "BACKUP_TABLES_ACCOUNT",
        "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=c2VjcmV0;"
        f"TableEndpoint=http://127.0.0.1:{closed_port()}/a",
    )
    forget_settings()

    with pytest.raises(ConfigurationUnavailable, match=r"Table TestRows does not answer \(ServiceRequestError\)"):
        tables.get(TABLE, "a", "b")

    forget_settings()
