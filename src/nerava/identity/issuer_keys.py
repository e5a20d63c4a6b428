"""The keys of other issuers: remembered, and fetched once a minute at most, whatever strangers send."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from nerava.kernel.errors import NeravaError

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

FRESH_FOR: Final = timedelta(hours=1)
"""How old keys may be before they are fetched again."""

STALE_FOR: Final = timedelta(hours=24)
"""How old keys may be while the issuer cannot be reached."""

FETCHED_AT_MOST_EVERY: Final = timedelta(seconds=60)
"""However many tokens name keys that nobody knows."""

PATIENCE_S: Final = 5.0
"""How long a caller waits for the very first keys, while another one fetches them."""

RSA_BITS: Final = range(2_048, 8_193)
KEYS_MAX: Final = 20
ALGORITHM: Final = "RS256"


class IssuerUnreachable(NeravaError):
    """The issuer's keys cannot be had for now, so its word cannot be checked."""

    code = "issuer-unreachable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "This way to sign in does not work for the moment"
    outcome = "not_executed"
    retry_after_s = 60


class KeySource(Protocol):
    """Where the public keys of an issuer are."""

    def fetch(self) -> Mapping[str, Any]:
        """Return its JWK set, within a few seconds; whatever is raised means that it cannot be had."""
        ...


class IssuerKeys:
    """The keys of one issuer, fetched at most once a minute. Safe to share between threads."""

    def __init__(self, source: KeySource) -> None:
        self._source = source
        self._fetching = threading.Lock()
        self._keys: dict[str, RSAPublicKey] = {}
        self._fetched_at: datetime | None = None
        self._tried_at: datetime | None = None

    def find(self, kid: str, now: datetime) -> RSAPublicKey | None:
        """Return the key of this id; None where the issuer has none of it.

        Fetches what is old, and what is not known, but not more often than once a minute; an issuer
        that cannot be reached is believed for a day.

        Raises:
            IssuerUnreachable: There are no keys that could be believed (503).
        """
        # Whoever has keys to look at does not wait for somebody else's fetch.
        patience_s = 0 if self._keys else PATIENCE_S
        if self._should_fetch(kid, now) and self._fetching.acquire(timeout=patience_s):
            try:
                if self._should_fetch(kid, now):
                    self._fetch(now)
            finally:
                self._fetching.release()
        if self._fetched_at is None or now - self._fetched_at > STALE_FOR:
            raise IssuerUnreachable
        return self._keys.get(kid)

    def _should_fetch(self, kid: str, now: datetime) -> bool:
        fetched, tried = self._fetched_at, self._tried_at
        if kid in self._keys and fetched is not None and now - fetched <= FRESH_FOR:
            return False
        return tried is None or abs(now - tried) >= FETCHED_AT_MOST_EVERY

    def _fetch(self, now: datetime) -> None:
        try:
            found = read_keys(self._source.fetch())
        except Exception as error:  # noqa: BLE001 - whatever a client or an answer raises, there are no new keys
            log.warning("the keys of an issuer could not be fetched: %s", type(error).__name__)
            found = {}
        if found:
            self._keys, self._fetched_at = found, now
        # Last, so that whoever asks for the first keys meanwhile waits for them.
        self._tried_at = now


def read_keys(document: Mapping[str, Any]) -> dict[str, RSAPublicKey]:
    """Return the RSA keys for RS256 signatures of a JWK set, by id; others are left out.

    Raises:
        ValueError: It is no JWK set.
    """
    listed = document.get("keys")
    if not isinstance(listed, list):
        message = "a JWK set has a list of keys"
        raise ValueError(message)
    found = {}
    for one in listed[:KEYS_MAX]:
        if not isinstance(one, dict) or one.get("kty") != "RSA" or not isinstance(one.get("kid"), str):
            continue
        if one.get("use", "sig") != "sig" or one.get("alg", ALGORITHM) != ALGORITHM:
            continue
        public = {name: one.get(name) for name in ("kty", "n", "e")}
        try:
            key = jwt.PyJWK.from_dict(public, ALGORITHM).key
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        if isinstance(key, RSAPublicKey) and key.key_size in RSA_BITS:
            found[one["kid"]] = key
    return found
