from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.engines.engine import Login
from shared.engines.postgresql.engine import PostgreSqlEngine, PostgreSqlRestorer
from shared.errors import ClientTooOld, ToolMissing
from shared.models.database import DatabaseType, Server, SslMode
from shared.models.inventory import Inventory, Probe, ServerFacts
from shared.models.run import Tool
from tests.support.engines import tools

ENGINE = PostgreSqlEngine()
RESTORER = PostgreSqlRestorer()


def tool(*version: int, path: str = "/bin/pg_dump") -> Tool:
    return Tool(path=path, vendor="postgresql", version=".".join(map(str, version)), version_number=tuple(version))


def facts(major: int, *, encrypted: bool = False) -> ServerFacts:
    return ServerFacts(
        vendor="postgresql",
        version=f"{major}.1",
        version_number=(major, 1),
        character_set="UTF8",
        encrypted=encrypted,
    )


def login(ssl_mode: SslMode = SslMode.DISABLE, bundle: Path | None = None) -> Login:
    return Login(
        server=Server(
            type=DatabaseType.POSTGRESQL_VM,
            host="db.example",
            port=5433,
            username="backup",
            ssl_mode=ssl_mode,
            secret_slug="db-x",
        ),
        password=SecretStr("secret"),
        ca_bundle=bundle,
    )


@pytest.mark.parametrize(
    ("server", "chosen"), [(15, (15, 18)), (16, (17, 10)), (17, (17, 10)), (14, (15, 18)), (18, (18, 1))]
)
def test_br39_the_servers_own_major_comes_first_then_the_lowest_newer_one(server: int, chosen: tuple[int, ...]) -> None:
    every = (tool(13, 9), tool(18, 1), tool(15, 2), tool(17, 10), tool(15, 18))

    assert ENGINE.choose_tool(facts(server), every).version_number == chosen


def test_br39_a_server_newer_than_every_client_is_refused_before_the_dump() -> None:
    with pytest.raises(ClientTooOld, match=r"pg_dump on this machine is 15\.18, and the server is 17\.1") as raised:
        ENGINE.choose_tool(facts(17), (tool(15, 18), tool(13, 9)))

    assert not raised.value.retry


def test_a_restore_needs_a_tool_as_new_as_the_one_that_dumped() -> None:
    every = (tool(15, 18), tool(17, 10))

    assert RESTORER.choose_tool(facts(15), every).version_number == (15, 18)
    assert RESTORER.choose_tool(facts(15), every, dumped_by=tool(16, 2)).version_number == (17, 10)
    with pytest.raises(ClientTooOld):
        RESTORER.choose_tool(facts(15), every, dumped_by=tool(18, 1))


def test_a_client_without_tls_is_not_taken_where_the_connection_needs_it(tmp_path: Path) -> None:
    without = tmp_path / "pg_dump"
    without.write_text(
        "#!/bin/sh\n"
        'echo "pg_dump: error: sslmode value $PGSSLMODE invalid when SSL support is not compiled in" >&2; exit 1\n'
    )
    without.chmod(0o755)
    (with_tls,) = [found for found in tools(["pg_dump"]) if found.version_number[0] == 17]
    bare = tool(16, 2, path=str(without))

    assert ENGINE.choose_tool(facts(16, encrypted=True), (bare, with_tls)) == with_tls
    assert ENGINE.choose_tool(facts(16), (bare, with_tls)) == bare
    with pytest.raises(ToolMissing, match="without TLS"):
        ENGINE.choose_tool(facts(16, encrypted=True), (bare,))


def test_the_command_for_a_dump(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("authorities")
    probe = Probe(server=facts(15), size_bytes=0, inventory=Inventory())

    command = ENGINE.dump_command(
        login(SslMode.VERIFY_FULL, bundle), "a=b", tool(15, 18), probe, ["--exclude-table-data=public.log"]
    )

    assert command.argv == (
        "/bin/pg_dump",
        "--format=custom",
        "--compress=0",
        "--encoding=UTF8",
        "--no-password",
        "--lock-wait-timeout=60000",
        "--exclude-table-data=public.log",
        "--dbname=dbname='a=b'",
    )
    assert command.environment == {
        "PGHOST": "db.example",
        "PGPORT": "5433",
        "PGUSER": "backup",
        "PGPASSWORD": "secret",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": str(bundle),
        "PGCONNECT_TIMEOUT": "30",
        "PGGSSENCMODE": "disable",
    }


def test_the_commands_for_a_restore() -> None:
    scratch = RESTORER.restore_command(login(), "x", tool(15, 18, path="/bin/pg_restore"), scratch=True)
    real = RESTORER.restore_command(login(), "x", tool(15, 18, path="/bin/pg_restore"), scratch=False)

    assert set(scratch.argv) - set(real.argv) == {
        "--no-owner",
        "--no-privileges",
        "--no-publications",
        "--no-subscriptions",
    }
    assert {"--exit-on-error", "--single-transaction", "--dbname=dbname='x'"} <= set(real.argv)


def test_no_line_of_an_archive_is_unknown_and_no_pair_of_versions_is_odd() -> None:
    assert RESTORER.unknown_first_lines(tool(15, 18)) == ()
    assert ENGINE.tool_warnings(facts(15), tool(17, 10)) == ()


@pytest.mark.parametrize("option", ["--exclude-table-data=a*", "--no-comments", "--lock-wait-timeout=500"])
def test_harmless_options_are_allowed(option: str) -> None:
    ENGINE.check_options([option])


def test_a_client_that_does_not_run_is_not_taken_where_the_connection_needs_tls(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="without TLS"):
        ENGINE.choose_tool(facts(16, encrypted=True), (tool(16, 2, path=str(tmp_path / "gone")),))
