"""Connection tests against real servers: each step that can fail is named, and those after it are left alone."""

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from local.servers import DatabaseServer, start_postgresql
from shared import connection
from shared.connection import STEPS, UNICODE, CheckStatus, ConnectionReport, unicode_check
from shared.models.database import DatabaseType, Server, SslMode
from shared.models.inventory import ServerFacts
from shared.settings import settings
from tests.support.certificates import certificate_for
from tests.support.databases import (
    fresh_database,
    mariadb_server,
    postgresql_server,
    run_sql,
)

KINDS = (DatabaseType.MYSQL_VM, DatabaseType.POSTGRESQL_VM)


@pytest.fixture(autouse=True)
def loopback_allowed() -> Iterator[None]:
    """Databases on this machine may be reached."""
    os.environ["ALLOWED_NETWORKS"] = "127.0.0.0/8"
    settings.cache_clear()
    yield
    settings.cache_clear()


def running(kind: DatabaseType) -> DatabaseServer:
    return mariadb_server() if kind is DatabaseType.MYSQL_VM else postgresql_server()


def address(kind: DatabaseType, **fields: Any) -> Server:
    """The server of this kind as an administrator reaches it, without TLS."""
    server = running(kind)
    whole = {
        "type": kind,
        "host": server.host,
        "port": server.port,
        "username": server.admin_user,
        "ssl_mode": SslMode.DISABLE,
        "secret_slug": "",
    }
    return Server(**whole | fields)


def password(kind: DatabaseType) -> SecretStr:
    return SecretStr(running(kind).admin_password)


def failed_step(report: ConnectionReport) -> str:
    """The one step that failed, after checking that those before it passed and those after it were left out."""
    steps = {check.name: check.status for check in report.checks}
    assert not report.success
    (failed,) = [name for name, status in steps.items() if status is CheckStatus.FAILED]
    place = STEPS.index(failed)
    assert all(steps[name] in (CheckStatus.PASSED, CheckStatus.WARNING) for name in STEPS[:place])
    assert all(steps[name] is CheckStatus.SKIPPED for name in STEPS[place + 1 :])
    return failed


