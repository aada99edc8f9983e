"""Looks for a secret that must not be anywhere: in bytes of all sorts, and in the command lines of all processes."""

import gzip
import html
import json
import sqlite3
import threading
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, quote_plus

from local.api_client import ApiClient, ApiRefused

SECONDS_BETWEEN_LOOKS = 0.005
SQLITE = b"SQLite format 3\0"
SQL_QUOTES = (("'", "''"), ("\\", "\\\\"), ("'", "\\'"), ('"', '\\"'))


def forms(secret: str) -> frozenset[bytes]:
    """What the secret looks like as it is, in JSON once and twice, in URLs, HTML, SQL and Python, and in base64."""
    once = json.dumps(secret)[1:-1]
    texts = {
        secret,
        once,
        json.dumps(once)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        html.escape(secret),
        repr(secret)[1:-1],
        *(secret.replace(sign, escaped) for sign, escaped in SQL_QUOTES),
    }
    found = {text.encode() for text in texts} | {secret.encode("utf-16-le"), secret.encode().hex().encode()}
    return frozenset(found | {piece for text in texts for piece in _in_base64(text.encode())})


def leaks(content: bytes, secrets: Iterable[str]) -> list[str]:
    """The forms of the secrets that stand in the content, unpacked where it is gzip."""
    with suppress(OSError, EOFError):  # not gzip, or cut off
        content += gzip.decompress(content)
    return [form.decode(errors="replace") for secret in secrets for form in forms(secret) if form in content]


def files_with(folder: Path, secrets: Iterable[str], *, but_not: str) -> dict[str, list[str]]:
    """The files below the folder that hold a secret, and in which forms; names that begin with `but_not` are left out.

    Of an SQLite file both are looked at: its bytes, and its rows, whose texts may lie in pieces.
    """
    wanted = tuple(secrets)
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.name.startswith(but_not) or not path.is_file():
            continue
        with suppress(FileNotFoundError):  # a draft that took its place meanwhile
            content = path.read_bytes()
            shown = leaks(content, wanted)
            if content.startswith(SQLITE):
                shown += leaks(_rows_of(path), wanted)
            if shown:
                found[str(path.relative_to(folder))] = shown
    return found


class CommandLines:
    """A context manager: within it, the command lines of all processes of this machine are looked at all the time."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="command lines", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(SECONDS_BETWEEN_LOOKS):
            for folder in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):  # it ended while we looked
                    self.seen.add((folder / "cmdline").read_bytes())


class RememberingClient(ApiClient):
    """A client that keeps the text of every answer, refusals included."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__(url, token)
        self.answers: list[str] = []

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        try:
            answer = super()._call(method, path, body)
        except ApiRefused as refusal:
            self.answers.append(json.dumps(refusal.body, ensure_ascii=False))
            raise
        self.answers.append(json.dumps(answer, ensure_ascii=False))
        return answer


def _rows_of(database: Path) -> bytes:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        return "\n".join(opened.iterdump()).encode()


def _in_base64(raw: bytes) -> Iterator[bytes]:
    """The part of the base64 of any text around `raw` that depends on `raw` alone, for each place it may begin at."""
    for offset in range(3):
        shifted = bytes(offset) + raw
        core = b64encode(shifted[: len(shifted) // 3 * 3])[4 if offset else 0 :]
        yield core
        yield core.translate(bytes.maketrans(b"+/", b"-_"))
