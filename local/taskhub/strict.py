"""Strict mode: what Azure would turn into a stuck or silently wrong instance fails at once, with the trap's name."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from local.taskhub.history import Event, EventType

DUPLICATE_COMPLETION = re.compile(r"Potential duplicate Task completion for TaskId: (\d+|[0-9a-f-]{36})$")
"""The SDK's warning that it met an answer to nothing. A worker in strict mode turns it into an error.

For an event that came before the wait for it the SDK warns too, with the event's name; that is no harm.
"""


@dataclass(frozen=True, slots=True)
class Strictness:
    """How far a generation may go; `history_limit` counts its events."""

    history_limit: int

    def trap_in_events(self, entries: Iterable[Event]) -> str | None:
        """Gives the trap in the answers of activities and sub-orchestrations."""
        for entry in entries:
            kind = entry["EventType"]
            if kind in (EventType.TASK_COMPLETED, EventType.SUB_ORCHESTRATION_COMPLETED) and not is_json(
                entry["Result"]
            ):
                return f"the answer to number {entry['TaskScheduledId']} is not JSON: {entry['Result']!r:.80}"
        return None

    def trap_in_answer(self, answer: str, *, failed: bool) -> str | None:
        """Gives the trap in what the orchestrator function gave back."""
        if failed:
            return answer if "Potential duplicate Task completion" in answer else None
        return None if is_json(answer) else "the orchestrator's output or custom status is not JSON (NaN or Infinity)"

    def trap_in_length(self, events: int) -> str | None:
        if events <= self.history_limit:
            return None
        return (
            f"{events} events of history in one generation, {self.history_limit} allowed;"
            " continue as new earlier or move work into a sub-orchestration"
        )


def is_json(text: str | None) -> bool:
    """Says whether every JSON reader understands the text; Python's own also takes NaN and Infinity."""
    try:
        json.loads(text or "null", parse_constant=_refuse)
    except ValueError:
        return False
    return True


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def failure_reason(trap: str) -> str:
    return f"strict: {trap}"
