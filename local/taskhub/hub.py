"""The task hub: a durable engine for one machine, in one SQLite file.

It runs the orchestrators, activities and entities of a function app through an Invoker, keeps all that must outlive the
process in the file, and goes on where it stopped, whatever ended it. Rules and message shapes are those of Azure's
out-of-process protocol, so the app's SDK does not notice.
"""

import secrets
from datetime import datetime
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from local.taskhub import entity, instances, messages, operations
from local.taskhub.activity import Activities
from local.taskhub.client_links import client_binding
from local.taskhub.clock import Clock, SystemClock
from local.taskhub.database import Change, Database, Durability, Result
from local.taskhub.dispatcher import Dispatcher, NotRunning
from local.taskhub.entity import Entities
from local.taskhub.entity_id import EntityId
from local.taskhub.errors import BadRequest
from local.taskhub.function_table import FunctionTable, refusal
from local.taskhub.instances import FINISHED, Instance
from local.taskhub.invocation import Invoker, Patience
from local.taskhub.orchestration import Orchestrations, RecordedTurn
from local.taskhub.rewind import rewind
from local.taskhub.status import PLAIN, Detail, InstanceFilter, Page, describe, list_page, select
from local.taskhub.strict import Strictness

_PURGE_SLICE = 50  # instances in one change, so that others get their turn


