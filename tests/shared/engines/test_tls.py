"""What each ssl_mode demands of probe and tools. The certificate is for `localhost`, not for its address."""

from pathlib import Path

import pytest

from local.servers import DatabaseServer
from shared.engines.certificates import trusted_bundle
from shared.engines.registry import engine_for
from shared.errors import TlsFailed
from shared.models.database import SslMode
from tests.support.databases import fresh_database
from tests.support.engines import SAMPLE, dumped, loaded, login, run, tools

Certificate = tuple[Path, Path]


@pytest.fixture(params=["tls_mariadb", "tls_postgresql"])
def tls_server(request: pytest.FixtureRequest) -> DatabaseServer:
    """One server of each family, with TLS."""
    server: DatabaseServer = request.getfixturevalue(request.param)
    return server


@pytest.mark.parametrize("mode", list(SslMode))
def test_every_mode_works_where_the_certificate_is_good(
    tls_server: DatabaseServer, certificate: Certificate, mode: SslMode
) -> None:
    mine = login(tls_server, host="localhost", ssl_mode=mode, ca_bundle=certificate[0])
    with fresh_database(tls_server) as name:
        dump = dumped(mine, name)

        assert loaded(mine, name, dump) is None
    assert dump.probe.server.encrypted == (mode is not SslMode.DISABLE)


@pytest.mark.parametrize("mode", [SslMode.VERIFY_CA, SslMode.VERIFY_FULL])
def test_a_certificate_of_an_unknown_authority_is_refused_by_probe_and_tool(
    tls_server: DatabaseServer, mode: SslMode
) -> None:
    suspicious = login(tls_server, host="localhost", ssl_mode=mode)
    trusting = login(tls_server, host="localhost", ssl_mode=SslMode.REQUIRE)
    engine = engine_for(suspicious.server.type)

    with pytest.raises(TlsFailed, match="localhost"):
        engine.probe(suspicious, "mysql" if tls_server.family == "mysql" else "postgres")
    with fresh_database(tls_server) as name:
        probe = engine.probe(trusting, name)
        tool = engine.choose_tool(probe.server, tools(engine.dump_tools))
        ended = run(engine.dump_command(suspicious, name, tool, probe, ()), suspicious)
    error = engine.dump_error(ended.exit_code, ended.stderr, server=suspicious.server, database=name)

    assert isinstance(error, TlsFailed)


def test_verify_full_refuses_a_certificate_for_another_name(
    tls_server: DatabaseServer, certificate: Certificate
) -> None:
    by_address = login(tls_server, ssl_mode=SslMode.VERIFY_FULL, ca_bundle=certificate[0])
    trusting = login(tls_server, ssl_mode=SslMode.REQUIRE)
    engine = engine_for(by_address.server.type)

    with fresh_database(tls_server) as name:
        with pytest.raises(TlsFailed):
            engine.probe(by_address, name)
        probe = engine.probe(trusting, name)
        tool = engine.choose_tool(probe.server, tools(engine.dump_tools))
        ended = run(engine.dump_command(by_address, name, tool, probe, ()), by_address)
    error = engine.dump_error(ended.exit_code, ended.stderr, server=by_address.server, database=name)

    assert isinstance(error, TlsFailed)


def test_br15_no_tool_that_verifies_goes_on_without_tls(server: DatabaseServer, certificate: Certificate) -> None:
    """MariaDB's client before 11.4 goes on in clear text when it is only told to use TLS."""
    strict = login(server, ssl_mode=SslMode.VERIFY_CA, ca_bundle=certificate[0])
    engine = engine_for(strict.server.type)
    probe = engine.probe(login(server), SAMPLE)
    tool = engine.choose_tool(probe.server, tools(engine.dump_tools))

    ended = run(engine.dump_command(strict, SAMPLE, tool, probe, ()), strict)
    error = engine.dump_error(ended.exit_code, ended.stderr, server=strict.server, database=SAMPLE)

    assert isinstance(error, TlsFailed)
    assert b"CREATE TABLE" not in ended.output


def test_the_systems_authorities_are_trusted_unless_others_are_named(server: DatabaseServer, tmp_path: Path) -> None:
    own = tmp_path / "own.pem"
    own.write_text("authorities")

    of_system = trusted_bundle(login(server, ssl_mode=SslMode.VERIFY_FULL))
    named = trusted_bundle(login(server, ssl_mode=SslMode.VERIFY_CA, ca_bundle=own))

    assert of_system is not None
    assert of_system.is_file()
    assert named == own
    assert trusted_bundle(login(server, ssl_mode=SslMode.REQUIRE, ca_bundle=own)) is None


def test_a_missing_file_of_authorities_is_named(server: DatabaseServer, tmp_path: Path) -> None:
    with pytest.raises(TlsFailed, match=r"nowhere\.pem"):
        trusted_bundle(login(server, ssl_mode=SslMode.VERIFY_FULL, ca_bundle=tmp_path / "nowhere.pem"))
