"""Runs what the engines give: dumps, checks and restores of real databases with real tools."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from local.servers import DatabaseServer, newer_postgresql_bin
from shared.engines.comparison import differences
from shared.engines.engine import Command, Login
from shared.engines.registry import engine_for, restorer_for
from shared.errors import BackupError
from shared.models.database import DatabaseType, Server, SslMode
from shared.models.inventory import Probe
from shared.models.run import Tool
from shared.tools import ToolProcess, installed_tools
from shared.tools.installed import tool_from_version_text
from tests.support.databases import run_sql

PIECE_BYTES = 64 * 1024
SAMPLE = "sample"
"""The database that the fixtures of the engines' tests keep on every server."""
TYPES = {"mysql": DatabaseType.MYSQL_VM, "postgresql": DatabaseType.POSTGRESQL_VM}


@dataclass(frozen=True)
class Ended:
    """How a tool ended."""

    exit_code: int
    output: bytes
    stderr: str


@dataclass(frozen=True)
class Dumped:
    """A dump with what it was made of."""

    data: bytes
    probe: Probe
    tool: Tool


def login(
    server: DatabaseServer,
    *,
    user: str | None = None,
    password: str | None = None,
    host: str | None = None,
    port: int | None = None,
    ssl_mode: SslMode = SslMode.DISABLE,
    ca_bundle: Path | None = None,
) -> Login:
    """The administrator's login, unless something else is said."""
    return Login(
        server=Server(
            type=TYPES[server.family],
            host=host or server.host,
            port=port or server.port,
            username=user or server.admin_user,
            ssl_mode=ssl_mode,
            secret_slug="db-test",
        ),
        password=SecretStr(server.admin_password if password is None else password),
        ca_bundle=ca_bundle,
    )


def tools(names: Sequence[str]) -> tuple[Tool, ...]:
    """The tools of this machine and those of the newer PostgreSQL."""
    newer = []
    for name in names:
        path = newer_postgresql_bin() / name
        if path.exists():
            tool = tool_from_version_text(str(path), f"{name} (PostgreSQL) 17.10")
            assert tool is not None
            newer.append(tool)
    return (*installed_tools(names), *newer)


def run(command: Command, login: Login, *, data: bytes | None = None) -> Ended:
    """Runs a tool to its end; `data` goes to its stdin."""
    secrets = [login.password.get_secret_value()]
    with ToolProcess(command.argv, command.environment, secrets=secrets, takes_input=data is not None) as process:
        feeding = threading.Thread(target=_feed, args=(process, data or b""))
        if data is not None:
            feeding.start()
        output = read_all(process)
        exit_code = process.wait()
        if data is not None:
            feeding.join()
        return Ended(exit_code, output, process.log.text)


def read_all(process: ToolProcess) -> bytes:
    """What the tool still writes."""
    pieces = []
    while piece := os.read(process.stdout, PIECE_BYTES):
        pieces.append(piece)
    return b"".join(pieces)


def dumped(login: Login, database: str, *, options: Sequence[str] = ()) -> Dumped:
    """A good dump by the tool that the engine chooses. Raises the engine's error for a bad one."""
    engine = engine_for(login.server.type)
    probe = engine.probe(login, database)
    tool = engine.choose_tool(probe.server, tools(engine.dump_tools))
    ended = run(engine.dump_command(login, database, tool, probe, options), login)
    error = engine.dump_error(ended.exit_code, ended.stderr, server=login.server, database=database)
    if error is not None:
        raise error
    return Dumped(ended.output, probe, tool)


def checked(login: Login, dump: Dumped, *, piece_bytes: int = PIECE_BYTES) -> str:
    """What the content check says of the dump. Raises BackupCorrupted."""
    check = engine_for(login.server.type).content_check(dump.probe, dump.tool)
    with closing(check):
        for start in range(0, len(dump.data), piece_bytes):
            check.feed(memoryview(dump.data)[start : start + piece_bytes])
        return check.finish()


def loaded(login: Login, name: str, dump: Dumped, *, scratch: bool = True) -> BackupError | None:
    """Loads the dump into an existing database; how that went wrong, or None."""
    restorer = restorer_for(login.server.type)
    target = engine_for(login.server.type).probe(login, name).server
    tool = restorer.choose_tool(target, tools(restorer.restore_tools), dumped_by=dump.tool)
    ended = run(restorer.restore_command(login, name, tool, scratch=scratch), login, data=dump.data)
    return restorer.restore_error(ended.exit_code, ended.stderr, server=login.server, database=name)


@contextmanager
def restored(login: Login, name: str, dump: Dumped) -> Iterator[str]:
    """A database made of the dump, dropped at the end. Raises what the restore raises."""
    restorer = restorer_for(login.server.type)
    restorer.create_database(login, name, dump.probe.server)
    try:
        error = loaded(login, name, dump)
        if error is not None:
            raise error
        yield name
    finally:
        restorer.drop_database(login, name)


def compared(login: Login, source: str, dump: Dumped, copy: str) -> list[str]:
    """The differences between two databases of one server; `dump` was made of the source."""
    engine, restorer = engine_for(login.server.type), restorer_for(login.server.type)
    return differences(
        dump.probe, restorer.digest(login, source), engine.probe(login, copy), restorer.digest(login, copy)
    )


@contextmanager
def user(server: DatabaseServer, name: str, password: str, grants: Sequence[str]) -> Iterator[None]:
    """A user of the server with these grants: statements up to, and without, `TO`."""
    quote = f"'{name}'@'127.0.0.1'" if server.family == "mysql" else f'"{name}"'
    escaped = password.replace("'", "''")
    if server.family == "mysql":
        escaped = escaped.replace("\\", "\\\\")
        create = f"CREATE USER {quote} IDENTIFIED BY '{escaped}'"
    else:
        create = f"CREATE ROLE {quote} LOGIN PASSWORD '{escaped}'"
    run_sql(server, [create, *(f"{grant} TO {quote}" for grant in grants)])
    try:
        yield
    finally:
        if server.family == "mysql":
            run_sql(server, [f"DROP USER {quote}"])
        else:
            run_sql(server, [f"DROP OWNED BY {quote}", f"DROP ROLE {quote}"])


def _feed(process: ToolProcess, data: bytes) -> None:
    left = memoryview(data)
    try:
        while left:
            left = left[os.write(process.stdin, left[:PIECE_BYTES]) :]
    except BrokenPipeError:
        pass  # the tool has ended; its exit code says why
    process.end_input()
