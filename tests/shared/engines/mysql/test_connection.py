import socket
import threading
import time
from collections.abc import Iterator

import pytest

from local.servers import DatabaseServer
from shared.engines.mysql.connection import session
from shared.engines.mysql.probe import vendor_of, version_number
from shared.errors import BackupError, ConnectionLost, UnsupportedServer
from tests.support.engines import SAMPLE, login


@pytest.fixture
def stranger_port() -> Iterator[int]:
    """A server that says something else than MySQL would."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            with listener.accept()[0] as connection:
                connection.sendall(b"\x04\x00\x00\x00\x0aabc")
                connection.recv(1)

        thread = threading.Thread(target=greet)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_a_question_that_takes_too_long_ends_in_time(mariadb: DatabaseServer) -> None:
    began = time.monotonic()

    with pytest.raises(ConnectionLost), session(login(mariadb), SAMPLE, timeout_seconds=1) as asked:
        asked.rows("SELECT SLEEP(30)")

    assert time.monotonic() - began < 10


def test_a_server_of_another_kind_is_named(mariadb: DatabaseServer, stranger_port: int) -> None:
    with (
        pytest.raises(UnsupportedServer, match=str(stranger_port)),
        session(login(mariadb, port=stranger_port), SAMPLE, timeout_seconds=2),
    ):
        pass


def test_an_error_of_ours_is_not_taken_for_the_drivers(mariadb: DatabaseServer) -> None:
    class OurError(Exception):
        pass

    with pytest.raises(OurError), session(login(mariadb), SAMPLE, timeout_seconds=5):
        raise OurError


def test_an_error_inside_the_block_comes_as_one_of_the_tree(mariadb: DatabaseServer) -> None:
    with pytest.raises(BackupError), session(login(mariadb), SAMPLE, timeout_seconds=5) as asked:
        asked.rows("SELECT nonsense")


@pytest.mark.parametrize(
    ("version", "numbers"),
    [
        ("10.11.19-MariaDB-0+deb12u1", (10, 11, 19)),
        ("5.5.5-10.6.18-MariaDB", (10, 6, 18)),
        ("8.0.36-azure", (8, 0, 36)),
        ("8.4.0", (8, 4, 0)),
        ("unknown", (0,)),
    ],
)
def test_the_version_is_read_from_its_text(version: str, numbers: tuple[int, ...]) -> None:
    assert version_number(version) == numbers


@pytest.mark.parametrize(
    ("version", "comment", "vendor"),
    [
        ("10.11.19-MariaDB-0+deb12u1", "Debian 12", "mariadb"),
        ("10.6.18-cloud", "MariaDB Server", "mariadb"),
        ("8.0.36", "Source distribution", "mysql"),
        ("8.0.36-28", "Percona Server (GPL), Release 28", "mysql"),
    ],
)
def test_the_vendor_is_told_by_the_version_and_its_comment(version: str, comment: str, vendor: str) -> None:
    assert vendor_of(version, comment) == vendor
