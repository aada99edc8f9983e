"""Every failure is an error of the tree that says what failed, on what, and what to do."""

import socket
import time

import pytest

from local.servers import DatabaseServer
from shared.engines.registry import engine_for, restorer_for
from shared.errors import (
    BackupError,
    ConnectionFailed,
    ConnectionLost,
    InvalidCredentials,
    InvalidRequest,
    ToolKilled,
    ToolMissing,
    UnknownDatabase,
    UnknownHost,
)
from shared.models.database import SslMode
from tests.support.engines import SAMPLE, login, run, tools


def dump_error_of(server: DatabaseServer, database: str = SAMPLE, *, password: str | None = None,
                  host: str | None = None, port: int | None = None) -> BackupError | None:  # fmt: skip
    """What the engine says of a dump that it was told to make in spite of a bad probe."""
    engine = engine_for(login(server).server.type)
    probe = engine.probe(login(server), SAMPLE)
    tool = engine.choose_tool(probe.server, tools(engine.dump_tools))
    bad = login(server, password=password, host=host, port=port)
    ended = run(engine.dump_command(bad, database, tool, probe, ()), bad)
    return engine.dump_error(ended.exit_code, ended.stderr, server=bad.server, database=database)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_br03_a_wrong_password_is_named_by_probe_and_dump(server: DatabaseServer) -> None:
    with pytest.raises(InvalidCredentials, match=server.admin_user):
        engine_for(login(server).server.type).probe(login(server, password="wrong"), SAMPLE)
    assert isinstance(dump_error_of(server, password="wrong"), InvalidCredentials)


def test_br03_an_unknown_host_is_named_by_probe_and_dump(server: DatabaseServer) -> None:
    with pytest.raises(UnknownHost, match=r"no\.such\.invalid"):
        engine_for(login(server).server.type).probe(login(server, host="no.such.invalid"), SAMPLE)
    assert isinstance(dump_error_of(server, host="no.such.invalid"), UnknownHost)


def test_br03_a_closed_port_is_named_by_probe_and_dump(server: DatabaseServer) -> None:
    port = closed_port()

    with pytest.raises(ConnectionFailed, match=str(port)):
        engine_for(login(server).server.type).probe(login(server, port=port), SAMPLE)
    assert isinstance(dump_error_of(server, port=port), ConnectionFailed)


def test_br03_an_unknown_database_is_named_by_probe_and_dump(server: DatabaseServer) -> None:
    with pytest.raises(UnknownDatabase, match="no such"):
        engine_for(login(server).server.type).probe(login(server), "no such")
    assert isinstance(dump_error_of(server, "no such"), UnknownDatabase)


def test_a_server_that_accepts_and_says_nothing_ends_the_probe_in_time(server: DatabaseServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = login(server, port=silent.getsockname()[1])
        began = time.monotonic()

        with pytest.raises((ConnectionFailed, ConnectionLost)):
            engine_for(mute.server.type).probe(mute, SAMPLE, timeout_seconds=1)

        assert time.monotonic() - began < 5


def test_a_probe_that_demands_tls_fails_where_the_server_has_none(server: DatabaseServer) -> None:
    strict = login(server, ssl_mode=SslMode.REQUIRE)

    with pytest.raises(BackupError) as raised:
        engine_for(strict.server.type).probe(strict, SAMPLE)

    assert raised.value.code == "tls_failed"


def test_br39_without_any_tool_the_error_says_what_to_install(server: DatabaseServer) -> None:
    engine, restorer = engine_for(login(server).server.type), restorer_for(login(server).server.type)
    facts = engine.probe(login(server), SAMPLE).server

    with pytest.raises(ToolMissing, match="Install"):
        engine.choose_tool(facts, ())
    with pytest.raises(ToolMissing, match="Install"):
        restorer.choose_tool(facts, ())


def test_a_killed_tool_is_told_from_a_failed_one(server: DatabaseServer) -> None:
    engine = engine_for(login(server).server.type)
    restorer = restorer_for(login(server).server.type)
    where = login(server).server

    for code in (-9, -15, 137):
        assert isinstance(engine.dump_error(code, "", server=where, database="x"), ToolKilled)
        assert isinstance(restorer.restore_error(code, "", server=where, database="x"), ToolKilled)
    assert engine.dump_error(0, "some warning", server=where, database="x") is None
    assert restorer.restore_error(0, "some warning", server=where, database="x") is None


def test_a_message_says_what_on_what_and_what_to_do_and_stays_short(server: DatabaseServer) -> None:
    error = engine_for(login(server).server.type).dump_error(
        2, "tool: error: something odd\n" * 500, server=login(server).server, database=SAMPLE
    )

    assert error is not None
    assert error.code == "dump_failed"
    assert SAMPLE in error.message
    assert str(server.port) in error.message
    assert "something odd" in error.message
    assert len(error.message) <= 500


@pytest.mark.parametrize("option", ["--result_file=/tmp/x", "--tab=/tmp", "-r/tmp/x", "-f /tmp/x", "--result-f=/tmp/x",
                                    "--defaults-extra-file=/tmp/x", "--plugin-dir=/tmp", "--file=/tmp/x", "--jobs=4",
                                    "--enable-row-security", "--schema=public", "--where=1=0", "--no-data", "",
                                    "sample"])  # fmt: skip
def test_br12_options_that_write_elsewhere_or_leave_something_out_are_refused(
    server: DatabaseServer, option: str
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        engine_for(login(server).server.type).check_options([option])

    assert repr(option) in raised.value.message
    assert raised.value.errors[0].field == "options"


@pytest.mark.parametrize("name", ["", "x" * 65, "nul\0", "🚀" * 20])
def test_names_that_no_server_can_have_are_refused(server: DatabaseServer, name: str) -> None:
    with pytest.raises(InvalidRequest):
        engine_for(login(server).server.type).check_database_name(name)
