"""Where a request comes from, as far as it can be believed."""

from __future__ import annotations

import functools
import ipaddress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import HTTPConnection

Network = IPv4Network | IPv6Network

UNKNOWN: Final = "unknown"
HOPS_MAX: Final = 20
"""No more hops of a forwarded header are looked at; nobody has so many proxies."""

PLACES_MAX: Final = 4_096
"""How many places are remembered as they were read; a head is short, so they are small."""


@dataclass(frozen=True, slots=True)
class Client:
    """The caller's place in the network, coarse enough to be counted.

    Attributes:
        address: An IPv4 address, or an IPv6 /64: one household has all of that.
        block: The IPv4 /24 or the IPv6 /48 it lies in.
    """

    address: str
    block: str


NOWHERE: Final = Client(UNKNOWN, UNKNOWN)
"""A caller without an address, such as one on a Unix socket."""


def networks_of(text: str | None) -> tuple[Network, ...]:
    """Return the networks that a comma-separated list names: `10.0.0.0/8, 2001:db8::1`; None is none.

    Raises:
        ValueError: One of them is no network.
    """
    return tuple(ipaddress.ip_network(one.strip()) for one in (text or "").split(",") if one.strip())


def client_address(request: HTTPConnection, trusted_proxies: Sequence[Network]) -> Client:
    """Return where a request comes from.

    That is the peer of the connection. When the peer is one of our proxies, it is the right-most
    hop of `X-Forwarded-For` that is not; what stands left of it anybody may have written. A hop
    that is no address counts as the proxy that passed it on.
    """
    if request.client is None:
        return NOWHERE
    forwarded = tuple(request.headers.getlist("x-forwarded-for")) if trusted_proxies else ()
    return _seen_from(request.client.host, forwarded, tuple(trusted_proxies))


# Asked several times for every request, and mostly about the same callers.
@functools.lru_cache(maxsize=PLACES_MAX)
def _seen_from(host: str, forwarded: tuple[str, ...], trusted_proxies: tuple[Network, ...]) -> Client:
    peer = _parsed(host)
    if peer is None:
        return NOWHERE
    if trusted_proxies and _is_in(peer, trusted_proxies):
        hops = ",".join(forwarded).split(",")
        for hop in hops[: -HOPS_MAX - 1 : -1]:
            found = _parsed(hop.strip())
            if found is None:
                break
            peer = found
            if not _is_in(peer, trusted_proxies):
                break
    return _coarse(peer)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def _is_in(address: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _coarse(address: IPv4Address | IPv6Address) -> Client:
    if isinstance(address, IPv4Address):
        return Client(str(address), str(IPv4Network((address, 24), strict=False)))
    return Client(
        str(IPv6Network((address, 64), strict=False)), str(IPv6Network((address, 48), strict=False))
    )
