"""What a turn of an orchestration comes to: the decisions that are new, and what became of the orchestration.

A decision's `id` is its number in the generation.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class ScheduleActivity:
    id: int
    name: str
    input: str | None


@dataclass(frozen=True, slots=True)
class StartSubOrchestration:
    """`instance_id` is None when the host is to choose it."""

    id: int
    name: str
    input: str | None
    instance_id: str | None
    version: str | None


@dataclass(frozen=True, slots=True)
class StartTimer:
    id: int
    fire_at: datetime


@dataclass(frozen=True, slots=True)
class SendToEntity:
    """`entity_id` is `@name@key`; a signal is not answered."""

    id: int
    entity_id: str
    operation: str
    input: str | None
    signal: bool


Decision = ScheduleActivity | StartSubOrchestration | StartTimer | SendToEntity


@dataclass(frozen=True, slots=True)
class Waiting:
    """The orchestration goes on when something of what it waits for happens."""


@dataclass(frozen=True, slots=True)
class Completed:
    output: Any


@dataclass(frozen=True, slots=True)
class Failed:
    reason: str


@dataclass(frozen=True, slots=True)
class ContinuedAsNew:
    input: str | None


Outcome = Waiting | Completed | Failed | ContinuedAsNew


@dataclass(frozen=True, slots=True)
class Replay:
    """The new decisions of a turn, what became of the orchestration, and SDK traps that were met on the way."""

    decisions: tuple[Decision, ...]
    outcome: Outcome
    traps: tuple[str, ...] = ()
