"""Lane: kills at random points and moments of random work; nothing may be stuck or left over after the next start."""

import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from local.api_client import ApiRefused
from local.servers import DatabaseServer
from tests.support.bulk import fill
from tests.support.crash import (
    END_SECONDS,
    POINTS,
    RETENTION_DAYS,
    CrashingInstallation,
    crashing_installation,
    wait_until,
)
from tests.support.databases import fresh_database, mariadb_server, postgresql_server, rows
from tests.support.process_table import descendants, tools_of

KILLS = 4
MEGABYTES = (2, 60)
LONGEST_WAIT_SECONDS = 6.0
SCRATCH = "dilux_verify_"

Answer = TypeVar("Answer")


def crashes(random: Random) -> Counter[str]:
    """One installation through a few kills; after each, all work ends with a result or a reason."""
    folder = Path(tempfile.mkdtemp(prefix="dilux-crashes-"))
    with ExitStack() as leaving:
        leaving.callback(shutil.rmtree, folder)
        sources = {}
        for server in (mariadb_server(), postgresql_server()):
            name = leaving.enter_context(fresh_database(server))
            fill(server, name, random.randint(*MEGABYTES))
            sources[name] = server
        crashing = leaving.enter_context(crashing_installation(folder))
        scene = Scene(random, crashing, [*sources.values()])
        for name, server in sources.items():
            scene.protect(server, name)
        for _ in range(KILLS):
            random.choice((scene.kill_at_a_point, scene.kill_at_a_moment, scene.kill_a_worker, scene.kill_a_tool))()
            scene.settle()
    return scene.counts