class TaskHub:
    """One hub; every operation is on disk when it returns. Inputs, event data and states are JSON texts."""

    def __init__(
        self,
        path: Path,
        invoker: Invoker,
        functions: FunctionTable,
        *,
        name: str = "TaskHub",
        clock: Clock | None = None,
        default_version: str | None = None,
        durability: Durability = "FULL",
        max_activities: int = 4,
        max_turns: int = 32,
        patience: Patience | None = None,
        strict: bool = False,
        history_limit: int = 150,
        record: bool = False,
    ) -> None:
        """`history_limit` counts for strict mode only: the events that one generation may hold."""
        self.name = name
        self._path = path
        self._durability = durability
        self._invoker = invoker
        self._functions = functions
        self._clock = clock or SystemClock()
        self._default_version = default_version
        self._max_activities = max_activities
        self._max_turns = max_turns
        self._patience = patience or Patience()
        self._strictness = Strictness(history_limit) if strict else None
        self._recording: list[RecordedTurn] | None = [] if record else None
        self._longest_history: dict[str, int] = {}
        self._database: Database | None = None
        self._dispatcher: Dispatcher | None = None
        self._key: str | None = None

    async def start(self) -> None:
        """Opens the file, creating it when missing, and goes on with what is in it."""
        database = Database(self._path, self._durability, self._wake)
        self._database = database
        self._key = await database.write(_webhook_key)
        runs_with = (database, self._invoker, self._functions, self._clock, self._patience)
        orchestrations = Orchestrations(
            *runs_with,
            default_version=self._default_version,
            strictness=self._strictness,
            recording=self._recording,
            longest_history=self._longest_history,
        )
        self._dispatcher = Dispatcher(
            database,
            orchestrations,
            Entities(*runs_with, strict=self._strictness is not None),
            Activities(*runs_with),
            self._clock,
            max_turns=self._max_turns,
            max_activities=self._max_activities,
        )

    async def stop(self) -> None:
        """Begins nothing more and closes the file; activities that are cut off run again after the next start."""
        if self._dispatcher is not None:
            await self._dispatcher.stop()
            self._dispatcher = None
        if self._database is not None:
            await self._database.close()
            self._database = None

    async def run_until_idle(self) -> None:
        """Returns when all that is due now has run, activities included; raises what went wrong inside the hub."""
        if self._dispatcher is None:
            raise NotRunning
        await self._dispatcher.run_until_idle()

    def next_due(self) -> datetime | None:
        """Gives the time of the next durable timer."""
        with self._opened().snapshot() as connection:
            return messages.next_due(connection, self._clock.now())

    @property
    def key(self) -> str:
        """The secret that callers of the webhooks show as `code`; it stays the same for the life of the file."""
        if self._key is None:
            raise NotRunning
        return self._key

    @property
    def longest_history(self) -> dict[str, int]:
        """The most events that a generation of each orchestrator has held since the hub was made."""
        return dict(self._longest_history)

    def recorded_histories(self) -> list[RecordedTurn]:
        """Gives every turn since the hub was made, in the order they ended; needs `record=True`."""
        if self._recording is None:
            raise BadRequest("this hub does not record; make it with record=True")
        return list(self._recording)

    def client_binding(self, base_url: str) -> str:
        """Gives the JSON text that the SDK's durable client is made from; `base_url` is scheme, host and port."""
        return client_binding(base_url, self.name, self.key)

    async def start_new(
        self, name: str, input: str | None = None, *, instance_id: str | None = None, version: str | None = None
    ) -> str:
        """Starts an orchestration and gives its id; raises BadRequest or InstanceExists."""
        now = self._clock.now()
        instance = Instance(
            id=instance_id or instances.new_id(),
            name=name,
            execution_id=instances.new_id(),
            created=now,
            updated=now,
            version=version or self._default_version,
            input=input,
        )
        await self._write(partial(operations.start, instance=instance))
        return instance.id

    def status(self, instance_id: str, detail: Detail = PLAIN) -> dict[str, Any] | None:
        """Gives the instance's status as Azure's API shows it; None when there is no such instance."""
        with self._opened().snapshot() as connection:
            instance = instances.load(connection, instance_id)
            return None if instance is None else describe(connection, instance, detail)

    def query(
        self,
        wanted: InstanceFilter,
        detail: Detail = PLAIN,
        *,
        after: str = "",
        size: int | None = None,
    ) -> Page:
        """Gives the statuses of the instances meant, in the order of their ids."""
        with self._opened().snapshot() as connection:
            return list_page(connection, wanted, detail, after=after, size=size)

    async def raise_event(self, instance_id: str, name: str, data: str | None = None) -> None:
        """Sends an event; raises NoSuchInstance or InstanceGone."""
        now = self._clock.now()
        await self._write(lambda connection: operations.raise_event(connection, instance_id, name, data, now))

    async def terminate(self, instance_id: str, reason: str = "") -> None:
        """Ends the instance; raises NoSuchInstance or InstanceGone."""
        now = self._clock.now()
        await self._write(lambda connection: operations.terminate(connection, instance_id, reason, now))

    async def suspend(self, instance_id: str, reason: str = "") -> None:
        """Stops deliveries to the instance; raises NoSuchInstance, InstanceGone or WrongState."""
        now = self._clock.now()
        await self._write(lambda connection: operations.suspend(connection, instance_id, reason, now))

    async def resume(self, instance_id: str, reason: str = "") -> None:
        """Lets deliveries to the instance go on; raises NoSuchInstance, InstanceGone or WrongState."""
        now = self._clock.now()
        await self._write(lambda connection: operations.resume(connection, instance_id, reason, now))

    async def rewind(self, instance_id: str, reason: str = "") -> None:
        """Has a failed instance do again what failed; raises NoSuchInstance or WrongState."""
        now = self._clock.now()
        await self._write(lambda connection: rewind(connection, operations.known(connection, instance_id), reason, now))

    async def restart(self, instance_id: str, *, with_new_id: bool = True) -> str:
        """Starts the same again and gives its id; raises NoSuchInstance or InstanceExists."""
        now = self._clock.now()
        return await self._write(
            lambda connection: operations.restart(connection, instance_id, now, with_new_id=with_new_id)
        )

    async def purge(self, instance_id: str) -> None:
        """Removes all of a finished instance; raises NoSuchInstance or WrongState."""
        await self._write(lambda connection: operations.purge(connection, instance_id))
        await self._opened().give_back_free_pages()

    async def purge_by(self, wanted: InstanceFilter) -> int:
        """Removes all of the finished instances meant; gives how many there were."""
        finished = InstanceFilter(
            wanted.created_from,
            wanted.created_to,
            (wanted.statuses or frozenset(FINISHED)) & frozenset(FINISHED),
            wanted.id_prefix,
        )
        if not finished.statuses:
            return 0
        purged = 0
        while slice_purged := await self._write(partial(_purge_slice, wanted=finished)):
            purged += slice_purged
        await self._opened().give_back_free_pages()
        return purged

    async def signal_entity(self, target: EntityId, operation: str, input: str | None = None) -> None:
        """Sends an operation that nobody waits for; raises BadRequest when there is no such entity function."""
        if self._functions.entity_named(target.name) is None:
            raise BadRequest(refusal("entity", target.name))
        request = entity.signal(operation, input)
        await self._write(lambda connection: messages.send(connection, str(target), request))

    def read_entity(self, target: EntityId) -> str | None:
        """Gives the entity's state; None when it does not exist."""
        with self._opened().snapshot() as connection:
            return entity.load_state(connection, str(target))

    def _opened(self) -> Database:
        if self._database is None:
            raise NotRunning
        return self._database

    async def _write(self, change: Change[Result]) -> Result:
        return await self._opened().write(change)

    def _wake(self) -> None:
        if self._dispatcher is not None:
            self._dispatcher.wake()


def _purge_slice(connection: Connection, wanted: InstanceFilter) -> int:
    found = select(connection, wanted, limit=_PURGE_SLICE)
    for instance in found:
        instances.forget(connection, instance.id)
    return len(found)


def _webhook_key(connection: Connection) -> str:
    connection.execute("INSERT OR IGNORE INTO settings VALUES ('webhook_key', ?)", (secrets.token_urlsafe(32),))
    (key,) = connection.execute("SELECT value FROM settings WHERE name = 'webhook_key'").fetchone()
    return str(key)
