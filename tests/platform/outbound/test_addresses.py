"""Where outsiders name the address, only the public internet is connected to."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from nerava.platform.outbound import CallPolicy, NotSent, Outbound, Reply, UrlRefused, require_public_url
from nerava.platform.outbound.addresses import addresses_of, is_public
from tests.helpers.other_side import answer, other_side

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SEND = CallPolicy("webhook send", connect_s=0.3, read_s=0.3, total_s=0.6)

NOT_PUBLIC = [
    "0.0.0.0",  # noqa: S104 - an address to refuse
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:10.0.0.1",
    "::ffff:93.184.216.34",
    "::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "2a00:1450::1%eth0",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["93.184.216.34", "8.8.8.8", "172.32.0.1", "2606:2800:220:1::1", "2a00:1450:4001::8a"]

REFUSED_URLS = [
    "http://partner.example/hook",
    "ftp://partner.example/",
    "https://partner.example:8443/",
    "https://partner.example:22/",
    "https://user@partner.example/",
    "https://user:word@partner.example/",
    "https://partner.example#@127.0.0.1/",
    "https://partner.example\\@127.0.0.1/",
    "https://partner.example/ x",
    "https://partner.example/\r\nhost:x",
    "https://partner.example:port/",
    "https:///hook",
    "https://[::1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[fe80::1%25eth0]/",
    "https://127.0.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://10.0.0.1/",
    "https://[",
    "https://" + "a" * 70 + ".example/",
    "https://" + "x" * 3_000,
    "//partner.example/",
    "",
]

SPELLINGS = ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0"]
"""Of this machine, as the system's resolver understands them and `ipaddress` does not."""


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_addresses_of_networks_that_are_not_public_are_refused(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_addresses_of_the_internet_are_not(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_urls_of_outsiders_have_to_be_plain(url: str) -> None:
    with pytest.raises(UrlRefused):
        require_public_url(url)


def test_a_name_in_any_script_has_one_spelling() -> None:
    assert require_public_url("https://Bücher.example/hook?a=1") == "https://xn--bcher-kva.example/hook?a=1"
    assert require_public_url("https://partner.example:443") == "https://partner.example"
    assert require_public_url("https://[2606:2800:220:1::1]/x") == "https://[2606:2800:220:1::1]/x"


@pytest.fixture
def canary() -> Iterator[socket.socket]:
    """A listener on this machine that nobody may reach."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


def names_lead_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Have names looked up as told, one answer after the other; return what was asked."""
    asked: list[str] = []
    left = list(answers)

    really = socket.getaddrinfo

    def look_up(host: str, port: int, *rest: Any, **more: Any) -> list[Any]:
        if host[0].isdigit():
            return really(host, port, *rest, **more)
        asked.append(host)
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


@pytest.mark.parametrize("behind", [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["::ffff:127.0.0.1"]])
def test_a_name_that_leads_inside_is_never_connected_to(
    monkeypatch: pytest.MonkeyPatch, canary: socket.socket, behind: list[str]
) -> None:
    monkeypatch.setattr("nerava.platform.outbound.addresses.HTTPS_PORT", canary.getsockname()[1])
    names_lead_to(monkeypatch, behind)
    outbound = Outbound(
        f"https://partner.example:{canary.getsockname()[1]}", now=lambda: NOW, only_public=True
    )
    assert outbound.ask("POST", "/hook", SEND) == NotSent("address-refused")
    with pytest.raises(BlockingIOError):
        canary.accept()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_another_spelling_of_this_machine_is_still_this_machine(spelling: str) -> None:
    outbound = Outbound(f"https://{spelling}/", now=lambda: NOW, only_public=True)
    assert outbound.ask("POST", "/hook", SEND) == NotSent("address-refused")


def test_the_address_that_was_looked_at_is_the_one_that_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with other_side([answer(200)]) as side:
        asked = names_lead_to(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
        outbound = Outbound(f"http://rebinding.example:{side.port}", now=lambda: NOW)
        assert isinstance(outbound.ask("GET", "/", SEND), Reply)
    assert asked == ["rebinding.example"]


def test_a_dead_first_address_leaves_time_for_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    with other_side([answer(200)]) as side:
        names_lead_to(monkeypatch, ["127.0.0.2", "127.0.0.1"])
        outbound = Outbound(f"http://partner.example:{side.port}", now=lambda: NOW)
        assert isinstance(outbound.ask("GET", "/", SEND), Reply)


def test_a_resolver_that_does_not_answer_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    forever = threading.Event()

    def silent(*_: Any, **__: Any) -> list[Any]:
        forever.wait(5)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    begun = time.monotonic()
    result = Outbound("http://partner.example", now=lambda: NOW).ask("GET", "/", SEND)
    assert result == NotSent("name-not-found")
    assert time.monotonic() - begun < 0.6 + 0.25
    forever.set()


def test_an_address_needs_no_looking_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = names_lead_to(monkeypatch, ["127.0.0.1"])
    assert addresses_of("93.184.216.34", 443, 1, only_public=True) == ["93.184.216.34"]
    assert asked == []