class Scene:
    """What goes on in one installation, and the count of what happened to it."""

    def __init__(self, random: Random, crashing: CrashingInstallation, servers: Sequence[DatabaseServer]) -> None:
        self._random = random
        self._crashing = crashing
        self._servers = servers
        self._targets: dict[str, str] = {}
        self._under_way: list[str] = []
        self._due: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def protect(self, server: DatabaseServer, name: str) -> None:
        """Registers a database, and its server as a target, and makes a first backup."""
        installed = self._crashing.installed
        database_id = installed.register(server, name, retention_days=RETENTION_DAYS)
        self._targets[database_id] = installed.register_target(server)
        assert installed.backed_up(database_id)["status"] == "completed"

    def kill_at_a_point(self) -> None:
        """Kills while somebody stands at a named point of a run."""
        point = self._random.choice(POINTS)
        if point == "in_retention":
            self._crashing.expire_backups()
        self._crashing.stop_at(point)
        for database_id in self._targets:
            self._trigger(database_id)
        self._crashing.kill_at(point)
        assert self._crashing.count_hits() == {point: 1}
        self._count_kill(point)
        self._start()

    def kill_at_a_moment(self) -> None:
        """Kills while all sorts of work are under way; some kills spare nobody but Azurite."""
        self._begin_work()
        guards_too = self._random.random() < 0.4
        self._crashing.kill(guards_too=guards_too)
        self._count_kill("a moment, guards too" if guards_too else "a moment")
        self._start()

    def kill_a_worker(self) -> None:
        """Kills one worker, or the guard before it; the host stays and goes on by itself."""
        self._begin_work()
        host = self._crashing.host.process
        role = self._random.choice(("local.worker", "local.guard"))
        found = [pid for pid, command in descendants(host.pid).items() if f"-m {role} " in command]
        with suppress(ProcessLookupError):  # one that ended by itself a moment ago
            os.kill(self._random.choice(found), signal.SIGKILL)
        self._count_kill(role)
        assert host.poll() is None

    def kill_a_tool(self) -> None:
        """Kills a client tool in the middle of its work, and the host a little later, while it deals with that."""
        for database_id in self._targets:
            self._random.choice((self._trigger, self._verify))(database_id)
        wait_until(lambda: bool(tools_of(self._servers)), END_SECONDS, lambda: "no tool was started")
        for pid in tools_of(self._servers):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(self._random.uniform(0, 3))
        self._crashing.kill()
        self._count_kill("a moment after its tool")
        self._start()

    def settle(self) -> None:
        """Waits until all has ended, and sees that everything is in order."""
        installed = self._crashing.installed
        for path in self._under_way:
            ended = _asked_again(partial(installed.ended, path, END_SECONDS))
            kind = "runs" if "/backups/" in path else "verifications"
            self.counts[f"{kind} {ended['status']}"] += 1
            if ended["status"] != "completed":
                assert ended["error"], f"{path} ended without a reason: {ended}"
                self.counts[f"errors {ended['error']['code']}"] += 1
        self._under_way.clear()
        wait_until(self._due_runs_are_made, END_SECONDS, lambda: f"due runs were not made: {self._due}")
        self._crashing.assert_in_order(self._servers)
        for server in self._servers:
            listing = "SHOW DATABASES" if server.family == "mysql" else "SELECT datname FROM pg_database"
            assert not [name for (name,) in rows(server, listing) if name.startswith(SCRATCH)]

    def _begin_work(self) -> None:
        """Begins something with each database, and lets it go on for a random time."""
        for database_id in self._targets:
            begin = self._random.choice((self._trigger, self._trigger, self._make_due, self._verify, self._cancel))
            begin(database_id)
        time.sleep(self._random.uniform(0, LONGEST_WAIT_SECONDS))  # the moment of the kill is what is random

    def _trigger(self, database_id: str) -> str | None:
        with suppress(ApiRefused):  # a due run may be going on
            backup_id = self._crashing.installed.trigger(database_id)
            self._under_way.append(f"/backups/{backup_id}/status")
            return backup_id
        return None

    def _cancel(self, database_id: str) -> None:
        backup_id = self._trigger(database_id)
        time.sleep(self._random.uniform(0, 1))
        with suppress(ApiRefused):  # it may have ended
            self._crashing.installed.operator.post(f"/backups/{backup_id}/cancel")

    def _make_due(self, database_id: str) -> None:
        """Has the database's own plan make a run in a second."""
        starts_at = datetime.now(UTC) + timedelta(seconds=1)
        self._crashing.installed.admin.put(f"/databases/{database_id}", {"starts_at": starts_at.isoformat()})
        self._due[database_id] += 1
        self.counts["runs due"] += 1

    def _verify(self, database_id: str) -> None:
        """Loads the newest backup into a scratch database and compares."""
        installed = self._crashing.installed
        newest = next(run for run in installed.history(database_id) if run["status"] == "completed")
        body = {"rung": "restored", "target_id": self._targets[database_id]}
        operation = installed.operator.post(f"/backups/{newest['id']}/verify", body)
        self._under_way.append(f"/operations/{operation['operation_id']}")

    def _due_runs_are_made(self) -> bool:
        history = self._crashing.installed.history
        histories = {id: _asked_again(partial(history, id)) for id in self._due}
        return all(sum(map(_is_scheduled_end, histories[id])) >= due for id, due in self._due.items())

    def _start(self) -> None:
        """Starts the host again; sometimes it is killed once more while it starts, or soon after."""
        if self._random.random() < 0.3:
            self._crashing.kill_while_starting(self._random.uniform(0, 6))
            self._count_kill("a start")
        self._crashing.start()

    def _count_kill(self, where: str) -> None:
        self.counts += Counter({"kills": 1, f"kills at {where}": 1})


def _asked_again(ask: Callable[[], Answer]) -> Answer:
    """The answer, also when the worker that was to give it had been killed a moment before."""
    try:
        return ask()
    except ApiRefused as refusal:
        if refusal.status != HTTPStatus.BAD_GATEWAY:
            raise
        return ask()


def _is_scheduled_end(run: Mapping[str, Any]) -> bool:
    return run["trigger"] != "manual" and run["status"] not in ("queued", "in_progress", "verifying")
