"""The way to Redis: a tenth of a second at most, and none at all for a while after it failed."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final, TypeVar, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

from dogpile.cache import register_backend
from dogpile.cache.api import NO_VALUE
from dogpile.cache.backends.redis import RedisBackend
from dogpile.cache.proxy import ProxyBackend
from redis import AuthenticationError, ConnectionPool, CredentialProvider, Redis, RedisError
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

from nerava.platform.live_secrets import live
from nerava.platform.secrets import SecretMissing

if TYPE_CHECKING:
    from collections.abc import Callable

    from dogpile.cache.api import SerializedReturnType

    from nerava.platform.live_secrets import Given, LiveSecret

log = logging.getLogger(__name__)

Result = TypeVar("Result")

NAME: Final = "nerava.redis"
SLOW_S: Final = 0.1
SKIPPED_S: Final = 5.0
CONNECTIONS_MAX: Final = 200
LOCK_MS: Final = 5_000
NOTE_MS: Final = 2_000
_RELEASE: Final = """
if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end
return 0
"""
"""Only the owner of a lock lets go of it."""


class RedisLink:
    """One Redis, used while it answers. Nothing here raises because of it. Safe to share between threads.

    When it fails or is slow, it is left alone for 5 s at a time; whether it is back is tried in a
    thread of its own, so that no caller waits for that.
    """

    def __init__(self, url: Given, *, skipped_s: float = SKIPPED_S) -> None:
        """Prepare; nothing is sent before the first use.

        Args:
            url: The address. Name and password in it are read again; for another place the process is
                started anew.
            skipped_s: For how long Redis is left alone after it failed.
        """
        self._skipped_s = skipped_s
        self._password = _Password(live(url))
        self.pool = ConnectionPool.from_url(
            self._password.place,
            credential_provider=self._password,
            max_connections=CONNECTIONS_MAX,
            socket_timeout=SLOW_S,
            socket_connect_timeout=SLOW_S,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,
        )
        self._redis = Redis(connection_pool=self.pool)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._is_skipped = False
        self.failures = 0

    @property
    def is_used(self) -> bool:
        """Whether it is asked at present."""
        return not self._is_skipped

    def close(self) -> None:
        """Close the connections and give up trying."""
        self._closed.set()
        self.pool.disconnect()

    def attempt(self, work: Callable[[], Result], otherwise: Result) -> Result:
        """Do something with Redis; return `otherwise` while it is left alone, and when that fails now."""
        if self._is_skipped:
            return otherwise
        begun = time.monotonic()
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - whatever becomes of Redis, no request fails of it
            self._skip(type(error).__name__)
            return otherwise
        if time.monotonic() - begun > SLOW_S:
            self._skip("slow")
        return result

    def take_lock(self, place: str, token: str) -> bool | None:
        """Take the lock of a place for 5 s; None if there is no Redis to ask."""
        return self.attempt(lambda: bool(self._redis.set(f"{place}:lock", token, nx=True, px=LOCK_MS)), None)

    def release_lock(self, place: str, token: str) -> None:
        """Let go of a lock, if it is still ours."""
        self.attempt(lambda: self._redis.eval(_RELEASE, 1, f"{place}:lock", token), None)

    def owner_of_lock(self, place: str) -> tuple[str | None, str | None]:
        """Return the token of who holds the lock, and what the last one who failed left behind."""
        keys, nothing = [f"{place}:lock", f"{place}:failed"], cast("list[object]", [None, None])
        owner, failed = self.attempt(lambda: cast("list[object]", self._redis.mget(keys)), nothing)
        return _text(owner), _text(failed)

    def leave_failure(self, place: str, token: str, text: str) -> None:
        """Tell those who wait for us that it failed, and how."""
        self.attempt(lambda: self._redis.set(f"{place}:failed", f"{token}|{text}", px=NOTE_MS), None)

    def _skip(self, why: str) -> None:
        with self._lock:
            self.failures += 1
            if self._is_skipped or self._closed.is_set():
                return
            self._is_skipped = True
        log.warning("Redis is left alone for a while: %s", why)
        threading.Thread(target=self._try_again, name="cache-redis", daemon=True).start()

    def _try_again(self) -> None:
        while not self._closed.wait(self._skipped_s):
            begun = time.monotonic()
            try:
                # Connections that broke meanwhile would fail their next users.
                self.pool.disconnect(inuse_connections=False)
                self._redis.ping()
            except AuthenticationError:
                self._password.ask_anew()
                continue
            except (RedisError, OSError, SecretMissing):
                continue
            if time.monotonic() - begun <= SLOW_S:
                self._is_skipped = False
                log.info("Redis is used again")
                return


class _Password(CredentialProvider):
    """Name and password of an address, as they are whenever a connection is made."""

    def __init__(self, url: LiveSecret) -> None:
        self._url = url
        self._shown = url.reveal()
        self.place = _place_in(self._shown)

    def get_credentials(self) -> tuple[()] | tuple[str] | tuple[str, str]:  # type: ignore[override]  # () is nobody
        """Return what a connection shows.

        Raises:
            SecretMissing: The source of the address has failed for a day (503).
        """
        text = self._url.reveal()
        if _place_in(text) == self.place:
            self._shown = text
        elif text != self._shown:
            log.warning("Redis has another address now; it is used after a new start")
        parts = parse_url(self._shown)  # type: ignore[no-untyped-call]
        name, password = parts.get("username"), parts.get("password")
        if password is None:
            return ()
        return (password,) if name is None else (name, password)

    def ask_anew(self) -> None:
        """Have the source asked for a newer one than the one that was just refused."""
        self._url.newer_than(self._shown)


def _place_in(url: str) -> str:
    """Return an address without who asks."""
    parts = urlsplit(url)
    query = urlencode([one for one in parse_qsl(parts.query) if one[0] not in {"username", "password"}])
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{'?' if query else ''}{query}"


class RedisText(RedisBackend):
    """dogpile's backend without the command that redis-py calls old."""

    def set_serialized(self, key: str, value: bytes) -> None:
        """Keep a text until its time is over."""
        self.writer_client.set(key, value, ex=self.redis_expiration_time)


register_backend(NAME, __name__, RedisText.__name__)  # type: ignore[no-untyped-call]


class Skipping(ProxyBackend):
    """Lets dogpile's Redis backend be used through a link."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    def get_serialized(self, key: str) -> SerializedReturnType:
        """Return what is kept; nothing while Redis is left alone."""
        return self._link.attempt(lambda: self.proxied.get_serialized(key), NO_VALUE)

    def set_serialized(self, key: str, value: bytes) -> None:
        """Keep a text, if that can be done."""
        self._link.attempt(lambda: self.proxied.set_serialized(key, value), None)

    def delete(self, key: str) -> None:
        """Drop one, if that can be done."""
        self._link.attempt(lambda: self.proxied.delete(key), None)


def _text(value: object) -> str | None:
    return value.decode() if isinstance(value, bytes) else None


def answers(url: str, *, patience_s: float = 2.0) -> bool:
    """Ask a Redis once whether it is there and knows us; never raises because it is not."""
    pool = ConnectionPool.from_url(
        url, socket_timeout=patience_s, socket_connect_timeout=patience_s, retry=Retry(NoBackoff(), 0)
    )
    try:
        return bool(Redis(connection_pool=pool).ping())
    except (RedisError, OSError, ValueError):
        return False
    finally:
        pool.disconnect()
