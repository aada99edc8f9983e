"""Tries a connection now, in the process that received its password, and says step by step how far it got."""

import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Any, Protocol

from pydantic import SecretStr

from shared import hosts
from shared.engines.engine import Login
from shared.engines.mysql.connection import session as mysql_session
from shared.engines.postgresql.connection import session as postgresql_session
from shared.engines.registry import engine_for
from shared.errors import (
    BackupError,
    ConnectionFailed,
    InvalidCredentials,
    PermissionDenied,
    SourceChanged,
    TlsFailed,
    UnknownDatabase,
)
from shared.models import Value
from shared.models.database import Server
from shared.models.inventory import ServerFacts
from shared.settings import settings
from shared.tools.installed import installed_tools

TIMEOUT_SECONDS = 10
STEPS = ("host", "port", "tls", "login", "database", "privileges", "unicode", "client_tool")
"""The names of the checks, in the order in which a connection comes about."""
PROBED = STEPS[2:6]
"""The steps that one probe of the engine takes together."""
BLAMED: Mapping[type[BackupError], str] = {
    TlsFailed: "tls",
    InvalidCredentials: "login",
    UnknownDatabase: "database",
    PermissionDenied: "privileges",
    SourceChanged: "privileges",
}
"""The step that an error of a probe speaks of; every other error ended the talk before the login was through."""
UNICODE = ("🚀 Rocket", "💡 Idea", "🎉 Celebration")


class CheckStatus(StrEnum):
    """How a check ended. A warning is for people and fails nothing."""

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Check(Value):
    """One step of a connection, or, by the name `warning`, something that people should know."""

    name: str
    status: CheckStatus
    detail: str = ""


class ConnectionReport(Value):
    """All steps in their order, then the warnings. `success` means that no step failed."""

    success: bool
    checks: tuple[Check, ...]


class _Session(Protocol):
    def rows(self, statement: str) -> list[tuple[Any, ...]]: ...


_SESSIONS: Mapping[str, Callable[..., AbstractContextManager[_Session]]] = {
    "mysql": mysql_session,
    "postgresql": postgresql_session,
}


def test(
    server: Server, password: SecretStr, database: str, *, timeout_seconds: int = TIMEOUT_SECONDS
) -> ConnectionReport:
    """Goes through the steps until one fails; each network answer may take `timeout_seconds`.

    A step that fails is told in the report and never raised.
    """
    login = Login(server=server, password=password, ca_bundle=settings().database_ca_bundle)
    checks: list[Check] = []
    try:
        checks.extend(_steps(login, database, timeout_seconds))
    except BackupError as error:
        checks.extend(_failed_from(len(checks), error))
    return ConnectionReport(
        success=all(check.status is not CheckStatus.FAILED for check in checks), checks=tuple(checks)
    )


def _steps(login: Login, database: str, timeout_seconds: int) -> Iterator[Check]:
    """Each step as it passes; raises what made the next one fail."""
    server = login.server
    engine = engine_for(server.type)
    addresses = hosts.resolve(server.host, server.port, server.type)
    yield _passed("host", ", ".join(addresses))
    _connect(server, addresses, timeout_seconds)
    yield _passed("port", f"{server.port} answers")
    probe = engine.probe(login, database, timeout_seconds=timeout_seconds)
    yield _encryption(server, probe.server)
    yield _passed("login", f"{server.username} on {probe.server.vendor} {probe.server.version}")
    yield _passed("database", f"{database}, about {probe.size_bytes} bytes")
    yield _passed("privileges", f"all {len(probe.inventory.tables)} tables can be read")
    yield _unicode(engine.family, login, database, timeout_seconds, probe.server)
    tool = engine.choose_tool(probe.server, installed_tools(engine.dump_tools))
    yield _passed("client_tool", f"{tool.vendor} {tool.version}")
    for warning in (*probe.warnings, *engine.tool_warnings(probe.server, tool)):
        yield Check(name="warning", status=CheckStatus.WARNING, detail=warning)


def _connect(server: Server, addresses: Sequence[str], timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    failure: OSError | None = None
    for address in addresses:
        try:
            socket.create_connection((address, server.port), max(0.1, deadline - time.monotonic())).close()
            return
        except OSError as error:
            failure = error
    raise ConnectionFailed(
        f"Nothing answers at {server.host}:{server.port} ({failure}). "
        "Check host, port and firewall, and whether the server runs."
    ) from failure


def _encryption(server: Server, facts: ServerFacts) -> Check:
    if facts.encrypted:
        return _passed("tls", f"encrypted, ssl_mode {server.ssl_mode}")
    return Check(name="tls", status=CheckStatus.WARNING, detail=f"not encrypted, ssl_mode {server.ssl_mode}")


def _unicode(family: str, login: Login, database: str, timeout_seconds: int, facts: ServerFacts) -> Check:
    statement = "SELECT " + ", ".join(f"'{text}'" for text in UNICODE)
    with _SESSIONS[family](login, database, timeout_seconds=timeout_seconds) as asked:
        (answer,) = asked.rows(statement)
    return unicode_check(answer, facts)


def unicode_check(answer: tuple[Any, ...], facts: ServerFacts) -> Check:
    """Emojis must come back from the server as they went there."""
    if answer != UNICODE:
        detail = f"the server gave {answer!r} back for {UNICODE!r}: its connections do not speak UTF-8"
        return Check(name="unicode", status=CheckStatus.FAILED, detail=detail)
    return _passed("unicode", f"emojis survive; the database is {facts.character_set}")


def _failed_from(passed: int, error: BackupError) -> Iterator[Check]:
    """The steps after the first `passed` ones: those that must have passed too, the one that failed, the rest."""
    failed = STEPS[passed]
    if failed in PROBED:
        failed = BLAMED.get(type(error), "login")
    for step in STEPS[passed : STEPS.index(failed)]:
        yield _passed(step, "")
    yield Check(name=failed, status=CheckStatus.FAILED, detail=error.message)
    for step in STEPS[STEPS.index(failed) + 1 :]:
        yield Check(name=step, status=CheckStatus.SKIPPED)


def _passed(name: str, detail: str) -> Check:
    return Check(name=name, status=CheckStatus.PASSED, detail=detail)
