"""Runs of activities: at least once, because the row goes in the commit that stores the answer."""

from collections.abc import Collection
from dataclasses import dataclass
from sqlite3 import Connection

from local.taskhub import messages
from local.taskhub.clock import Clock
from local.taskhub.database import Database
from local.taskhub.function_table import FunctionTable, refusal
from local.taskhub.history import Event, EventType, event
from local.taskhub.invocation import FunctionFailed, Invoker, Patience, WorkerLost


@dataclass(frozen=True, slots=True)
class Activity:
    """One scheduled activity. `input` is JSON text; `losses` counts the workers that died over it."""

    id: int
    instance_id: str
    execution_id: str
    task: int
    name: str
    input: str | None
    losses: int


def scheduled(connection: Connection, *, but_not: Collection[int], limit: int) -> list[Activity]:
    """Gives the oldest activities that are not among `but_not`."""
    rows = connection.execute(
        "SELECT id, instance_id, execution_id, task, name, input, losses FROM activities ORDER BY id LIMIT ?",
        (limit + len(but_not),),
    )
    return [Activity(*row) for row in rows if row[0] not in but_not][:limit]


class Activities:
    """Runs activities and stores their answers."""

    def __init__(
        self, database: Database, invoker: Invoker, functions: FunctionTable, clock: Clock, patience: Patience
    ) -> None:
        self._database = database
        self._invoker = invoker
        self._functions = functions
        self._clock = clock
        self._patience = patience

    async def run(self, activity: Activity) -> None:
        """Brings the activity's answer on its way to the orchestration that waits for it."""
        try:
            result = await self._invoke(activity)
            answer = event(EventType.TASK_COMPLETED, self._clock.now(), TaskScheduledId=activity.task, Result=result)
        except FunctionFailed as failure:
            reason = f"Activity function '{activity.name}' failed: {failure}"
            answer = event(
                EventType.TASK_FAILED, self._clock.now(), TaskScheduledId=activity.task, Reason=reason, Details=""
            )
        await self._database.write(lambda connection: _store(connection, activity, answer))

    async def _invoke(self, activity: Activity) -> str:
        if not self._functions.has_activity(activity.name):
            raise FunctionFailed(refusal("activity", activity.name))
        losses = activity.losses
        while losses < self._patience.most_losses:
            try:
                return await self._invoker.activity(
                    activity.name, activity.input or "null", instance_id=activity.instance_id
                )
            except WorkerLost:
                losses += 1
                await self._database.write(lambda connection: _count_loss(connection, activity))
                await self._patience.pause(losses)
        raise self._patience.end()


def _count_loss(connection: Connection, activity: Activity) -> None:
    connection.execute("UPDATE activities SET losses = losses + 1 WHERE id = ?", (activity.id,))


def _store(connection: Connection, activity: Activity, answer: Event) -> None:
    # The row is gone when the instance was purged meanwhile; then nobody waits for the answer.
    if connection.execute("DELETE FROM activities WHERE id = ?", (activity.id,)).rowcount:
        messages.send(connection, activity.instance_id, answer, execution_id=activity.execution_id)
