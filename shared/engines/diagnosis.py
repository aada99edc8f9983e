"""Turns what servers, drivers and tools say into the errors of the tree: what failed, on what, and what to do."""

import re
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shared.errors import BackupError, ToolKilled
from shared.models.database import Server

LONGEST_MESSAGE = 500
NAMES_SHOWN = 10


@dataclass(frozen=True)
class Diagnosis:
    """What a foreign error means."""

    error: type[BackupError]
    meaning: str
    """One sentence without its dot."""
    remedy: str
    """What people can do, in whole sentences."""


@dataclass(frozen=True)
class Symptom:
    """A text by which a foreign error is known, where no number tells it. Letters of either case."""

    pattern: str
    diagnosis: Diagnosis


def place(server: Server, database: str) -> str:
    """Where something failed, for messages."""
    return f"database {database!r} on {server.host}:{server.port} as {server.username!r}"


def explained(diagnosis: Diagnosis, where: str, said: str) -> BackupError:
    """The error of the tree; the foreign text `said` is cut so that the whole stays short."""
    message = f"{diagnosis.meaning} ({where}). {diagnosis.remedy}"
    room = LONGEST_MESSAGE - len(message) - len(" It said: ")
    told = " ".join(said.split())
    if told and room > 0:
        message += f" It said: {told if len(told) <= room else told[: room - 3] + '...'}"
    return diagnosis.error(message[:LONGEST_MESSAGE])


def by_symptom(symptoms: Sequence[Symptom], text: str) -> Diagnosis | None:
    """The diagnosis of the first symptom that `text` shows."""
    return next((known.diagnosis for known in symptoms if re.search(known.pattern, text, re.IGNORECASE)), None)


def killed_by_signal(exit_code: int, tool: str, where: str) -> BackupError | None:
    """ToolKilled when the exit code tells of a signal, as subprocess or a shell writes it."""
    number = -exit_code if exit_code < 0 else exit_code - 128
    if number not in signal.valid_signals():
        return None
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    return ToolKilled(
        f"{tool} was ended by {name} ({where}). See whether the machine ran out of memory; it is tried again."
    )


def telling_line(stderr: str, mark: str) -> str:
    """The last line with `mark`, a regular expression; else the last line that is not empty."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    marked = [line for line in lines if re.search(mark, line)]
    return (marked or lines or [""])[-1]


def listed(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    known = sorted(names)
    more = f" and {len(known) - NAMES_SHOWN} more" if len(known) > NAMES_SHOWN else ""
    return ", ".join(known[:NAMES_SHOWN]) + more
