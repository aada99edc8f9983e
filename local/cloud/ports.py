"""Loopback ports that are picked once, kept in a file, and used again as long as they are free."""

import json
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from local.cloud.private_file import write_private_file


def kept_ports(path: Path) -> dict[str, int]:
    """Service name -> port, as written by keep_ports; empty if there is no such file."""
    if not path.exists():
        return {}
    ports: dict[str, int] = json.loads(path.read_text())
    return ports


def keep_ports(path: Path, ports: Mapping[str, int]) -> None:
    """Write ports where kept_ports finds them."""
    write_private_file(path, json.dumps(dict(sorted(ports.items())), indent=2).encode())


def listen(port: int | None) -> socket.socket:
    """A socket bound on 127.0.0.1 to port, or to a free one when port is None or taken."""
    if port is not None:
        try:
            return _bind(port)
        except OSError:
            pass  # somebody else has it now: another one will do
    return _bind(0)


def free_ports(wanted: Iterable[int | None]) -> list[int]:
    """For each wanted port itself if it is free, else another; all different. They may be taken a moment later."""
    listeners = [listen(port) for port in wanted]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def _bind(port: int) -> socket.socket:
    # asyncio turns Nagle's algorithm off only for sockets that say they are TCP; left on, it costs 40 ms per request.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # A port whose last connections are still in TIME_WAIT counts as free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    return listener
