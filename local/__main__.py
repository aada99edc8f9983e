"""The command line of the embedded host: `python -m local host`, and `run` with samples."""

import argparse
import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from local.host import Host, HostOptions, HostStartError
from local.run import run_demo
from local.server_account import ServerFailed
from local.worker_process import SOURCE

# Whatever hangs, the host is gone by then; the kernel ends its workers and Azurite with it.
STOP_SECONDS = 9.5


async def until_stopped(work: Coroutine[Any, Any, int]) -> int:
    """The exit code of `work`, which Ctrl-C or SIGTERM may end at any time, also more than once."""
    task = asyncio.create_task(work)
    stops: list[threading.Timer] = []

    def stop() -> None:
        if not stops:
            watchdog = threading.Timer(STOP_SECONDS, os._exit, args=(1,))
            watchdog.daemon = True
            watchdog.start()
            stops.append(watchdog)
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        print("stopped", flush=True)
        return 0


async def _serve(options: HostOptions) -> int:
    async with Host(options, report=partial(print, flush=True)):
        await asyncio.Event().wait()
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Gives the exit code: 0 after a clean stop, 1 when the host could not start."""
    parser = argparse.ArgumentParser(prog="python -m local", description="Run function apps on this machine.")
    commands = parser.add_subparsers(required=True, dest="command")
    host = commands.add_parser("host", help="run the function app in a folder until Ctrl-C")
    host.add_argument("--app", type=Path, default=SOURCE, help="the folder with function_app.py and host.json")
    demo = commands.add_parser("run", help="run our app with two sample databases, and prove their backups")
    demo.add_argument("--once", action="store_true", help="stop after the report; exit code 0 only if all is proven")
    for command in (host, demo):
        _add_host_options(command)
    chosen = parser.parse_args(arguments)
    level = logging.INFO if chosen.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    app = (SOURCE if chosen.command == "run" else chosen.app).resolve()
    options = HostOptions(
        app=app,
        home=chosen.home.resolve(),
        port=chosen.port,
        workers=chosen.workers,
        activities=chosen.activities,
        strict=chosen.strict,
        verbose=chosen.verbose,
    )
    try:
        return asyncio.run(
            until_stopped(run_demo(options, once=chosen.once) if chosen.command == "run" else _serve(options))
        )
    except (HostStartError, ServerFailed) as error:
        print(error, file=sys.stderr)
        return 1


def _add_host_options(command: argparse.ArgumentParser) -> None:
    home, port = os.environ.get("DILUX_HOME", ".local"), os.environ.get("DILUX_PORT", "7071")
    command.add_argument("--home", type=Path, default=home, help="the state folder, for one host at a time")
    command.add_argument("--port", type=int, default=port, help="0 takes a free one")
    command.add_argument("--workers", type=_count, default=2, help="processes that run functions")
    command.add_argument("--activities", type=_count, help="activities at once in a worker; else as host.json says")
    command.add_argument("--strict", action="store_true", help="fail on what would be stuck in Azure")
    command.add_argument("--verbose", action="store_true", help="show what the workers print")


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least one is needed")
    return number


if __name__ == "__main__":
    sys.exit(main())
