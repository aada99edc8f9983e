"""The process that runs the functions of an app: `python -P -m local.worker --app FOLDER --socket N --home FOLDER`.

It answers the host's invocations over one socket, many at a time, and ends at once when that socket ends. Started by
`local.worker_process` under `local.guard`, which kills whatever the functions started.
"""

import argparse
import asyncio
import atexit
import logging
import os
import socket
import sys
import traceback
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from local.application import LoadedFunction, load_application
from local.frames import READ_AHEAD, Frame, read_frame, write_frame
from local.guard import die_with_parent


async def serve(
    functions: Mapping[str, LoadedFunction], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answers invocations until the host closes the connection."""
    executor = ThreadPoolExecutor(_thread_count(), thread_name_prefix="function")
    running = set()
    while invocation := await read_frame(reader):
        task = asyncio.create_task(_answer(functions, invocation, executor, writer))
        running.add(task)
        task.add_done_callback(running.discard)


async def run(application: Path, connection: socket.socket) -> NoReturn:
    """Loads the app, tells the host what is in it, serves, and ends the process."""
    reader, writer = await asyncio.open_unix_connection(sock=connection, limit=READ_AHEAD)
    try:
        functions = load_application(application)
    except (Exception, SystemExit) as error:  # an app may raise anything at import
        await write_frame(writer, Frame({"kind": "failed", **_description(error)}))
        _end(1)
    described = [{"name": function.name, "bindings": function.bindings} for function in functions.values()]
    await write_frame(writer, Frame({"kind": "ready", "pid": os.getpid(), "functions": described}))
    await serve(functions, reader, writer)
    _end(0)


def main() -> None:
    """The worker's command line."""
    parser = argparse.ArgumentParser(description="Run the functions of an app for the embedded host.")
    parser.add_argument("--app", type=Path, required=True, help="the folder with function_app.py")
    parser.add_argument("--socket", type=int, required=True, help="the open socket to the host")
    parser.add_argument("--home", help="the host's state folder; only shown, in the list of processes")
    options = parser.parse_args()
    die_with_parent()
    _forget_own_folder()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("azure").setLevel(logging.WARNING)  # the clients log each request at INFO
    connection = socket.socket(fileno=options.socket)
    connection.set_inheritable(False)  # what the functions start has no part in it
    asyncio.run(run(options.app, connection))


async def _answer(
    functions: Mapping[str, LoadedFunction], invocation: Frame, executor: Executor, writer: asyncio.StreamWriter
) -> None:
    result = await _result_of(functions, invocation, executor)
    with suppress(ConnectionError):  # the host has gone; the reader sees it too
        await write_frame(writer, Frame({"kind": "answer", "id": invocation.head["id"], **result.head}, result.body))


async def _result_of(functions: Mapping[str, LoadedFunction], invocation: Frame, executor: Executor) -> Frame:
    try:
        return await functions[invocation.head["function"]].invoke(invocation, executor)
    # User code may raise anything, and may not end the worker; whatever it is, the host waits for an answer.
    except (Exception, SystemExit, asyncio.CancelledError) as error:
        return Frame(_description(error))


def _description(error: BaseException) -> dict[str, str]:
    return {"error": f"{type(error).__name__}: {error}", "stack": "".join(traceback.format_exception(error))}


def _thread_count() -> int | None:
    """None is Python's own choice, as in Azure: five threads more than processors, at most 32."""
    setting = os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT")
    return int(setting) if setting else None


def _forget_own_folder() -> None:
    """Takes the folder that holds `local` off the path: the app must not find our packages before its own."""
    own, *others = os.environ.pop("PYTHONPATH").split(os.pathsep)
    sys.path.remove(own)
    if others:
        os.environ["PYTHONPATH"] = os.pathsep.join(others)


def _end(code: int) -> NoReturn:
    """Ends the process in the middle of things. Any other way waits for the threads of functions that still run, and
    has cancelled coroutines answer the host as if they had failed."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
