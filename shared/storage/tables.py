"""Rows in Table Storage: typed for Azure's rules, compared and swapped by ETag, and nothing more.

Limits: https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import EdmType, EntityProperty, TableClient, TableEntity, TableServiceClient, UpdateMode

from shared.errors import InternalError
from shared.naming import is_table_key
from shared.settings import is_url, settings
from shared.storage.access import PATIENCE_SECONDS, TIMEOUTS, credential, service_errors

Cell = str | int | float | bool | datetime

LONGEST_TEXT = 32_768
"""The longest text of a cell, in UTF-16 units of two bytes: 64 KiB."""
SHORTER_TEXTS = (LONGEST_TEXT, 4000, 1000, 200, 40)
"""UTF-16 units that each text of a document may keep, tried in turn. JSON may need six for one."""
LARGEST_ROW = 2**20
"""Bytes. Azure enforces it, Azurite does not."""
CUT = " … "


@dataclass(frozen=True)
class Row:
    """One row. Whole numbers travel as Int64, times as UTC; a cell that is None is left out."""

    partition: str
    key: str
    cells: Mapping[str, Cell | None]
    etag: str = field(default="", compare=False)

    def text(self, name: str) -> str:
        """A cell that holds text; empty when it is not there."""
        return str(self.cells.get(name, ""))

    def number(self, name: str) -> int:
        """A cell that holds a whole number; 0 when it is not there."""
        cell = self.cells.get(name, 0)
        assert isinstance(cell, int), f"{name} holds no whole number"
        return cell

    def moment(self, name: str) -> datetime:
        """A cell that holds a time."""
        cell = self.cells[name]
        assert isinstance(cell, datetime), f"{name} holds no time"
        return cell


def get(table: str, partition: str, key: str) -> Row | None:
    """The row, or None. Keys that Azure forbids are asked for without harm: there cannot be such a row."""
    if not (is_table_key(partition) and is_table_key(key)):
        return None
    with service_errors(f"Table {table}"):
        try:
            return _row(_client(table).get_entity(partition, key))
        except ResourceNotFoundError:
            return None


def insert(table: str, row: Row) -> str | None:
    """Adds the row and gives its ETag; None, and no change, when its keys are taken.

    When the answer got lost, the repeated request finds our own row: the caller sees by its cells whose it is.
    """
    with service_errors(f"Table {table}"):
        try:
            return str(_client(table).create_entity(_entity(row))["etag"])
        except ResourceExistsError:
            return None


def replace(table: str, row: Row, etag: str) -> str | None:
    """Writes the row in place of the one with this ETag; None, and no change, when that one was changed or is gone."""
    with service_errors(f"Table {table}"):
        try:
            answer = _client(table).update_entity(
                _entity(row), mode=UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified
            )
        except (ResourceModifiedError, ResourceNotFoundError):
            return None
    return str(answer["etag"])


def put(table: str, row: Row) -> str:
    """Writes the row, whatever is there, and gives its ETag."""
    with service_errors(f"Table {table}"):
        return str(_client(table).upsert_entity(_entity(row), mode=UpdateMode.REPLACE)["etag"])


def swap(table: str, old: Row | None, new: Row) -> bool:
    """Writes `new` where `old`, as read before, or nothing was; False, and no change, when that is no longer so."""
    etag = insert(table, new) if old is None else replace(table, new, old.etag)
    return etag is not None


def remove(table: str, partition: str, key: str, etag: str | None = None) -> bool:
    """Deletes the row; False, and no change, when it was changed since `etag`. A row that is not there is fine."""
    if not (is_table_key(partition) and is_table_key(key)):
        return True
    condition = MatchConditions.Unconditionally if etag is None else MatchConditions.IfNotModified
    with service_errors(f"Table {table}"):
        try:
            _client(table).delete_entity(partition, key, etag=etag, match_condition=condition)
        except ResourceModifiedError:
            return False
    return True


def query(
    table: str,
    condition: str,
    parameters: Mapping[str, Cell],
    *,
    select: Sequence[str] | None = None,
    page_rows: int = 1000,
) -> Iterator[Row]:
    """The rows that meet an OData condition with `@name` for parameters, sorted by partition and key, all pages.

    `select` names the cells that are wanted; the keys come in any case.
    """
    columns = None if select is None else ["PartitionKey", "RowKey", *select]
    with service_errors(f"Table {table}"):
        found = _client(table).query_entities(
            condition, parameters=dict(parameters), select=columns, results_per_page=page_rows
        )
        for entity in found:
            yield _row(entity)


def fit_text(text: str, units: int = LONGEST_TEXT) -> str:
    """The text, or its head and tail if it is too long; lone surrogates, which Azure refuses, are replaced."""
    whole = text.encode("utf-16-le", "surrogatepass")
    if len(whole) <= 2 * units:
        return whole.decode("utf-16-le", "replace")
    # Bytes, two for a unit; a pair that the cut splits is dropped.
    half = (units - len(CUT)) // 2 * 2
    return whole[:half].decode("utf-16-le", "ignore") + CUT + whole[-half:].decode("utf-16-le", "ignore")


def fit_document(document: Callable[[int], str]) -> str:
    """A JSON document that fits into a cell, where a cut one could not be read any more.

    `document` makes it with texts of at most so many UTF-16 units each; the first one that fits is taken.
    """
    return next(made for units in SHORTER_TEXTS if utf16_units(made := document(units)) <= LONGEST_TEXT)


def utf16_units(text: str) -> int:
    """The length of a text as Azure counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _entity(row: Row) -> dict[str, Cell | EntityProperty]:
    if not (is_table_key(row.partition) and is_table_key(row.key)):
        raise InternalError(
            f"{row.partition!r}, {row.key!r} cannot be the keys of a row; this is a fault of the product."
        )
    entity: dict[str, Cell | EntityProperty] = {"PartitionKey": row.partition, "RowKey": row.key}
    entity.update((name, _cell(cell)) for name, cell in row.cells.items() if cell is not None)
    size = _size(entity)
    if size > LARGEST_ROW:
        raise InternalError(f"Row {row.partition!r}, {row.key!r} has {size} bytes; a row has at most 1 MiB.")
    return entity


