"""Which PostgreSQL client tool to take."""

import os
import subprocess
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from shared.errors import ClientTooOld, ToolMissing
from shared.models.inventory import ServerFacts
from shared.models.run import Tool

TLS_QUESTION_SECONDS = 10
NO_TLS = b"SSL support is not compiled in"


def best_tool(server: ServerFacts, tools: Sequence[Tool], *, at_least: int, names: Sequence[str]) -> Tool:
    """A tool of the server's own major version; else of the lowest that is neither older than it nor than `at_least`.

    Where the server's connection is protected by TLS, so can the tool's be. Raises ToolMissing and ClientTooOld.
    """
    if not tools:
        raise ToolMissing(f"None of {', '.join(names)} is on this machine. Install the client of PostgreSQL.")
    oldest = max(server.major, at_least)
    new_enough = [tool for tool in tools if tool.version_number[0] >= oldest]
    if not new_enough:
        newest = max(tools, key=lambda tool: tool.version_number)
        raise ClientTooOld(
            f"The newest {Path(newest.path).name} on this machine is {newest.version}, and the server is"
            f" {server.version}. Install the PostgreSQL client of version {oldest}."
        )
    usable = [tool for tool in new_enough if not server.encrypted or _speaks_tls(tool.path)]
    if not usable:
        raise ToolMissing(
            f"Every {Path(new_enough[0].path).name} of version {oldest} or newer on this machine was built without TLS,"
            " which this connection needs. Install another PostgreSQL client, such as Debian's."
        )
    # The lowest major, and of that the newest release.
    return min(usable, key=lambda tool: (tool.version_number[0], [-number for number in tool.version_number[1:]]))


@lru_cache(maxsize=64)
def _speaks_tls(path: str) -> bool:
    """Asks for TLS to a socket that does not exist: libpq refuses the wish before it looks for the socket."""
    try:
        answer = subprocess.run(
            [path, "--no-password", "--dbname=postgres"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "PGHOST": "/nonexistent", "PGSSLMODE": "require"},
            cwd="/",
            timeout=TLS_QUESTION_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return NO_TLS not in answer.stderr
