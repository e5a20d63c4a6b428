"""A caller is counted where it really comes from, whatever it writes about itself."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from nerava.platform.client_address import NOWHERE, Client, client_address, networks_of

PROXIES = networks_of("10.0.0.0/8, 2001:db8:ffff::/48,192.0.2.1")


def asked(peer: str | None, *forwarded: str) -> Client:
    """Return where a request with these headers is taken to come from."""
    headers = [(b"x-forwarded-for", one.encode()) for one in forwarded]
    scope = {"type": "http", "headers": headers, "client": (peer, 1) if peer else None}
    return client_address(Request(scope), PROXIES)


@pytest.mark.parametrize(
    ("peer", "address", "block"),
    [
        ("198.51.100.7", "198.51.100.7", "198.51.100.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("::ffff:198.51.100.7", "198.51.100.7", "198.51.100.0/24"),
        ("fe80::1%eth0", "fe80::/64", "fe80::/48"),
    ],
)
def test_an_address_is_counted_with_its_neighbours(peer: str, address: str, block: str) -> None:
    assert asked(peer) == Client(address, block)


def test_every_address_of_a_household_is_one() -> None:
    assert asked("2001:db8:1:2::1") == asked("2001:db8:1:2:ffff::9")
    assert asked("2001:db8:1:2::1").block == asked("2001:db8:1:3::1").block
    assert asked("2001:db8:1:2::1") != asked("2001:db8:1:3::1")


def test_a_caller_without_an_address_is_nowhere() -> None:
    assert asked(None) == asked("testclient") == NOWHERE


def test_nobody_but_a_proxy_is_believed() -> None:
    assert asked("198.51.100.7", "203.0.113.9") == asked("198.51.100.7")
    assert asked("10.1.2.3", "203.0.113.9").address == "203.0.113.9"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        (["1.1.1.1", "203.0.113.9"], "203.0.113.9"),
        (["1.1.1.1, 203.0.113.9, 10.9.9.9,192.0.2.1"], "203.0.113.9"),
        (["10.9.9.9, 10.8.8.8"], "10.9.9.9"),
        (["203.0.113.9, nonsense"], "10.1.2.3"),
        (["203.0.113.9, nonsense, 10.8.8.8"], "10.8.8.8"),
        (["", "203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9,"], "10.1.2.3"),
        ([], "10.1.2.3"),
        (["203.0.113.9:4711"], "10.1.2.3"),
        (["::ffff:203.0.113.9, ::ffff:10.8.8.8"], "203.0.113.9"),
        (["203.0.113.9" + ", 10.8.8.8" * 1_000], "10.8.8.8"),
    ],
)
def test_the_last_hop_that_is_not_ours_counts_and_what_stands_left_of_it_does_not(
    forwarded: list[str], address: str
) -> None:
    assert asked("10.1.2.3", *forwarded).address == address


def test_a_proxy_may_speak_ipv6() -> None:
    assert asked("2001:db8:ffff::1", "1.1.1.1, 2001:db8:1:2::9").address == "2001:db8:1:2::/64"


@pytest.mark.parametrize("text", ["10.0.0.1/8", "proxy.example", "10.0.0.0/33"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not appear|host bits"):
        networks_of(text)


def test_no_networks_are_none() -> None:
    assert networks_of(None) == networks_of("") == networks_of(" , ") == ()
