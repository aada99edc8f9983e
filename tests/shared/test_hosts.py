"""Which hosts a database may have, as a table; names are judged by what they resolve to."""

import socket
from collections.abc import Iterator

import pytest

from shared import hosts
from shared.errors import ConnectionFailed, InvalidRequest, UnknownHost
from shared.models.database import DatabaseType
from shared.settings import settings

pytestmark = pytest.mark.unit

AZURE, ON_VM = DatabaseType.MYSQL_FLEXIBLE, DatabaseType.MYSQL_VM

NO_HOSTS = [
    "",
    " ",
    "db",
    "db.example.com.",
    "db..example.com",
    "-db.example.com",
    "db-.example.com",
    "db_1.example.com",
    "db.example.com:3306",
    "https://db.example.com",
    "db.example.com/x",
    "db.example.com\n",
    "bücher.example.com",
    "user@db.example.com",
    "a" * 64 + ".example.com",
    "a." * 126 + "example.com",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "10.0.0.256",
    "10.0.0.1/8",
    "[::1]",
    "fe80::1%eth0",
]
NEVER = [
    "localhost",
    "LocalHost",
    "127.0.0.1",
    "127.255.255.254",
    "::1",
    "::ffff:127.0.0.1",
    "0.0.0.0",
    "0.1.2.3",
    "::",
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "fe80::1",
    "168.63.129.16",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
    "240.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "::127.0.0.1",
]
PRIVATE = ["10.0.1.4", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd00::5", "::ffff:10.0.1.4"]
PUBLIC = ["db.example.com", "prod-mysql.mysql.database.azure.com", "20.1.2.3", "2603:1030::1", "xn--bcher-kva.example"]


@pytest.fixture(autouse=True)
def no_allowed_networks() -> Iterator[None]:
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.mark.parametrize("host", [*NO_HOSTS, *NEVER])
@pytest.mark.parametrize("kind", [AZURE, ON_VM])
def test_what_is_no_host_or_never_a_server_is_refused_with_the_specified_text(host: str, kind: DatabaseType) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        hosts.check_host(host, kind)

    assert refusal.value.shown_title == "Invalid host format"
    assert refusal.value.message.startswith("Invalid host format: ")


@pytest.mark.parametrize("host", PUBLIC)
@pytest.mark.parametrize("kind", [AZURE, ON_VM])
def test_a_public_host_is_accepted_for_every_type(host: str, kind: DatabaseType) -> None:
    hosts.check_host(host, kind)


@pytest.mark.parametrize("host", PRIVATE)
def test_a_private_address_is_for_databases_on_vms_alone(host: str) -> None:
    hosts.check_host(host, ON_VM)

    with pytest.raises(InvalidRequest, match="private"):
        hosts.check_host(host, AZURE)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::ffff:127.0.0.1", "10.0.1.4"])
def test_an_allowed_network_lifts_every_rule_for_it(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_NETWORKS", "127.0.0.0/8, 10.0.1.0/24")
    settings.cache_clear()

    hosts.check_host(host, AZURE)

    with pytest.raises(InvalidRequest):
        hosts.check_host("10.0.2.4", AZURE)


def test_only_an_address_can_lie_in_an_allowed_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_NETWORKS", "127.0.0.0/8")
    settings.cache_clear()

    assert hosts.is_allowed_network("localhost")
    assert hosts.is_allowed_network("127.0.0.2")
    assert not hosts.is_allowed_network("10.0.0.1")
    assert not hosts.is_allowed_network("db.example.com")


def answer_names(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Makes the operating system's resolver know every name by these addresses: tests ask no name server."""

    def known(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", known)


def test_a_name_resolves_to_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_names(monkeypatch, "20.1.2.3", "20.1.2.4", "20.1.2.3")

    assert hosts.resolve("db.example.com", 3306, AZURE) == ["20.1.2.3", "20.1.2.4"]


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.0.0.4", "fe80::1%eth0"])
def test_a_name_is_refused_when_one_of_its_addresses_is(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_names(monkeypatch, "20.1.2.3", address)

    with pytest.raises(InvalidRequest, match=r"db\.example\.com \("):
        hosts.resolve("db.example.com", 3306, AZURE)


def test_a_name_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_names(monkeypatch)

    with pytest.raises(UnknownHost, match=r"nowhere\.example\.com"):
        hosts.resolve("nowhere.example.com", 3306, AZURE)


def test_name_servers_that_do_not_answer_now_are_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def silence(*question: object, **how: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", silence)

    with pytest.raises(ConnectionFailed, match=r"db\.example\.com"):
        hosts.resolve("db.example.com", 3306, AZURE)
