"""The command line of the embedded host: `python -m local host`."""

import argparse
import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from local.host import Host, HostOptions, HostStartError
from local.worker_process import SOURCE

# Whatever hangs, the host is gone by then; the kernel ends its workers and Azurite with it.
STOP_SECONDS = 9.5


async def run_host(options: HostOptions) -> None:
    """Runs a host until Ctrl-C or SIGTERM, which may come at any time and more than once."""
    task = asyncio.create_task(_serve(options))
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
    await task


async def _serve(options: HostOptions) -> None:
    say = partial(print, flush=True)
    try:
        async with Host(options, report=say):
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        say("stopped")


def main(arguments: Sequence[str] | None = None) -> int:
    """Gives the exit code: 0 after a clean stop, 1 when the host could not start."""
    parser = argparse.ArgumentParser(prog="python -m local", description="Run function apps on this machine.")
    commands = parser.add_subparsers(required=True)
    host = commands.add_parser("host", help="run the function app in a folder until Ctrl-C")
    host.add_argument("--app", type=Path, default=SOURCE, help="the folder with function_app.py and host.json")
    host.add_argument("--home", type=Path, default=Path(".local"), help="the state folder, for one host at a time")
    host.add_argument("--port", type=int, default=7071, help="0 takes a free one")
    host.add_argument("--workers", type=_count, default=2, help="processes that run functions")
    host.add_argument("--activities", type=_count, help="activities at once in a worker; by default as host.json says")
    host.add_argument("--strict", action="store_true", help="fail on what would be stuck in Azure")
    host.add_argument("--verbose", action="store_true", help="show what the workers print")
    chosen = parser.parse_args(arguments)
    level = logging.INFO if chosen.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    options = HostOptions(**{**vars(chosen), "app": chosen.app.resolve(), "home": chosen.home.resolve()})
    try:
        asyncio.run(run_host(options))
    except HostStartError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least one is needed")
    return number


if __name__ == "__main__":
    sys.exit(main())
