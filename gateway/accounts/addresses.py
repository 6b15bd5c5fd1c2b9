"""Where a caller sits: the address within `CallContext.peer`, and whether a key may be used from there.

Rules:
    - Both spellings of a peer are understood: HTTP's `ip:port`, `[ip6]:port` or `ip`, and gRPC's `ipv4:`, `ipv6:`.
    - An IPv4 address written as IPv6 (`::ffff:10.0.0.1`) is the IPv4 address.
    - An address that cannot be told (a unix socket) is in no network.
Not here:
    - Which header a proxy may set (frontend.context).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import unquote

from gateway.core.errors import GatewayError, Kind

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and networks as written. Raises ValueError."""
    return tuple(ip_network(text.strip(), strict=False) for text in texts)


def host_of(peer: str) -> str:
    """The host of a peer, for counting; of a unix socket its kind."""
    address = address_of(peer)
    return str(address) if address is not None else peer[:64]


def address_of(peer: str) -> Address | None:
    """The address of a peer; None when there is none in it."""
    text = unquote(peer).removeprefix("ipv4:").removeprefix("ipv6:")
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def check_address(peer: str, allowed: tuple[Network, ...]) -> None:
    """Raise GatewayError PERMISSION_DENIED for a caller outside every network; without networks all are inside."""
    if not allowed:
        return
    address = address_of(peer)
    if address is None or not any(address in network for network in allowed):
        raise GatewayError(
            Kind.PERMISSION_DENIED, "This key may not be used from this address.", code="address_not_allowed"
        )
