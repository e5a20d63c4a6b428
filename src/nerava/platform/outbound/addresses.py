"""Which addresses may be connected to when an outsider gave the URL."""

from __future__ import annotations

import ipaddress
import queue
import re
import socket
import threading
from http import HTTPStatus
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import httpcore2

from nerava.kernel.errors import NeravaError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

HTTPS_PORT: Final = 443
URL_CHARACTERS_MAX: Final = 2_000
LOOKING_UP_MAX: Final = 16

_REFUSED: Final = tuple(
    ipaddress.ip_network(one)
    for one in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
_PUBLIC_V6: Final = ipaddress.ip_network("2000::/3")
_REFUSED_V6: Final = tuple(
    ipaddress.ip_network(one)
    for one in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "2620:4f:8000::/48")
)
"""Within 2000::/3: protocol assignments (Teredo among them), documentation, 6to4, AS112."""

_BAD_CHARACTER: Final = re.compile(r"[\x00-\x20\x7f\\]")


class UrlRefused(NeravaError):
    """We do not connect to that URL."""

    code = "url-refused"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "That URL cannot be used"
    outcome = "not_executed"


class AddressRefused(httpcore2.ConnectError):
    """The name leads to an address that is none of the public internet."""


class NameNotFound(httpcore2.ConnectError):
    """The name leads nowhere, or nobody said where in time."""


def require_public_url(url: str) -> str:
    """Return the URL of an outsider as it may be called: https, port 443, a host, and no user in it.

    Says nothing about the address behind the name: that is looked at whenever it is connected to.

    Raises:
        UrlRefused: It is not so (422).
    """
    if len(url) > URL_CHARACTERS_MAX or _BAD_CHARACTER.search(url):
        raise UrlRefused("it has a character that no URL has, or too many of them")
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise UrlRefused("it is no URL") from None
    if parts.scheme != "https" or port not in {None, HTTPS_PORT}:
        raise UrlRefused("it has to begin with https:// and to use port 443")
    if "@" in parts.netloc or "#" in url or not host:
        raise UrlRefused("it has to name a host, and neither a user nor a fragment")
    try:
        plain = host if ":" in host else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise UrlRefused("its host is no name") from None
    written = _literal(plain)
    if written is not None and not is_public(written):
        raise UrlRefused("its address is not on the public internet")
    netloc = f"[{plain}]" if ":" in plain else plain
    return parts._replace(netloc=netloc).geturl()


def is_public(address: Address) -> bool:
    """Return whether an address is one of the public internet, and no other address in disguise.

    Mapped, translated (NAT64) and tunnelled (6to4, Teredo) forms are refused whatever they hold.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _REFUSED)
    if address.scope_id is not None or address.ipv4_mapped is not None or address not in _PUBLIC_V6:
        return False
    return not any(address in network for network in _REFUSED_V6)


def addresses_of(host: str, port: int, patience_s: float, *, only_public: bool) -> list[str]:
    """Return the addresses behind a name, looked up once, for at most so many seconds.

    One address that is not public refuses the name as a whole: who mixes them tries something.

    Raises:
        AddressRefused: Only public ones are wanted, and one is not.
        NameNotFound: There is none.
    """
    written = _literal(host)
    found = [str(written)] if written is not None else _looked_up(host, port, patience_s)
    if only_public and not all(is_public(ipaddress.ip_address(one)) for one in found):
        raise AddressRefused(host)
    return found


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


_LOOKING_UP: Final = threading.BoundedSemaphore(LOOKING_UP_MAX)


def _looked_up(host: str, port: int, patience_s: float) -> list[str]:
    """Ask the system's resolver, which knows no time-out, in a thread that may be left behind."""
    told: queue.SimpleQueue[list[str] | OSError | UnicodeError] = queue.SimpleQueue()
    if not _LOOKING_UP.acquire(timeout=patience_s):
        raise NameNotFound(host)

    def look_up() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            told.put(list(dict.fromkeys(str(row[4][0]) for row in rows)))
        except (OSError, UnicodeError) as error:
            told.put(error)
        finally:
            _LOOKING_UP.release()

    threading.Thread(target=look_up, name="look-up", daemon=True).start()
    try:
        found = told.get(timeout=patience_s)
    except queue.Empty:
        raise NameNotFound(host) from None
    if not isinstance(found, list) or not found:
        raise NameNotFound(host)
    return found