def detail_of(report: ConnectionReport, name: str) -> str:
    return next(check.detail for check in report.checks if check.name == name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_good_connection_passes_every_step(kind: DatabaseType) -> None:
    with fresh_database(running(kind)) as database:
        report = connection.test(address(kind), password(kind), database)

    assert report.success
    assert [check.name for check in report.checks[: len(STEPS)]] == list(STEPS)
    assert {check.name: check.status for check in report.checks}["unicode"] is CheckStatus.PASSED
    assert detail_of(report, "client_tool")


@pytest.mark.parametrize("kind", KINDS)
def test_an_open_connection_is_a_warning_and_no_failure(kind: DatabaseType) -> None:
    with fresh_database(running(kind)) as database:
        report = connection.test(address(kind), password(kind), database)

    tls = next(check for check in report.checks if check.name == "tls")
    assert (tls.status, tls.detail) == (CheckStatus.WARNING, "not encrypted, ssl_mode disable")


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_password_fails_at_the_login_and_is_not_told(kind: DatabaseType) -> None:
    with fresh_database(running(kind)) as database:
        report = connection.test(address(kind), SecretStr("wr0ng-canary"), database)

    assert failed_step(report) == "login"
    assert "wr0ng-canary" not in report.model_dump_json()


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_database_fails_at_the_database(kind: DatabaseType) -> None:
    report = connection.test(address(kind), password(kind), "nowhere")

    assert failed_step(report) == "database"


@pytest.mark.parametrize("kind", KINDS)
def test_tls_that_the_server_has_not_fails_at_tls(kind: DatabaseType) -> None:
    with fresh_database(running(kind)) as database:
        report = connection.test(address(kind, ssl_mode=SslMode.REQUIRE), password(kind), database)

    assert failed_step(report) == "tls"


def test_an_encrypted_connection_is_told() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        server = start_postgresql(Path(folder) / "server", certificate=certificate_for("localhost", Path(folder)))
        try:
            secured = Server(
                type=DatabaseType.POSTGRESQL_VM,
                host=server.host,
                port=server.port,
                username=server.admin_user,
                ssl_mode=SslMode.REQUIRE,
                secret_slug="",
            )
            report = connection.test(secured, SecretStr(server.admin_password), "postgres")
        finally:
            server.stop()

    assert report.success
    assert detail_of(report, "tls") == "encrypted, ssl_mode require"


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_that_may_not_be_read_is_named(kind: DatabaseType) -> None:
    server = running(kind)
    with fresh_database(server) as database:
        if kind is DatabaseType.MYSQL_VM:
            grants = [f"GRANT SHOW VIEW, CREATE ON {database}.* TO reader"]
            user = "CREATE USER reader IDENTIFIED BY 'narrow'"
        else:
            grants = []
            user = "CREATE ROLE reader LOGIN PASSWORD 'narrow'"
        run_sql(server, ["CREATE TABLE payroll (id INT)", user, *grants], database=database)
        try:
            report = connection.test(address(kind, username="reader"), SecretStr("narrow"), database)
        finally:
            run_sql(server, ["DROP USER reader"])

    assert failed_step(report) == "privileges"
    assert "payroll" in detail_of(report, "privileges")


def test_what_is_odd_about_a_database_is_a_warning() -> None:
    server = mariadb_server()
    with fresh_database(server) as database:
        run_sql(server, ["CREATE TABLE old (id INT) ENGINE=MyISAM"], database=database)
        report = connection.test(address(DatabaseType.MYSQL_VM), password(DatabaseType.MYSQL_VM), database)

    assert report.success
    assert any("old" in check.detail for check in report.checks if check.name == "warning")


@pytest.mark.parametrize("kind", KINDS)
def test_a_closed_port_fails_at_the_port(kind: DatabaseType) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_later:
        port = closed_later.getsockname()[1]

    assert failed_step(connection.test(address(kind, port=port), password(kind), "x")) == "port"


def test_a_port_that_never_answers_fails_in_time() -> None:
    # A full queue of unaccepted connections: the kernel drops what comes then, like a firewall.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(full.getsockname())
            began = time.monotonic()
            port = full.getsockname()[1]
            report = connection.test(address(DatabaseType.MYSQL_VM, port=port), SecretStr("x"), "x", timeout_seconds=1)

    assert failed_step(report) == "port"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_accepts_and_says_nothing_fails_at_the_login_in_time(kind: DatabaseType) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        port = silent.getsockname()[1]
        report = connection.test(address(kind, port=port), SecretStr("x"), "x", timeout_seconds=1)

    assert failed_step(report) == "login"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.4", "localhost.local_domain"])
def test_a_host_that_may_not_be_reached_fails_before_anything_is_sent(host: str) -> None:
    report = connection.test(
        address(DatabaseType.MYSQL_VM, host=host, type=DatabaseType.MYSQL_FLEXIBLE), SecretStr("x"), "x"
    )

    assert failed_step(report) == "host"


def test_an_unknown_host_fails_at_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    server = address(DatabaseType.MYSQL_VM, host="nowhere.example.com")
    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    assert failed_step(connection.test(server, SecretStr("x"), "x")) == "host"


def test_a_missing_client_tool_fails_last(monkeypatch: pytest.MonkeyPatch) -> None:
    with fresh_database(mariadb_server()) as database:
        server, secret = address(DatabaseType.MYSQL_VM), password(DatabaseType.MYSQL_VM)
        monkeypatch.setenv("PATH", "/nonexistent")
        report = connection.test(server, secret, database)

    assert failed_step(report) == "client_tool"


def test_emojis_that_come_back_changed_fail() -> None:
    facts = ServerFacts(vendor="mysql", version="8.0", version_number=(8, 0), character_set="latin1")

    assert unicode_check(UNICODE, facts).status is CheckStatus.PASSED
    assert unicode_check(("? Rocket", *UNICODE[1:]), facts).status is CheckStatus.FAILED