def _cell(cell: Cell) -> Cell | EntityProperty:
    if isinstance(cell, datetime) and cell.tzinfo is None:
        raise InternalError("A time without a zone was to be stored; this is a fault of the product.")
    if isinstance(cell, int) and not isinstance(cell, bool):
        return EntityProperty(cell, EdmType.INT64)
    return fit_text(cell) if isinstance(cell, str) else cell


def _size(entity: Mapping[str, Cell | EntityProperty]) -> int:
    """Bytes of a row as Azure counts them: names and texts in UTF-16, 8 for each cell and number."""
    size = 4
    for name, cell in entity.items():
        size += 8 + 2 * utf16_units(name) + (4 + 2 * utf16_units(cell) if isinstance(cell, str) else 8)
    return size


def _row(entity: TableEntity) -> Row:
    cells = {name: _plain(cell) for name, cell in entity.items() if name not in ("PartitionKey", "RowKey")}
    return Row(
        partition=entity["PartitionKey"], key=entity["RowKey"], cells=cells, etag=str(entity.metadata.get("etag") or "")
    )


def _plain(cell: Cell | EntityProperty) -> Cell:
    """Without the SDK's own types."""
    if isinstance(cell, EntityProperty):
        return _plain(cell.value)
    if isinstance(cell, datetime):
        return datetime.combine(cell.date(), cell.time(), tzinfo=UTC)
    return cell


def _client(table: str) -> TableClient:
    return _created(settings().tables_account, table)


@cache
def _created(account: str, table: str) -> TableClient:
    """The client of a table that is there: created on first use."""
    client = _service(account).get_table_client(table)
    try:
        client.create_table()
    except ResourceExistsError as error:
        if getattr(error, "error_code", "") != "TableAlreadyExists":  # it is being deleted
            raise
    return client


@lru_cache(maxsize=1)
def _service(account: str) -> TableServiceClient:
    # The tables' SDK takes no retry policy, only the numbers for its own.
    patience: dict[str, Any] = {"retry_total": 3, "retry_backoff_factor": 0.3, "timeout": PATIENCE_SECONDS}
    if is_url(account):
        return TableServiceClient(account, credential=credential(), **patience, **TIMEOUTS)
    return TableServiceClient.from_connection_string(account, **patience, **TIMEOUTS)
