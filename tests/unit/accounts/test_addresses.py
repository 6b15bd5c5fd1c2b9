"""Where a caller sits, in every spelling a peer has, and which networks that is in."""

from __future__ import annotations

import pytest

from gateway.accounts.addresses import address_of, check_address, host_of, networks
from gateway.core.errors import GatewayError, Kind


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("192.0.2.7:4711", "192.0.2.7"),
        ("192.0.2.7", "192.0.2.7"),
        ("ipv4:192.0.2.7:4711", "192.0.2.7"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("ipv6:[2001:db8::1]:4711", "2001:db8::1"),
        ("ipv6:%5B2001:db8::1%5D:4711", "2001:db8::1"),
        ("[::ffff:192.0.2.7]:1", "192.0.2.7"),
        ("unix", None),
        ("unix:", None),
        ("", None),
        ("192.0.2.7, 10.0.0.1", None),
        ("10.0.0.1.evil.example:1", None),
    ],
)
def test_the_address_of_a_peer(peer: str, address: str | None) -> None:
    """HTTP's and gRPC's spellings; what is no address is none."""
    found = address_of(peer)
    assert (str(found) if found is not None else None) == address
    assert len(host_of(peer * 50)) <= 64


@pytest.mark.parametrize(
    ("peer", "allowed", "may"),
    [
        ("10.1.2.3:1", ["10.0.0.0/8"], True),
        ("11.1.2.3:1", ["10.0.0.0/8"], False),
        ("[::ffff:10.1.2.3]:1", ["10.0.0.0/8"], True),
        ("[2001:db8::1]:1", ["10.0.0.0/8", "2001:db8::/32"], True),
        ("10.1.2.3:1", ["2001:db8::/32"], False),
        ("10.1.2.3:1", ["10.1.2.3"], True),
        ("unix", ["0.0.0.0/0", "::/0"], False),
        ("unix", [], True),
    ],
)
def test_networks(peer: str, allowed: list[str], may: bool) -> None:
    """Inside one of them, or anywhere when there are none; who cannot be placed is in none."""
    if may:
        check_address(peer, networks(allowed))
        return
    with pytest.raises(GatewayError) as refused:
        check_address(peer, networks(allowed))
    assert refused.value.kind is Kind.PERMISSION_DENIED
