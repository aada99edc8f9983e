"""Keeps the connections of the test process on this machine. Other processes and C libraries (libpq) are not seen."""

import ipaddress
import socket
from typing import Any

import pytest

INTERNET = (socket.AF_INET, socket.AF_INET6)


def is_loopback(host: str) -> bool:
    """Whether the host is this machine's own address. Of all names, only `localhost` is."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_other_addresses(patch: pytest.MonkeyPatch, socket_class: type[socket.socket]) -> None:
    """Makes `connect` and `connect_ex` of the class raise AssertionError for addresses of other machines."""
    for name in ("connect", "connect_ex"):
        original = getattr(socket_class, name)

        # Any: an address is whatever the socket's family says.
        def guarded(self: socket.socket, address: Any, original: Any = original) -> Any:
            if self.family in INTERNET and not is_loopback(str(address[0])):
                raise AssertionError(f"tests connect to this machine only, not to {address[0]}:{address[1]}")
            return original(self, address)

        patch.setattr(socket_class, name, guarded)
