"""Which hosts a database may have: never this machine, its platform or a network that is not meant for databases.

A name is judged by what it resolves to when somebody connects, so `resolve` comes right before every connection.
ALLOWED_NETWORKS lifts every rule for the networks in it.
"""

import re
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from shared.errors import ConnectionFailed, InvalidRequest, UnknownHost
from shared.models.database import DatabaseType
from shared.settings import settings

TITLE = "Invalid host format"
VM_TYPES = (DatabaseType.MYSQL_VM, DatabaseType.POSTGRESQL_VM, DatabaseType.SQLSERVER_VM)
"""Only these may lie in private networks: the others are Azure's own services."""

_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)", re.ASCII)
_PLATFORM: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "168.63.129.16/32",  # Azure's own address inside every virtual network
        "64:ff9b::/96",  # and the three that carry an IPv4 address inside: it would escape our judgement
        "2001::/32",
        "2002::/16",
    )
)


def check_host(host: str, type: DatabaseType) -> None:
    """Raises InvalidRequest unless `host` is a full domain name or an address that a database of `type` may have."""
    address = _literal(host)
    if address is not None:
        _judge(host, address, type)
    elif not _is_full_name(host):
        raise _refused(f"{host[:100]!r} is neither a full domain name nor an IP address.")


def is_allowed_network(host: str) -> bool:
    """True when `host` is an address, or localhost, that lies in ALLOWED_NETWORKS."""
    address = _literal(host)
    return address is not None and _is_allowed(address)


def resolve(host: str, port: int, type: DatabaseType) -> list[str]:
    """The addresses behind `host`, each judged; InvalidRequest when one is refused, UnknownHost when there is none.

    Raises ConnectionFailed when the name servers do not answer now: the host may well exist.
    """
    check_host(host, type)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as failure:
        if failure.errno == socket.EAI_AGAIN:
            raise ConnectionFailed(
                f"The name servers do not answer for {host}; see the DNS of the network. It is tried again."
            ) from failure
        raise UnknownHost(f"The host name {host} does not exist; check it, or the DNS of the network.") from failure
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for text in addresses:
        _judge(host, ip_address(text.partition("%")[0]), type)
    return addresses


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    if host.lower() == "localhost":
        return IPv4Address("127.0.0.1")
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_full_name(host: str) -> bool:
    labels = host.split(".")
    # A last label of digits would make it an address of an old notation, such as 127.1.
    return (
        len(host) <= 253
        and len(labels) > 1
        and all(_LABEL.fullmatch(label) for label in labels)
        and labels[-1][0].isalpha()
    )


def _judge(host: str, address: IPv4Address | IPv6Address, type: DatabaseType) -> None:
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if _is_allowed(address):
        return
    shown = host if host == str(address) else f"{host} ({address})"
    if _is_never_a_server(address):
        raise _refused(f"{shown} is an address of this machine, of its platform, or of no single machine.")
    if not address.is_global and type not in VM_TYPES:
        raise _refused(f"{shown} is private: only databases on VMs, or networks in ALLOWED_NETWORKS, may be.")


def _is_never_a_server(address: IPv4Address | IPv6Address) -> bool:
    return (
        address.is_loopback
        or address.is_link_local  # 169.254.169.254 is the cloud's metadata service
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
        or any(address in network for network in _PLATFORM)
    )


def _is_allowed(address: IPv4Address | IPv6Address) -> bool:
    return any(address in network for network in settings().allowed_networks)


def _refused(why: str) -> InvalidRequest:
    return InvalidRequest(f"{TITLE}: {why}", title=TITLE)
