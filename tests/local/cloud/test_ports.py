import socket
from pathlib import Path

import pytest

from local.cloud.ports import free_ports, keep_ports, kept_ports, listen

pytestmark = pytest.mark.unit


def test_a_free_port_is_used_again() -> None:
    with listen(None) as first:
        port = first.getsockname()[1]

    with listen(port) as again:
        assert again.getsockname() == ("127.0.0.1", port)


def test_a_listener_says_that_it_is_tcp_so_that_replies_are_not_held_back() -> None:
    with listen(None) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_another_port_replaces_a_taken_one() -> None:
    with listen(None) as taken:
        taken.listen()
        port = taken.getsockname()[1]

        with listen(port) as other:
            assert other.getsockname()[1] != port


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports([None, None, None])

    assert len(set(ports)) == 3
    for port in ports:
        with socket.socket() as client:
            assert client.connect_ex(("127.0.0.1", port)) != 0


def test_the_wanted_ports_are_given_when_they_are_free() -> None:
    ports = free_ports([None, None])

    assert free_ports(ports) == ports


def test_kept_ports_are_read_back(tmp_path: Path) -> None:
    keep_ports(tmp_path / "ports.json", {"blob": 10000, "table": 10002})

    assert kept_ports(tmp_path / "ports.json") == {"blob": 10000, "table": 10002}


def test_nothing_is_kept_before_the_first_start(tmp_path: Path) -> None:
    assert kept_ports(tmp_path / "ports.json") == {}
