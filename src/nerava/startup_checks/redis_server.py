"""Redis, where one is set: it answers, nobody listens in on the way, and it keeps nobody waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from nerava.startup_checks.deadline import within
from nerava.startup_checks.findings import Finding

if TYPE_CHECKING:
    from nerava.settings import Settings

URL: Final = "NERAVA_REDIS__URL"
_HERE: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_DEAD: Final = Finding(URL, "does not answer; the product runs without one, if it is not set")


def redis_server(settings: Settings) -> list[Finding]:
    """Find a Redis that production must not rely on; one that is unsafe to talk to is not talked to."""
    given = settings.redis.url
    if given is None or not settings.is_strict:
        return []
    url = given.get_secret_value()
    return judge(url) or within(lambda: [] if _answers(url) else [_DEAD], _DEAD)


def judge(url: str) -> list[Finding]:
    """Return what is wrong with an address."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return [Finding(URL, "is no address")]
    options = {name.lower(): values for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    found: list[Finding] = []
    if parts.scheme != "unix" and host not in _HERE:
        has_password = bool(parts.password or options.get("password"))
        is_verified = parts.scheme == "rediss" and options.get("ssl_cert_reqs", ["required"]) == ["required"]
        if not (has_password and is_verified):
            found.append(Finding(URL, "a Redis on another machine needs rediss://, verified, and a password"))
    if any(name.startswith(("socket_", "retry", "health_check")) for name in options):
        found.append(Finding(URL, "must not set timeouts of its own: nobody waits for Redis"))
    return found


def _answers(url: str) -> bool:
    from nerava.platform.cache.link import answers  # noqa: PLC0415 - where there is a Redis only

    return answers(url)
