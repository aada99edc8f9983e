"""The embedded host: runs a function app on one machine, with all that Azure would give it."""

import asyncio
import math
import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from local.cloud.azurite import AzuriteFailed
from local.cloud.cloud import LocalCloud
from local.cloud.server import LoopbackServer
from local.front import build_front
from local.function_caller import FunctionCaller
from local.functions import Function
from local.home import HomeError, locked_home
from local.host_settings import HostSettings, read_host_settings, read_local_settings, resolve_settings
from local.http_trigger import HttpTriggers
from local.keys import keep_keys
from local.log_file import host_log, output_log
from local.taskhub.clock import SystemClock
from local.taskhub.hub import TaskHub
from local.taskhub.management import management_routes
from local.timer_trigger import Timer, TimerMemory, run_timer
from local.triggers import AppTriggers, read_triggers
from local.worker_pool import PoolLimits, WorkerPool
from local.worker_process import WorkerSettings, WorkerStartError

ADDRESS = "127.0.0.1"
LOOPBACK_NETWORKS = "127.0.0.0/8,::1/128"
ACTIVITIES_PER_WORKER = 2


class HostStartError(Exception):
    """The host could not start; the text says why. Nothing of it runs."""


@dataclass(frozen=True)
class HostOptions:
    """What a host runs, and where.

    Port 0 takes a free one. `activities` is how many run at once in a worker; None shares out what host.json allows.
    """

    app: Path
    home: Path
    port: int = 7071
    workers: int = 2
    activities: int | None = None
    strict: bool = False
    verbose: bool = False


class Host:
    """A running host: `async with Host(options) as host`. Raises HostStartError.

    `report` gets a line for each stage of the start.
    """

    hub: TaskHub
    url: str

    def __init__(self, options: HostOptions, report: Callable[[str], object] = lambda line: None) -> None:
        self.options = options
        self.cloud = LocalCloud(options.home)
        self._report = report
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            async with AsyncExitStack() as starting:
                await self._start(starting)
                self._running = starting.pop_all()
        except (HomeError, AzuriteFailed, WorkerStartError, ValueError, OSError) as error:
            raise HostStartError(str(error)) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._running.aclose()

    async def _start(self, running: AsyncExitStack) -> None:
        options = self.options
        settings = read_host_settings(options.app)
        lock_file = await self._open_home(running)
        listener = running.enter_context(_bound_socket(options.port))
        self.url = f"http://{ADDRESS}:{listener.getsockname()[1]}"
        await self._start_cloud(running)
        environment = self._environment()

        limits = _limits(options, settings)
        pool = WorkerPool(
            WorkerSettings(options.app, options.home, environment, held_files=(lock_file,)),
            limits,
            [self._worker_log(running, number) for number in range(1, limits.workers + 1)],
        )
        running.push_async_callback(pool.stop)
        functions = await pool.start()
        app = read_triggers(functions, settings.route_prefix, environment, datetime.now(UTC))
        self._report_app(functions, app)

        caller = FunctionCaller(pool, functions, lambda: self.hub.client_binding(self.url))
        self.hub = TaskHub(
            options.home / "taskhub.sqlite",
            caller,
            app.durable,
            name=resolve_settings(settings.hub_name, environment),
            default_version=settings.default_version,
            max_activities=limits.workers * limits.activities_per_worker,
            strict=options.strict,
        )
        running.push_async_callback(self.hub.stop)
        await self.hub.start()
        self._report("task hub: what was under way goes on")

        triggers = HttpTriggers(app.routes, keep_keys(options.home / "keys.json"), caller)
        front = build_front(triggers, management_routes(self.hub), self.cloud.mint_token, _welcome(app, self.url))
        server = LoopbackServer(front, listener, certificate=None)
        running.push_async_callback(server.stop)
        await server.start()
        self._start_timers(running, app.timers, caller)
        self._report(f"ready at {self.url}")

    async def _open_home(self, running: AsyncExitStack) -> int:
        home = self.options.home
        lock_file = await asyncio.to_thread(running.enter_context, locked_home(home))
        (home / "logs").mkdir(exist_ok=True)
        running.enter_context(host_log(home / "logs" / "host.log"))
        self._report(f"state folder: {home}")
        return lock_file

    async def _start_cloud(self, running: AsyncExitStack) -> None:
        running.push_async_callback(self.cloud.stop)
        await self.cloud.start()
        self._report("local cloud: sign-in, Key Vault, App Configuration and storage answer")

    def _environment(self) -> dict[str, str]:
        """The settings of the app; its own file wins, then this process's environment.

        Databases on this machine may be backed up, and servers may prove who they are by the local authority.
        """
        cloud = self.cloud.environment()
        return {
            "ALLOWED_NETWORKS": LOOPBACK_NETWORKS,
            "DATABASE_CA_BUNDLE": cloud["SSL_CERT_FILE"],
            **os.environ,
            "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
            "AzureWebJobsScriptRoot": str(self.options.app),
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "WEBSITE_HOSTNAME": self.url.removeprefix("http://"),
            **cloud,
            **read_local_settings(self.options.app),
        }

    def _worker_log(self, running: AsyncExitStack, number: int) -> Callable[[bytes], None]:
        append = running.enter_context(output_log(self.options.home / "logs" / f"worker-{number}.log"))

        def append_and_show(output: bytes) -> None:
            append(output)
            sys.stderr.buffer.write(output)
            sys.stderr.buffer.flush()

        return append_and_show if self.options.verbose else append

    def _report_app(self, functions: Sequence[Function], app: AppTriggers) -> None:
        self._report(f"app: {len(functions) - len(app.refused)} functions in {self.options.workers} workers")
        for name, reason in app.refused.items():
            self._report(f"app: the function {name} does not run: {reason}")

    def _start_timers(self, running: AsyncExitStack, timers: Sequence[Timer], caller: FunctionCaller) -> None:
        memory = TimerMemory(self.options.home / "timers.json")
        for timer in timers:
            call = partial(caller.timer, timer.function)
            running.push_async_callback(_end, asyncio.create_task(run_timer(timer, memory, call, SystemClock())))


def _limits(options: HostOptions, settings: HostSettings) -> PoolLimits:
    shared_out = math.ceil(settings.most_activities / options.workers) if settings.most_activities else None
    activities = options.activities or shared_out or ACTIVITIES_PER_WORKER
    return PoolLimits(options.workers, activities, settings.function_timeout)


@contextmanager
def _bound_socket(port: int) -> Iterator[socket.socket]:
    """A socket that nobody else can have; who connects early waits until the host serves."""
    # Named as TCP, so that asyncio turns Nagle's algorithm off for its connections.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the port of a host that was just killed
        try:
            listener.bind((ADDRESS, port))
            listener.listen()
        except (OSError, OverflowError) as error:
            advice = "Stop what uses it, or choose another with --port."
            raise HostStartError(f"Port {port} cannot be had ({error}). {advice}") from error
        yield listener


def _welcome(app: AppTriggers, url: str) -> str:
    functions = "".join(f"  {url}{route.text}\n" for route in app.routes)
    return f"The embedded Functions host runs at {url}.\n\nFunctions that answer HTTP:\n{functions}"


async def _end(task: asyncio.Task[NoReturn]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
