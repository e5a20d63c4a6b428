"""Where we let peers send us: their addresses come over the wire, and must not lead into our own house."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from nerava.platform.outbound import UrlRefused, require_public_url

_HERE: Final = frozenset({"127.0.0.1", "localhost"})


def origin_of(url: str) -> str:
    """Return scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def trouble_with(url: str, *, local: bool) -> str | None:
    """Return why an address is not called, None when it may be.

    With `local` only plain addresses of this machine may, which is where simulators are; otherwise
    only public ones (`require_public_url`, which is asked again whenever a connection is made).
    """
    try:
        if not local:
            require_public_url(url)
            return None
        parts = urlsplit(url)
    except (UrlRefused, ValueError):
        return "it is no public https address"
    is_here = parts.scheme == "http" and parts.hostname in _HERE and parts.username is None
    return None if is_here else "only peers on this machine are called in this mode"
