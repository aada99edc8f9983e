"""Golden arguments: each vendor's client gets the options that it knows, and no others (BR-14)."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.engines.engine import Login
from shared.engines.mysql.engine import MySqlEngine, MySqlRestorer
from shared.errors import InvalidRequest, ToolMissing, UnsupportedServer
from shared.models.database import DatabaseType, Server, SslMode
from shared.models.inventory import Inventory, Probe, ServerFacts
from shared.models.run import Tool

pytestmark = pytest.mark.unit

ENGINE = MySqlEngine()


def tool(vendor: str, *version: int, name: str = "dump") -> Tool:
    return Tool(path=f"/bin/{name}", vendor=vendor, version=".".join(map(str, version)), version_number=tuple(version))


MARIADB = tool("mariadb", 10, 11, 19, name="mariadb-dump")
MARIADB_11 = tool("mariadb", 11, 4, 2, name="mariadb-dump")
MYSQL_57 = tool("mysql", 5, 7, 44, name="mysqldump")
MYSQL_80 = tool("mysql", 8, 0, 20, name="mysqldump")
MYSQL_84 = tool("mysql", 8, 4, 0, name="mysqldump")


def facts(vendor: str, *, generated_columns: bool = False) -> ServerFacts:
    return ServerFacts(
        vendor=vendor,
        version="8.0.36",
        version_number=(8, 0, 36),
        character_set="utf8mb4",
        generated_columns=generated_columns,
    )


def login(ssl_mode: SslMode = SslMode.DISABLE, bundle: Path | None = None) -> Login:
    return Login(
        server=Server(
            type=DatabaseType.MYSQL_VM,
            host="db.example",
            port=3307,
            username="backup",
            ssl_mode=ssl_mode,
            secret_slug="db-x",
        ),
        password=SecretStr("secret"),
        ca_bundle=bundle,
    )


def arguments(
    chosen: Tool, *, ssl_mode: SslMode = SslMode.DISABLE, bundle: Path | None = None, options: tuple[str, ...] = ()
) -> tuple[str, ...]:
    probe = Probe(server=facts(chosen.vendor), size_bytes=0, inventory=Inventory())
    return ENGINE.dump_command(login(ssl_mode, bundle), "-my db", chosen, probe, options).argv


def test_the_arguments_for_mariadbs_client() -> None:
    assert arguments(MARIADB) == (
        "/bin/mariadb-dump",
        "--no-defaults",
        "--protocol=TCP",
        "--host=db.example",
        "--port=3307",
        "--user=backup",
        "--skip-ssl",
        "--default-character-set=utf8mb4",
        "--max-allowed-packet=1G",
        "--single-transaction",
        "--quick",
        "--routines",
        "--triggers",
        "--events",
        "--hex-blob",
        "--no-tablespaces",
        "--",
        "-my db",
    )


@pytest.mark.parametrize(
    ("chosen", "only_mysql"),
    [
        (MARIADB, []),
        (MARIADB_11, []),
        (MYSQL_57, ["--set-gtid-purged=OFF"]),
        (MYSQL_80, ["--set-gtid-purged=OFF", "--column-statistics=0"]),
        (MYSQL_84, ["--set-gtid-purged=OFF", "--column-statistics=0"]),
    ],
)
def test_br14_each_client_gets_the_options_of_its_vendor(chosen: Tool, only_mysql: list[str]) -> None:
    found = arguments(chosen)

    assert [argument for argument in found if argument.startswith(("--set-gtid", "--column-"))] == only_mysql


@pytest.mark.parametrize(
    ("chosen", "mode", "expected"),
    [
        (MARIADB, SslMode.DISABLE, ["--skip-ssl"]),
        (MARIADB, SslMode.REQUIRE, ["--ssl", "--skip-ssl-verify-server-cert"]),
        (MARIADB, SslMode.VERIFY_CA, ["--ssl", "--ssl-ca={}", "--ssl-verify-server-cert"]),
        (MARIADB_11, SslMode.VERIFY_FULL, ["--ssl", "--ssl-ca={}", "--ssl-verify-server-cert"]),
        (MYSQL_57, SslMode.DISABLE, ["--ssl-mode=DISABLED"]),
        (MYSQL_80, SslMode.DISABLE, ["--ssl-mode=DISABLED", "--get-server-public-key"]),
        (MYSQL_80, SslMode.REQUIRE, ["--ssl-mode=REQUIRED"]),
        (MYSQL_84, SslMode.VERIFY_CA, ["--ssl-mode=VERIFY_CA", "--ssl-ca={}"]),
        (MYSQL_84, SslMode.VERIFY_FULL, ["--ssl-mode=VERIFY_IDENTITY", "--ssl-ca={}"]),
    ],
)
def test_each_ssl_mode_in_each_vendors_words(chosen: Tool, mode: SslMode, expected: list[str], tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("authorities")

    found = arguments(chosen, ssl_mode=mode, bundle=bundle)

    about_tls = [argument for argument in found if "ssl" in argument or "public-key" in argument]
    assert about_tls == [argument.format(bundle) for argument in expected]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [(MARIADB, "--master-data=2"), (MYSQL_80, "--master-data=2"), (MYSQL_84, "--source-data=2")],
)
@pytest.mark.parametrize("asked", ["--master-data=2", "--source-data=2"])
def test_the_binary_log_position_is_asked_for_by_the_name_that_the_client_knows(
    chosen: Tool, expected: str, asked: str
) -> None:
    ENGINE.check_options([asked, "--flush-logs"])

    found = arguments(chosen, options=(asked, "--flush-logs"))

    assert expected in found
    assert found[-3:] == ("--flush-logs", "--", "-my db")


def test_the_servers_own_vendor_comes_first_and_then_the_newest() -> None:
    every = (MARIADB, MYSQL_57, MYSQL_84, MYSQL_80, MARIADB_11)

    assert ENGINE.choose_tool(facts("mysql"), every) == MYSQL_84
    assert ENGINE.choose_tool(facts("mariadb"), every) == MARIADB_11
    assert ENGINE.choose_tool(facts("mariadb"), (MYSQL_57, MYSQL_80)) == MYSQL_80
    with pytest.raises(ToolMissing, match="mariadb-dump, mysqldump"):
        ENGINE.choose_tool(facts("mysql"), ())


def test_br24_generated_columns_of_mysql_are_refused_to_mariadbs_client() -> None:
    with pytest.raises(UnsupportedServer, match="Install MySQL's own mysqldump"):
        ENGINE.choose_tool(facts("mysql", generated_columns=True), (MARIADB,))

    assert ENGINE.choose_tool(facts("mysql", generated_columns=True), (MARIADB, MYSQL_80)) == MYSQL_80
    assert ENGINE.choose_tool(facts("mariadb", generated_columns=True), (MARIADB,)) == MARIADB


def test_br24_a_pair_of_two_vendors_is_a_warning() -> None:
    assert ENGINE.tool_warnings(facts("mysql"), MYSQL_80) == ()
    assert "mysql server is dumped with the client of mariadb" in ENGINE.tool_warnings(facts("mysql"), MARIADB)[0]


@pytest.mark.parametrize(
    ("chosen", "knows"),
    [
        (tool("mariadb", 10, 11, 19), True),
        (tool("mariadb", 10, 11, 7), False),
        (tool("mariadb", 10, 5, 25), True),
        (tool("mariadb", 10, 4, 34), False),
        (tool("mariadb", 11, 3, 2), False),
        (tool("mariadb", 11, 4, 2), True),
        (tool("mariadb", 12, 0), True),
        (tool("mysql", 9, 0, 0), False),
    ],
)
def test_br25_the_sandbox_line_is_kept_for_clients_that_know_it(chosen: Tool, knows: bool) -> None:
    unknown = MySqlRestorer().unknown_first_lines(chosen)

    assert (unknown == ()) == knows
    assert knows or b"/*M!999999\\- enable the sandbox mode */ " in unknown


def test_the_arguments_for_a_restore() -> None:
    command = MySqlRestorer().restore_command(login(), "-my db", tool("mariadb", 10, 11, name="mariadb"), scratch=True)

    assert command.argv[:2] == ("/bin/mariadb", "--no-defaults")
    assert command.argv[-2:] == ("--binary-mode", "--database=-my db")
    assert command.environment == {"MYSQL_PWD": "secret"}


@pytest.mark.parametrize("name", ["ends with a space ", "rocket 🚀"])
def test_names_that_mysql_cannot_have_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequest):
        ENGINE.check_database_name(name)
