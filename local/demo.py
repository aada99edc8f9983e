"""What `make run` shows: two sample databases, backed up and proven by restoring them, all through the API."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from local.api_client import ApiClient, ApiRefused
from local.sample_databases import Sample

RUN_LIMIT_SECONDS = 600
POLL_SECONDS = 0.25
BAR_WIDTH = 24
ENDED = ("completed", "partial", "failed", "cancelled", "skipped")


class DemoStopped(Exception):
    """Somebody ended the demonstration while it ran."""


@dataclass
class Proven:
    """One row of the report."""

    name: str
    backup_id: str
    verdict: str
    detail: str = ""
    bytes_read: int = 0
    bytes_stored: int = 0
    seconds: float = 0.0
    tables: int = 0
    rows: int = 0
    blob: str = ""

    @property
    def is_proven(self) -> bool:
        """True when the backup was restored and compared equal."""
        return self.verdict == "proven"


class Screen:
    """Progress as bars on a terminal, as plain lines elsewhere."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._shown: dict[str, str] = {}
        self._lines = 0

    def say(self, text: str) -> None:
        """One line that stays."""
        print(text, file=self._out, flush=True)
        self._lines = 0
        self._shown = {}

    def show(self, bars: Sequence[tuple[str, int, str]]) -> None:
        """One bar a name: percent and what is being done."""
        if self._out.isatty():
            if self._lines:
                print(f"\x1b[{self._lines}A", end="", file=self._out)
            for name, percent, doing in bars:
                filled = "█" * (BAR_WIDTH * percent // 100)
                print(f"\x1b[2K  {name:<18} {filled:░<{BAR_WIDTH}} {percent:>3} %  {doing}", file=self._out, flush=True)
            self._lines = len(bars)
            return
        for name, percent, doing in bars:
            if self._shown.get(name) != doing:
                self._shown[name] = doing
                print(f"  {name:<18} {percent:>3} %  {doing}", file=self._out, flush=True)


def register(api: ApiClient, samples: Sequence[Sample]) -> dict[str, str]:
    """Registers each sample as a database and as a target for restores; ids by name. What exists is kept up to date."""
    known = {database["name"]: database["id"] for database in api.get("/databases")["databases"]}
    targets = {target["name"]: target["id"] for target in api.get("/targets")["targets"]}
    for sample in samples:
        where = {"host": sample.server.host, "port": sample.server.port}
        login = {"username": sample.server.admin_user, "password": sample.server.admin_password}
        if sample.name in known:
            api.put(f"/databases/{known[sample.name]}", where)
        else:
            made = api.post(
                "/databases",
                {
                    **where,
                    **login,
                    "name": sample.name,
                    "type": sample.type,
                    "database": sample.database,
                    "frequency": "1h",
                    "storage_container": "sample-backups",
                    "retention_days": 7,
                    "tags": ["sample"],
                },
            )
            known[sample.name] = made["id"]
        if sample.name in targets:
            api.put(f"/targets/{targets[sample.name]}", where)
        else:
            api.post("/targets", {**where, **login, "name": sample.name, "type": sample.type})
    return {sample.name: known[sample.name] for sample in samples}


def back_up_and_prove(
    api: ApiClient, samples: Sequence[Sample], screen: Screen, stopped: threading.Event
) -> list[Proven]:
    """Backs up every sample and restores each backup beside its source; a row of the report for each.

    Raises DemoStopped soon after `stopped` is set.
    """
    ids = register(api, samples)
    targets = {target["name"]: target["id"] for target in api.get("/targets")["targets"]}
    screen.say("\nBacking up:")
    runs = {sample.name: _trigger(api, ids[sample.name], stopped) for sample in samples}
    statuses = _follow(api, {name: f"/backups/{run}/status" for name, run in runs.items()}, screen, stopped)
    proven = [_row(api, name, ids[name], runs[name], statuses[name]) for name in runs]
    stored = [row for row in proven if row.verdict == "completed"]
    if stored:
        screen.say("\nProving by restore:")
    operations = {row.name: _verify(api, row.backup_id, targets[row.name]) for row in stored}
    results = _follow(
        api, {name: f"/operations/{operation}" for name, operation in operations.items()}, screen, stopped
    )
    for row in stored:
        _judge(row, results[row.name])
    return proven


def report(rows: Sequence[Proven], out: TextIO) -> bool:
    """Prints the report; True when every backup is proven."""
    heads = ("database", "read", "stored", "ratio", "seconds", "MB/s", "tables", "rows", "verdict")
    table = [heads, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(heads))]
    print("", file=out)
    for line in table:
        print("  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip(), file=out)
    print("", file=out)
    for row in rows:
        print(f"  {row.name}: {row.blob or 'no blob'}" + (f"\n    {row.detail}" if row.detail else ""), file=out)
    good = bool(rows) and all(row.is_proven for row in rows)
    print("\n  All backups are proven." if good else "\n  NOT all backups are proven; see above.", file=out, flush=True)
    return good


def _trigger(api: ApiClient, database_id: str, stopped: threading.Event) -> str:
    """A fresh run of the database; one that is running already is followed to its end first."""
    deadline = time.monotonic() + RUN_LIMIT_SECONDS
    while True:
        try:
            return str(api.post(f"/databases/{database_id}/backup")["backup_id"])
        except ApiRefused as refusal:
            running = refusal.body.get("backup_id")
            if refusal.status != 409 or running is None or time.monotonic() > deadline:
                raise
            _pause(stopped)


def _verify(api: ApiClient, backup_id: str, target_id: str) -> str:
    body = {"rung": "restored", "target_id": target_id}
    return str(api.post(f"/backups/{backup_id}/verify", body)["operation_id"])


def _follow(
    api: ApiClient, paths: dict[str, str], screen: Screen, stopped: threading.Event
) -> dict[str, dict[str, Any]]:
    """The last status of each path, once all have ended."""
    deadline = time.monotonic() + RUN_LIMIT_SECONDS
    while True:
        found = {name: api.get(path) for name, path in paths.items()}
        screen.show([_bar(name, status) for name, status in found.items()])
        if all(status["status"] in ENDED for status in found.values()) or time.monotonic() > deadline:
            return found
        _pause(stopped)


def _pause(stopped: threading.Event) -> None:
    if stopped.wait(POLL_SECONDS):
        raise DemoStopped


def _bar(name: str, status: dict[str, Any]) -> tuple[str, int, str]:
    ended = status["status"] in ENDED
    return name, int(status.get("progress") or 0), str(status["status"] if ended else status.get("phase") or "queued")


def _row(api: ApiClient, name: str, database_id: str, backup_id: str, status: dict[str, Any]) -> Proven:
    error = status.get("error") or {}
    row = Proven(name, backup_id, str(status["status"]), detail=error.get("message") or "")
    row.bytes_read, row.bytes_stored = int(status.get("bytes_read") or 0), int(status.get("bytes_stored") or 0)
    for item in _history(api, database_id):
        if item["id"] == backup_id:
            row.seconds, row.blob = float(item.get("duration") or 0), str(item.get("blob_url") or "")
    return row


def _history(api: ApiClient, database_id: str) -> Iterator[dict[str, Any]]:
    yield from api.get(f"/databases/{database_id}/history?limit=10")["backups"]


def _judge(row: Proven, operation: dict[str, Any]) -> None:
    comparison = operation.get("comparison") or {}
    error = operation.get("error") or {}
    row.tables, row.rows = int(comparison.get("tables") or 0), int(comparison.get("rows") or 0)
    equal = operation["status"] == "completed" and row.tables > 0 and not comparison.get("differences")
    row.verdict = "proven" if equal else "NOT proven"
    row.detail = error.get("message") or ""


def _cells(row: Proven) -> tuple[str, ...]:
    ratio = f"{row.bytes_read / row.bytes_stored:.2f}" if row.bytes_stored else "-"
    rate = f"{row.bytes_read / 1e6 / row.seconds:.1f}" if row.seconds else "-"
    sizes = (f"{row.bytes_read / 1e6:.1f} MB", f"{row.bytes_stored / 1e6:.1f} MB")
    return (row.name, *sizes, ratio, f"{row.seconds:.1f}", rate, str(row.tables), str(row.rows), row.verdict)
