"""What the local Key Vault keeps: secrets with their versions, and the states a name goes through when deleted.

active -> being deleted -> deleted -> being recovered -> active; from deleted, purge frees the name. The two states
in between last a moment, as in Azure, so that clients which do not wait are found out here.
"""

import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from local.cloud.sqlite_file import SqliteFile

LAG_SECONDS = 0.5

SCHEMA = """
CREATE TABLE IF NOT EXISTS names (
    name TEXT PRIMARY KEY COLLATE NOCASE, -- Key Vault compares names so
    deleted INTEGER NOT NULL,
    changed REAL NOT NULL -- Unix time of the last deletion or recovery
);
CREATE TABLE IF NOT EXISTS versions (
    position INTEGER PRIMARY KEY AUTOINCREMENT, -- the highest of a name is its latest version
    name TEXT NOT NULL COLLATE NOCASE REFERENCES names (name) ON DELETE CASCADE,
    version TEXT NOT NULL UNIQUE,
    value TEXT NOT NULL,
    content_type TEXT,
    tags TEXT, -- JSON
    enabled INTEGER NOT NULL,
    not_before INTEGER,
    expires INTEGER,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS versions_of_name ON versions (name, position);
"""
LATEST = "position = (SELECT max(position) FROM versions AS other WHERE other.name = versions.name)"


class NameState(StrEnum):
    """What a known name is at a moment; the values are the inner error codes of the conflict it causes."""

    ACTIVE = "Active"
    BEING_DELETED = "ObjectIsBeingDeleted"
    DELETED = "ObjectIsDeletedButRecoverable"
    BEING_RECOVERED = "ObjectIsBeingRecovered"


class SecretNotFound(Exception):
    """There is no such secret, version or deleted secret now. The message is the name."""


class NameConflict(Exception):
    """The state of the name does not allow this now."""

    def __init__(self, name: str, state: NameState) -> None:
        super().__init__(name)
        self.name = name
        self.state = state


@dataclass(frozen=True)
class Attributes:
    """What is known about a secret beside its value; times are Unix seconds. For a change, None leaves as it is."""

    content_type: str | None
    tags: Mapping[str, str] | None
    enabled: bool | None
    not_before: int | None
    expires: int | None


@dataclass(frozen=True)
class Secret:
    """One version of a secret; position orders all versions of the vault by their making."""

    name: str
    version: str
    value: str
    attributes: Attributes
    created: int
    updated: int
    position: int
    deleted: float | None  # when its name was deleted, if it is


