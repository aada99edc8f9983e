"""Who may back up a database: one row for each database, held by one run, with an expiry.

The row is the only judge. It is inserted, taken over, renewed and deleted under conditions that the table service
checks, so that of any number of takers one wins. A claim that is not renewed expires, so that a dead run blocks nobody.
"""

from collections.abc import Callable
from datetime import timedelta

from pydantic import AwareDatetime

from shared import clock, history
from shared.errors import Cancelled, ConfigurationUnavailable, Conflict, Replaced, WorkerLost
from shared.models import Value
from shared.storage import tables
from shared.storage.tables import Cell, Row

CLAIMS = "RunClaims"
KEY = "run"
TRIES = 100


class Claim(Value):
    """The hold of one run on a database."""

    database_id: str
    backup_id: str
    execution: str = ""
    """Which execution of the streaming activity works for the run; empty before the first."""
    expires_at: AwareDatetime
    cancelled: bool = False
    """Whether somebody asked the run to stop."""


def take(database_id: str, backup_id: str, seconds: float = 120) -> Claim:
    """The claim for a run; the run that holds it already keeps it, and is given at least `seconds` more.

    Raises Conflict, with the id of the run in the way, when another run holds the database.
    """
    for _ in range(TRIES):
        row = _row(database_id)
        wanted = Claim(
            database_id=database_id, backup_id=backup_id, expires_at=clock.now() + timedelta(seconds=seconds)
        )
        if row is not None:
            held = _claim(row)
            if held.backup_id == backup_id:
                wanted = held.model_copy(update={"expires_at": max(held.expires_at, wanted.expires_at)})
            elif not _is_over(held):
                raise Conflict(f"{database_id} is being backed up by {held.backup_id}.", backup_id=held.backup_id)
        if tables.swap(CLAIMS, row, _row_of(wanted)):
            return wanted
    raise _contended(database_id)


def keep(database_id: str, backup_id: str, execution: str = "", *, seconds: float = 600) -> None:
    """Extends the claim to `seconds` from now, unless it lasts longer; the one question that working code asks.

    Raises Cancelled when the run shall stop; Replaced when the claim is gone or another run holds it; WorkerLost when
    another execution of this run took over. An empty `execution` speaks for the run whatever its execution.
    """
    _extend(database_id, backup_id, seconds, lambda held: _of_execution(held, execution))


def begin_execution(database_id: str, backup_id: str, execution: str, *, seconds: float = 600) -> None:
    """Makes `execution` the one that works for the run, and extends the claim; an earlier one then learns it at `keep`.

    Raises Cancelled and Replaced as `keep` does.
    """
    _extend(database_id, backup_id, seconds, lambda held: held.model_copy(update={"execution": execution}))


def cancel(database_id: str, backup_id: str) -> bool:
    """Asks the run to stop; it learns so when it renews its claim. False when the run holds no claim."""
    for _ in range(TRIES):
        row = _row(database_id)
        held = None if row is None else _claim(row)
        if row is None or held is None or held.backup_id != backup_id:
            return False
        if held.cancelled or tables.swap(CLAIMS, row, _row_of(held.model_copy(update={"cancelled": True}))):
            return True
    raise _contended(database_id)


def release(database_id: str, backup_id: str) -> None:
    """Frees the database, if this run holds it."""
    for _ in range(TRIES):
        row = _row(database_id)
        if row is None or _claim(row).backup_id != backup_id or tables.remove(CLAIMS, database_id, KEY, row.etag):
            return
    raise _contended(database_id)


def holder(database_id: str) -> Claim | None:
    """The claim on a database, which may have expired; None when there is none."""
    row = _row(database_id)
    return None if row is None else _claim(row)


def _extend(database_id: str, backup_id: str, seconds: float, change: Callable[[Claim], Claim]) -> None:
    for _ in range(TRIES):
        row = _row(database_id)
        if row is None:
            raise Replaced(f"{backup_id} no longer holds {database_id}: its claim was released.")
        held = _claim(row)
        if held.backup_id != backup_id:
            raise Replaced(f"{backup_id} no longer holds {database_id}: {held.backup_id} does.")
        changed = change(held)
        if held.cancelled:
            raise Cancelled(f"{backup_id} was cancelled.")
        expires_at = max(held.expires_at, clock.now() + timedelta(seconds=seconds))
        if tables.swap(CLAIMS, row, _row_of(changed.model_copy(update={"expires_at": expires_at}))):
            return
    raise _contended(database_id)


def _of_execution(held: Claim, execution: str) -> Claim:
    """The claim as it is; WorkerLost when another execution works for the run: the engine gave this one up."""
    if execution and held.execution != execution:
        raise WorkerLost(f"Another execution of {held.backup_id} took over.")
    return held


def _is_over(held: Claim) -> bool:
    """Whether another run may take the claim: it expired, or its run has ended and only forgot it."""
    if held.expires_at <= clock.now():
        return True
    run = history.get(held.backup_id, tenant=None)
    return run is not None and run.status.is_final


def _row(database_id: str) -> Row | None:
    return tables.get(CLAIMS, database_id, KEY)


def _claim(row: Row) -> Claim:
    return Claim(
        database_id=row.partition,
        backup_id=row.text("BackupId"),
        execution=row.text("Execution"),
        expires_at=row.moment("ExpiresAt"),
        cancelled=row.text("Wanted") == "cancel",
    )


def _row_of(claim: Claim) -> Row:
    cells: dict[str, Cell | None] = {
        "BackupId": claim.backup_id,
        "Execution": claim.execution,
        "ExpiresAt": claim.expires_at,
        "Wanted": "cancel" if claim.cancelled else "run",
    }
    return Row(claim.database_id, KEY, cells)


def _contended(database_id: str) -> ConfigurationUnavailable:
    return ConfigurationUnavailable(f"The claim on {database_id} is written by too many at once.")
