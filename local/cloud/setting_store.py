"""What the local App Configuration keeps: key-values by key and label, with their revisions.

One table holds every revision; the newest of a key and label is what it is now. A deletion is a revision, too, one
that nobody is shown.
"""

import json
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from local.cloud.sqlite_file import SqliteFile

REVISION_LIFETIME = timedelta(days=30)  # as in the Standard tier

SCHEMA = """
CREATE TABLE IF NOT EXISTS revisions (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    label TEXT NOT NULL, -- '' for none: App Configuration does not tell them apart
    etag TEXT NOT NULL,
    value TEXT,
    content_type TEXT,
    tags TEXT NOT NULL, -- JSON
    locked INTEGER NOT NULL,
    last_modified TEXT NOT NULL, -- ISO 8601, UTC
    deleted INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS revisions_of_setting ON revisions (key, label, position);
"""


class PreconditionFailed(Exception):
    """The setting is not as the request's condition wants it."""


class SettingLocked(Exception):
    """The setting is read-only. The message is its key."""


@dataclass(frozen=True)
class Content:
    """What a client writes into a setting."""

    value: str | None
    content_type: str | None
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Setting:
    """One revision of a key-value; label is "" for none; position orders all revisions by their making."""

    position: int
    key: str
    label: str
    etag: str
    content: Content
    locked: bool
    last_modified: datetime


@dataclass(frozen=True)
class Condition:
    """The entity tags of If-Match and If-None-Match (RFC 9110), without quotes; "*" stands for any."""

    if_match: str | None = None
    if_none_match: str | None = None

    def matches(self, etag: str | None) -> bool:
        """Whether If-Match allows the request on something with this tag; None is nothing there."""
        return self.if_match is None or (etag is not None and self.if_match in ("*", etag))

    def differs(self, etag: str | None) -> bool:
        """Whether If-None-Match allows the request on something with this tag; None is nothing there."""
        return self.if_none_match is None or etag is None or self.if_none_match not in ("*", etag)


class SettingStore:
    """The configuration at path. Every method is one transaction; threads may call at the same time."""

    def __init__(self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._file = SqliteFile(path, SCHEMA)
        self._now = now

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def get(self, key: str, label: str) -> Setting | None:
        """The setting as it is now, if it is there."""
        with self._file.transaction() as connection:
            return _newest(connection, key, label)

    def put(self, key: str, label: str, content: Content, condition: Condition) -> Setting:
        """The setting with this content; the same revision if it had it. Raises PreconditionFailed, SettingLocked."""
        with self._file.transaction() as connection:
            existing = _writable(connection, key, label, condition)
            if existing is not None and existing.content == content:
                return existing
            return self._add(connection, key, label, content)

    def delete(self, key: str, label: str, condition: Condition) -> Setting | None:
        """The setting that was there and now is not. Raises PreconditionFailed, SettingLocked."""
        with self._file.transaction() as connection:
            existing = _writable(connection, key, label, condition)
            if existing is not None:
                self._add(connection, key, label, Content(None, None, {}), deleted=True)
            return existing

    def lock(self, key: str, label: str, locked: bool, condition: Condition) -> Setting | None:
        """The setting, read-only or not, if it is there. Raises PreconditionFailed."""
        with self._file.transaction() as connection:
            existing = _wanted(connection, key, label, condition)
            if existing is None or existing.locked == locked:
                return existing
            return self._add(connection, key, label, existing.content, locked=locked)

    def settings(self) -> list[Setting]:
        """All settings as they are now, by key and label."""
        with self._file.transaction() as connection:
            rows = connection.execute(
                "SELECT * FROM revisions WHERE deleted = 0 AND position IN"
                " (SELECT max(position) FROM revisions GROUP BY key, label) ORDER BY key, label"
            )
            return [_setting(row) for row in rows]

    def revisions(self) -> list[Setting]:
        """All revisions of all settings, the newest first."""
        with self._file.transaction() as connection:
            rows = connection.execute("SELECT * FROM revisions WHERE deleted = 0 ORDER BY position DESC")
            return [_setting(row) for row in rows]

    def sequence(self) -> int:
        """A number that grows with every change."""
        with self._file.transaction() as connection:
            row = connection.execute("SELECT max(position) FROM revisions").fetchone()
            return int(row[0] or 0)

    def _add(
        self,
        connection: sqlite3.Connection,
        key: str,
        label: str,
        content: Content,
        *,
        locked: bool = False,
        deleted: bool = False,
    ) -> Setting:
        now = self._now()
        connection.execute(
            "DELETE FROM revisions WHERE key = ? AND label = ? AND last_modified < ?",
            (key, label, (now - REVISION_LIFETIME).isoformat()),
        )
        etag = secrets.token_urlsafe(16)
        position = connection.execute(
            "INSERT INTO revisions (key, label, etag, value, content_type, tags, locked, last_modified, deleted)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                key,
                label,
                etag,
                content.value,
                content.content_type,
                json.dumps(dict(content.tags)),
                locked,
                now.isoformat(),
                deleted,
            ),
        ).lastrowid
        assert position is not None
        return Setting(position, key, label, etag, content, locked, now)


def _writable(connection: sqlite3.Connection, key: str, label: str, condition: Condition) -> Setting | None:
    existing = _wanted(connection, key, label, condition)
    if existing is not None and existing.locked:
        raise SettingLocked(key)
    return existing


def _wanted(connection: sqlite3.Connection, key: str, label: str, condition: Condition) -> Setting | None:
    existing = _newest(connection, key, label)
    etag = None if existing is None else existing.etag
    if not (condition.matches(etag) and condition.differs(etag)):
        raise PreconditionFailed
    return existing


def _newest(connection: sqlite3.Connection, key: str, label: str) -> Setting | None:
    row = connection.execute(
        "SELECT * FROM revisions WHERE key = ? AND label = ? ORDER BY position DESC LIMIT 1", (key, label)
    ).fetchone()
    return None if row is None or row["deleted"] else _setting(row)


def _setting(row: sqlite3.Row) -> Setting:
    return Setting(
        position=row["position"],
        key=row["key"],
        label=row["label"],
        etag=row["etag"],
        content=Content(row["value"], row["content_type"], json.loads(row["tags"])),
        locked=bool(row["locked"]),
        last_modified=datetime.fromisoformat(row["last_modified"]),
    )
