"""Plans of the product on a hub in this process: small databases to back up, and the replay of what was recorded."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import pytest
from pydantic import SecretStr

from entities.backup_slots import INSTALLATION
from local.servers import DatabaseServer
from local.taskhub.clock import FakeClock
from local.taskhub.entity_id import EntityId
from local.taskhub.hub import TaskHub
from local.taskhub.orchestration import RecordedTurn
from shared import config, secrets
from shared.models.database import DatabaseConfig, DatabaseType, SslMode
from shared.models.run import BackupRequest, ProtectRequest, Trigger
from tests.support.cloud import forget_settings, fresh_id
from tests.support.in_process import InProcessInvoker, advance, encoded, running_hub, start

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TENANT = "tenant"
LONGEST = 150
_numbers = count(100_000)


def register(server: DatabaseServer, database: str, *, password: str | None = None, **fields: Any) -> DatabaseConfig:
    """Configuration and secrets of a database; `fields` win over what is usual."""
    kinds = {"mysql": DatabaseType.MYSQL_VM, "postgresql": DatabaseType.POSTGRESQL_VM}
    id = fresh_id("plan")
    usual = {
        "id": id,
        "tenant_id": TENANT,
        "name": id,
        "type": kinds[server.family],
        "host": server.host,
        "port": server.port,
        "username": server.admin_user,
        "ssl_mode": SslMode.DISABLE,
        "database": database,
        "frequency": "1d",
        "created_at": NOON,
        "storage_container": id.replace("_", "-"),
    }
    made = DatabaseConfig.model_validate({**usual, **fields})
    known = secrets.Credentials(made.username, SecretStr(password or server.admin_password))
    secrets.store(made.secret_slug, known)
    config.databases.create(made)
    return made


@dataclass
class Life:
    """A hub with the product's plans, and its clock."""

    hub: TaskHub
    clock: FakeClock
    asked: list[str] = field(default_factory=list)

    async def back_up(self, database: DatabaseConfig, *, trigger: Trigger = Trigger.MANUAL) -> str:
        """Starts a run; gives its backup id."""
        backup_id = new_backup_id(self.clock.now())
        request = BackupRequest(
            backup_id=backup_id, database_id=database.id, tenant_id=database.tenant_id, trigger=trigger
        )
        await start(self.hub, "backup_database", request.model_dump(mode="json"), instance_id=backup_id)
        return backup_id

    async def protect(self, database: DatabaseConfig) -> str:
        """Starts the eternal plan; gives its instance id."""
        request = ProtectRequest(database_id=database.id, tenant_id=database.tenant_id)
        return await start(
            self.hub, "protect_database", request.model_dump(mode="json"), instance_id=f"protect-{database.id}"
        )

    async def live(self, **duration: float) -> None:
        """Lets all plans live for a time, in an instant."""
        await advance(self.hub, self.clock, timedelta(**duration))

    async def hold_slot(self, *, minutes: float) -> None:
        """Takes a slot for somebody else; the only one, where the installation has one."""
        now = self.clock.now()
        request = {
            "owner": new_backup_id(now),
            "now": now.isoformat(),
            "expires_at": (now + timedelta(minutes=minutes)).isoformat(),
            "limit": 1,
        }
        await self.hub.signal_entity(EntityId("backup_slots", INSTALLATION), "acquire", encoded(request))
        await self.hub.run_until_idle()

    def output(self, instance_id: str) -> Any:
        """The value that a finished plan gave."""
        status = self.hub.status(instance_id)
        assert status is not None and status["runtimeStatus"] == "Completed", status
        return status["output"]["value"]


Scenario = Callable[[Life], Coroutine[Any, Any, None]]


def new_backup_id(moment: datetime) -> str:
    """A backup id that no other test has."""
    return f"backup-{moment:%Y%m%d-%H%M%S}-{next(_numbers):06d}"


def live_through(
    path: Path,
    app: df.DFApp,
    clock: FakeClock,
    scenario: Scenario,
) -> None:
    """Runs `scenario` on a hub, then replays every turn of every plan, and checks that no history grew long."""

    async def work() -> tuple[Sequence[RecordedTurn], dict[str, int]]:
        async with running_hub(path, app, clock=clock, record=True) as hub:
            await scenario(Life(hub, clock))
            return hub.recorded_histories(), hub.longest_history

    turns, longest = asyncio.run(work())
    assert turns
    assert max(longest.values()) <= LONGEST, longest
    replay(app, turns)


def replay(app: df.DFApp, turns: Sequence[RecordedTurn]) -> None:
    """Gives each plan its recorded history again, at another time and with other settings: it must answer the same."""

    async def work() -> None:
        invoker = InProcessInvoker(app)
        try:
            for turn in turns:
                assert not turn.failed, turn.answer
                answer = await invoker.orchestrator(turn.name, turn.body)
                assert json.loads(answer) == json.loads(turn.answer), f"{turn.name} ({turn.instance_id}) differs"
        finally:
            invoker.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shared.clock.now", lambda: datetime(2031, 7, 4, 3, 2, 1, tzinfo=UTC))
        for name, value in (
            ("SCHEDULER_INTERVAL", "7m"),
            ("BACKUP_RETRIES", "0"),
            ("BACKUP_TIMEOUT", "1h"),
            ("BACKUP_MAX_CONCURRENT", "1"),
        ):
            patch.setenv(name, value)
        forget_settings()
        asyncio.run(work())
    forget_settings()
