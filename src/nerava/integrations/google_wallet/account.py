"""A service account at Google: signs links, and gets the tokens that calls are made with."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

import jwt

from nerava.kernel.outcomes import Misconfigured, RetryLater
from nerava.platform.live_secrets import live
from nerava.platform.outbound import Lost, NotSent, Outbound, Surroundings
from nerava.platform.provider_calls import GWALLET_WRITE

if TYPE_CHECKING:
    from collections.abc import Callable

    from nerava.platform.live_secrets import Given

TOKEN_URL: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
SCOPE: Final = "https://www.googleapis.com/auth/wallet_object.issuer"
ASKED_FOR: Final = timedelta(hours=1)
BEFORE_ITS_END: Final = timedelta(minutes=5)
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    good_until: datetime


class ServiceAccount:
    """One account and its key. Safe to share between threads.

    Args:
        email: Its name.
        key: Its private key, RSA, in PEM.
        token_url: Where tokens come from.
    """

    def __init__(
        self,
        email: str,
        key: Given,
        *,
        now: Callable[[], datetime],
        token_url: str = TOKEN_URL,
        surroundings: Surroundings | None = None,
    ) -> None:
        self.email = email
        self._key = live(key)
        self._now = now
        self._token_url = token_url
        parts = urlsplit(token_url)
        self._path = parts.path
        self._outbound = Outbound(f"{parts.scheme}://{parts.netloc}", now=now, surroundings=surroundings)
        self._lock = threading.Lock()
        self._token: _Token | None = None

    def close(self) -> None:
        """Close the connections."""
        self._outbound.close()

    def signed(self, claims: dict[str, Any]) -> str:
        """Return claims of ours as a JWT, signed with RS256."""
        return jwt.encode({"iss": self.email, **claims}, self._key.reveal(), algorithm="RS256")

    def token(self, *, other_than: str | None = None) -> str | RetryLater | Misconfigured:
        """Return a token for calls, kept until five minutes before its end.

        Args:
            other_than: One that was refused, and is not to be used again.
        """
        with self._lock:
            kept = self._token
            if kept is not None and kept.text != other_than and self._now() < kept.good_until:
                return kept.text
            found = self._asked_for()
            if not isinstance(found, _Token):
                return found
            self._token = found
            return found.text

    def _asked_for(self) -> _Token | RetryLater | Misconfigured:
        now = self._now()
        claims = {
            "scope": SCOPE,
            "aud": self._token_url,
            "iat": int(now.timestamp()),
            "exp": int((now + ASKED_FOR).timestamp()),
        }
        body = urlencode({"grant_type": _GRANT, "assertion": self.signed(claims)}).encode()
        headers = {"content-type": "application/x-www-form-urlencoded"}
        result = self._outbound.ask("POST", self._path, GWALLET_WRITE.call, headers=headers, body=body)
        if isinstance(result, NotSent):
            return RetryLater(result.code, result.not_before)
        if isinstance(result, Lost):
            return RetryLater(result.code)
        told = result.object() or {}
        text, lasts_s = told.get("access_token"), told.get("expires_in")
        if result.is_success and isinstance(text, str) and isinstance(lasts_s, int):
            return _Token(text, now + timedelta(seconds=lasts_s) - BEFORE_ITS_END)
        if result.is_busy or result.status >= HTTPStatus.INTERNAL_SERVER_ERROR or result.is_success:
            return RetryLater(f"token-{result.status}")
        return Misconfigured(str(told.get("error", f"token-{result.status}"))[:40])
