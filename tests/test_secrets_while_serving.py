"""What others are let in by, and what we show to Redis and the collector, is read again while a process serves."""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr, ValidationError
from redis import Redis

from nerava.kernel.clock import FixedClock
from nerava.kernel.ids import new_id
from nerava.platform import tracing
from nerava.platform.cache.link import RedisLink
from nerava.platform.embedded_valkey import EmbeddedValkey
from nerava.platform.metrics.access import OperatorToken
from nerava.platform.redaction import REDACTOR
from nerava.settings import MetricsSettings, Settings, TracingSettings
from nerava.telemetry import recorded
from tests.test_secrets_provider import NOON, Shelf, on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nerava.kernel.clock import Clock
    from nerava.platform.live_secrets import LiveSecret

REST_S = 0.05


def shown(token: str) -> list[str]:
    return [f"Bearer {token}"]


def until_true(fact: Callable[[], bool], within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not fact():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.005)


# The token of the operator.


def test_a_new_token_of_the_operator_is_taken_and_the_old_one_as_long_as_it_stands() -> None:
    clock, shelf = FixedClock(NOON), Shelf("token-one-16-long")
    operator = OperatorToken.of(on(shelf, clock))
    assert operator.opens(shown("token-one-16-long"))
    for text, old_opens in (("token-two-16-long, token-one-16-long", True), ("token-two-16-long", False)):
        shelf.text = text
        clock.move_to(clock.now() + timedelta(minutes=19))
        assert operator.opens(shown("token-two-16-long"))
        assert operator.opens(shown("token-one-16-long")) is old_opens
    assert not operator.opens(shown(""))
    assert not operator.opens([])
    assert "token-two" not in REDACTOR.redacted("it was token-two-16-long")


def test_without_its_source_for_a_day_the_token_opens_nothing_and_fails_nobody() -> None:
    clock, shelf = FixedClock(NOON), Shelf("token-one-16-long")
    operator = OperatorToken.of(on(shelf, clock))
    shelf.text = None
    clock.move_to(NOON + timedelta(hours=23))
    assert operator.opens(shown("token-one-16-long"))
    clock.move_to(NOON + timedelta(hours=25))
    assert not operator.opens(shown("token-one-16-long"))
    assert not operator.is_shown(shown("token-one-16-long"))


def test_where_there_is_no_token_everybody_may_see_and_nobody_is_the_operator() -> None:
    nobody = OperatorToken.of(None)
    assert nobody.opens([])
    assert not nobody.is_shown(shown(""))


@pytest.mark.parametrize(
    "token", ["sixteen-long-and-more,short", "sixteen-long-and-more,", ",,,,,,,,,,,,,,,,,,"]
)
def test_each_version_of_the_token_is_long(token: str) -> None:
    with pytest.raises(ValidationError):
        MetricsSettings(token=SecretStr(token))


# The password of Redis.


@pytest.fixture
def valkey() -> Iterator[tuple[EmbeddedValkey, Redis]]:
    with EmbeddedValkey() as server, Redis.from_url(server.url()) as owner:
        owner.config_set("requirepass", "one")
        yield server, owner


def takes_a_lock(link: RedisLink) -> bool:
    """Whether Redis is asked and answers; a slow machine may have it left alone for a moment."""
    return link.take_lock(str(new_id()), "me") is True


def with_password(server: EmbeddedValkey, password: str) -> str:
    return server.url().replace("://", f"://:{password}@")


def test_a_password_that_was_rotated_in_redis_is_asked_for_anew(
    valkey: tuple[EmbeddedValkey, Redis], caplog: pytest.LogCaptureFixture
) -> None:
    server, owner = valkey
    clock, shelf = FixedClock(NOON), Shelf(with_password(server, "one"))
    link = RedisLink(on(shelf, clock), skipped_s=REST_S)
    try:
        until_true(lambda: takes_a_lock(link))
        owner.config_set("requirepass", "two")
        link.pool.disconnect()
        assert not takes_a_lock(link)
        assert not link.is_used
        shelf.text = with_password(server, "two")
        clock.move_to(NOON + timedelta(minutes=1))
        until_true(lambda: takes_a_lock(link))

        with caplog.at_level(logging.WARNING):
            shelf.text = "redis://:three@127.0.0.1:1/0"
            clock.move_to(NOON + timedelta(hours=1))
            link.pool.disconnect()
            until_true(lambda: takes_a_lock(link))  # What is for another place is not shown to this one.
        assert "another address" in caplog.text
    finally:
        link.close()


@pytest.mark.parametrize(
    ("url", "place", "credentials"),
    [
        ("redis://cache:6379/1", "redis://cache:6379/1", ()),
        ("redis://:p%40@cache:6379", "redis://cache:6379", ("p@",)),
        ("rediss://app:p@cache:6379/0?timeout=2", "rediss://cache:6379/0?timeout=2", ("app", "p")),
        ("unix://app@/run/cache.sock?db=1&password=p", "unix:///run/cache.sock?db=1", ("app", "p")),
    ],
)
def test_an_address_of_redis_is_a_place_and_who_asks(
    url: str, place: str, credentials: tuple[str, ...]
) -> None:
    link = RedisLink(url)
    provider = link.pool.connection_kwargs["credential_provider"]
    assert (provider.place, provider.get_credentials()) == (place, credentials)
    assert {"username", "password"}.isdisjoint(link.pool.connection_kwargs)
    link.close()


# The headers for the collector.


class Collector(BaseHTTPRequestHandler):
    """A collector that wants to see a key."""

    accepted: str
    asked: list[str | None]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        type(self).asked.append(self.headers["x-key"])
        self.send_response(200 if self.headers["x-key"] == type(self).accepted else 401)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


class Kept(Settings):
    """Settings whose secrets are on a shelf."""

    def live(self, name: str, clock: Clock) -> LiveSecret | None:
        """Return the one secret that there is."""
        return SHELVED[0] if name == "tracing.headers" else super().live(name, clock)


SHELVED: list[LiveSecret] = []


def test_a_collector_that_refuses_is_asked_once_more_with_the_newer_key() -> None:
    clock, shelf = FixedClock(NOON), Shelf("x-key=one-long-key")
    SHELVED[:] = [on(shelf, clock)]
    kind = type("OwnCollector", (Collector,), {"asked": [], "accepted": "one-long-key"})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        settings = Kept(env="test", tracing=TracingSettings(enabled=True, endpoint=endpoint))
        with recorded(settings, clock, "test") as export:
            assert export is not None
            for _ in range(2):
                with tracing.serving({"method": "GET", "path": "/x"}, "ab" * 16, None):
                    pass
                export.wait()
                kind.accepted = "two-long-key"
                shelf.text = "x-key=two-long-key"
                clock.move_to(NOON + timedelta(seconds=40))
            assert export.counts.sent == 2
        server.shutdown()
        thread.join()
    assert kind.asked == ["one-long-key", "one-long-key", "two-long-key"]
    assert "two-long" not in REDACTOR.redacted("it was two-long-key")
