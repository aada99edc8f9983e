"""Pages of history, newest first, of one database or of all."""

from collections.abc import Iterator, Sequence
from itertools import islice

from pydantic import AwareDatetime

from shared import naming
from shared.history.counters import total
from shared.history.index import INDEX
from shared.history.rows import HISTORY, run_from
from shared.models import Value
from shared.models.run import RunRecord, RunStatus
from shared.storage import tables
from shared.storage.tables import Cell

COUNT_LIMIT = 10_000
"""Runs that are counted at most where no counter answers."""

Place = tuple[str, str]
"""Database id and row key of a run."""


class Selection(Value):
    """Which runs are wanted. A run's time is the one in its id: when it was asked for, to the second."""

    tenant: str
    database_id: str | None = None
    status: RunStatus | None = None
    since: AwareDatetime | None = None
    """The first moment that counts."""
    until: AwareDatetime | None = None
    """The first moment that counts no more."""


class RunPage(Value):
    """A page of history, newest first, and how many runs there are in all."""

    runs: tuple[RunRecord, ...]
    total: int
    total_is_at_least: bool = False
    """True when counting stopped at `COUNT_LIMIT`."""


def page(selection: Selection, *, limit: int, offset: int) -> RunPage:
    """At most `limit` runs after the first `offset`; runs of one second are in the order of their ids."""
    runs = _fetched(list(islice(_places(selection), offset, offset + limit)), selection)
    if selection.since is None and selection.until is None and (selection.status is None or selection.status.is_final):
        return RunPage(runs=tuple(runs), total=total(selection.tenant, selection.database_id, selection.status))
    found = sum(1 for _ in islice(_places(selection), COUNT_LIMIT + 1))
    return RunPage(runs=tuple(runs), total=min(found, COUNT_LIMIT), total_is_at_least=found > COUNT_LIMIT)


def _places(selection: Selection) -> Iterator[Place]:
    """Where the selected runs lie, newest first."""
    condition, parameters = _condition(selection)
    if selection.database_id is not None:
        condition += " and PartitionKey eq @database"
        parameters["database"] = selection.database_id
        for row in tables.query(HISTORY, condition, parameters, select=[]):
            yield row.partition, row.key
        return
    if selection.since is not None:
        condition += " and PartitionKey le @oldest"
        parameters["oldest"] = naming.index_partition(selection.since)
    if selection.until is not None:
        condition += " and PartitionKey ge @newest"
        parameters["newest"] = naming.index_partition(selection.until)
    for row in tables.query(INDEX, condition, parameters, select=["DatabaseId"]):
        yield row.text("DatabaseId"), row.key


def _condition(selection: Selection) -> tuple[str, dict[str, Cell]]:
    """What holds for a row of history and for an entry of the index alike."""
    condition = "TenantId eq @tenant"
    parameters: dict[str, Cell] = {"tenant": selection.tenant}
    if selection.status is not None:
        condition += " and Status eq @status"
        parameters["status"] = selection.status.value
    # Keys are the inverted time, a hyphen and the id; the full stop is the sign after the hyphen.
    if selection.since is not None:
        condition += " and RowKey lt @since"
        parameters["since"] = f"{naming.newest_first(selection.since)}."
    if selection.until is not None:
        condition += " and RowKey gt @until"
        parameters["until"] = f"{naming.newest_first(selection.until)}."
    return condition, parameters


def _fetched(places: Sequence[Place], selection: Selection) -> list[RunRecord]:
    """The runs at these places, in their order. Those of one database lie together: one question for each database."""
    condition, parameters = _condition(selection)
    condition += " and PartitionKey eq @database and RowKey ge @first and RowKey le @last"
    found: dict[Place, RunRecord] = {}
    for database in {database for database, _ in places}:
        keys = [key for owner, key in places if owner == database]
        bounds: dict[str, Cell] = {"database": database, "first": keys[0], "last": keys[-1]}
        for row in tables.query(HISTORY, condition, parameters | bounds):
            found[row.partition, row.key] = run_from(row)
    return [found[place] for place in places if place in found]