class SecretStore:
    """The vault at path; now gives the Unix time.

    Every method is one transaction; threads may call at the same time.
    """

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self._file = SqliteFile(path, SCHEMA)
        self._now = now

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def set(self, name: str, value: str, attributes: Attributes) -> Secret:
        """A new version, the latest. Raises NameConflict while the name is deleted or on its way."""
        now = int(self._now())
        with self._file.transaction() as connection:
            state = self._state(connection, name)
            if state not in (None, NameState.ACTIVE):
                raise NameConflict(name, state)
            connection.execute("INSERT OR IGNORE INTO names VALUES (?, 0, 0)", (name,))
            connection.execute(
                "INSERT INTO versions (name, version, value, content_type, tags, enabled, not_before, expires, created,"
                " updated) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    name,
                    uuid.uuid4().hex,
                    value,
                    attributes.content_type,
                    None if attributes.tags is None else json.dumps(dict(attributes.tags)),
                    attributes.enabled is not False,
                    attributes.not_before,
                    attributes.expires,
                    now,
                    now,
                ),
            )
            return _find(connection, name, "")

    def get(self, name: str, version: str) -> Secret:
        """That version, or the latest for "". Raises SecretNotFound."""
        with self._file.transaction() as connection:
            self._require_active(connection, name)
            return _find(connection, name, version)

    def update(self, name: str, version: str, change: Attributes) -> Secret:
        """That version (the latest for "") with what change says. Raises SecretNotFound."""
        with self._file.transaction() as connection:
            self._require_active(connection, name)
            secret = _find(connection, name, version)
            connection.execute(
                "UPDATE versions SET content_type = coalesce(?, content_type), tags = coalesce(?, tags),"
                " enabled = coalesce(?, enabled), not_before = coalesce(?, not_before),"
                " expires = coalesce(?, expires), updated = ? WHERE position = ?",
                (
                    change.content_type,
                    None if change.tags is None else json.dumps(dict(change.tags)),
                    change.enabled,
                    change.not_before,
                    change.expires,
                    int(self._now()),
                    secret.position,
                ),
            )
            return _find(connection, name, secret.version)

    def latest(self, after: str, limit: int) -> list[Secret]:
        """The latest version of up to limit active secrets, by name, from the first name after that one."""
        before = self._now() - LAG_SECONDS
        with self._file.transaction() as connection:
            rows = connection.execute(
                f"SELECT * FROM versions JOIN names USING (name) WHERE {LATEST} AND deleted = 0 AND changed <= ?"  # noqa: S608 # a constant
                " AND name > ? ORDER BY name LIMIT ?",
                (before, after, limit),
            )
            return [_secret(row) for row in rows]

    def versions(self, name: str, after: int, limit: int) -> list[Secret]:
        """Up to limit versions of a secret, oldest first, with positions above after. Raises SecretNotFound."""
        with self._file.transaction() as connection:
            self._require_active(connection, name)
            rows = connection.execute(
                "SELECT * FROM versions JOIN names USING (name) WHERE name = ? AND position > ?"
                " ORDER BY position LIMIT ?",
                (name, after, limit),
            )
            return [_secret(row) for row in rows]

    def delete(self, name: str) -> Secret:
        """The latest version of the name, which is now on its way to be deleted. Raises SecretNotFound."""
        with self._file.transaction() as connection:
            self._require_active(connection, name)
            connection.execute("UPDATE names SET deleted = 1, changed = ? WHERE name = ?", (self._now(), name))
            return _find(connection, name, "")

    def get_deleted(self, name: str) -> Secret:
        """The latest version of a deleted name. Raises SecretNotFound, also while it is on its way."""
        with self._file.transaction() as connection:
            if self._state(connection, name) is not NameState.DELETED:
                raise SecretNotFound(name)
            return _find(connection, name, "")

    def deleted(self, after: str, limit: int) -> list[Secret]:
        """The latest version of up to limit deleted secrets, by name, from the first name after that one."""
        before = self._now() - LAG_SECONDS
        with self._file.transaction() as connection:
            rows = connection.execute(
                f"SELECT * FROM versions JOIN names USING (name) WHERE {LATEST} AND deleted = 1 AND changed <= ?"  # noqa: S608 # a constant
                " AND name > ? ORDER BY name LIMIT ?",
                (before, after, limit),
            )
            return [_secret(row) for row in rows]

    def recover(self, name: str) -> Secret:
        """The latest version of a deleted name that is now on its way back. Raises SecretNotFound, NameConflict."""
        with self._file.transaction() as connection:
            self._require_deleted(connection, name)
            connection.execute("UPDATE names SET deleted = 0, changed = ? WHERE name = ?", (self._now(), name))
            return _find(connection, name, "")

    def purge(self, name: str) -> None:
        """Forgets a deleted name and all its versions. Raises SecretNotFound, NameConflict."""
        with self._file.transaction() as connection:
            self._require_deleted(connection, name)
            connection.execute("DELETE FROM names WHERE name = ?", (name,))

    def _state(self, connection: sqlite3.Connection, name: str) -> NameState | None:
        row = connection.execute("SELECT deleted, changed FROM names WHERE name = ?", (name,)).fetchone()
        if row is None:
            return None
        settled = row["changed"] <= self._now() - LAG_SECONDS
        if row["deleted"]:
            return NameState.DELETED if settled else NameState.BEING_DELETED
        return NameState.ACTIVE if settled else NameState.BEING_RECOVERED

    def _require_active(self, connection: sqlite3.Connection, name: str) -> None:
        if self._state(connection, name) is not NameState.ACTIVE:
            raise SecretNotFound(name)

    def _require_deleted(self, connection: sqlite3.Connection, name: str) -> None:
        state = self._state(connection, name)
        if state is NameState.BEING_DELETED:
            raise NameConflict(name, state)
        if state is not NameState.DELETED:
            raise SecretNotFound(name)


def _find(connection: sqlite3.Connection, name: str, version: str) -> Secret:
    row = connection.execute(
        "SELECT * FROM versions JOIN names USING (name) WHERE name = ? AND ? IN ('', version)"
        " ORDER BY position DESC LIMIT 1",
        (name, version),
    ).fetchone()
    if row is None:
        raise SecretNotFound(name)
    return _secret(row)


def _secret(row: sqlite3.Row) -> Secret:
    return Secret(
        name=row["name"],
        version=row["version"],
        value=row["value"],
        attributes=Attributes(
            content_type=row["content_type"],
            tags=None if row["tags"] is None else json.loads(row["tags"]),
            enabled=bool(row["enabled"]),
            not_before=row["not_before"],
            expires=row["expires"],
        ),
        created=row["created"],
        updated=row["updated"],
        position=row["position"],
        deleted=row["changed"] if row["deleted"] else None,
    )
