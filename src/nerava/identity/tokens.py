"""Access tokens: short-lived, signed with Ed25519, saying who calls and never what they may do."""

from __future__ import annotations

import hashlib
import string
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import jwt

from nerava.identity.errors import InvalidToken
from nerava.kernel.ids import new_id
from nerava.platform.db import canonical_uuid

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from nerava.identity.keys import KeyRing
    from nerava.kernel.clock import Clock

ALGORITHM: Final = "EdDSA"
TYPE: Final = "at+jwt"
TOKEN_CHARACTERS_MAX: Final = 4_096
LIFE_MAX: Final = timedelta(minutes=15)
LEEWAY: Final = timedelta(seconds=30)
REMEMBERED_MAX: Final = 10_000
HEADERS_ALLOWED: Final = frozenset({"alg", "typ", "kid"})
"""So `jku`, `jwk`, `x5u`, `x5c`, `crit` and whatever comes next refuse the token."""

CLAIMS: Final = ("iss", "aud", "sub", "sid", "iat", "exp", "jti", "amr", "auth_time", "scope")
COMPACT: Final = frozenset(string.ascii_letters + string.digits + "-_.")


@dataclass(frozen=True, slots=True)
class TokenOptions:
    """Who issues tokens, for whom, and how long they live.

    Raises:
        ValueError: The life is above 15 minutes, or a name is empty.
    """

    issuer: str = "https://nerava.example"
    audience: str = "nerava-api"
    life: timedelta = timedelta(minutes=10)

    def __post_init__(self) -> None:
        """Refuse options under which a stolen token would be of use for long."""
        if not timedelta(0) < self.life <= LIFE_MAX or not self.issuer or not self.audience:
            message = "tokens need an issuer, an audience, and a life of at most 15 minutes"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid access token says.

    Attributes:
        subject: The user or partner, as an opaque id.
        session_id: The sign-in it belongs to.
        scopes: What it was issued for; the caller's roles limit it further.
        methods: How the caller signed in (RFC 8176 names).
        authenticated_at: When, aware UTC.
    """

    subject: UUID
    session_id: UUID
    scopes: frozenset[str]
    methods: tuple[str, ...]
    authenticated_at: datetime
    expires_at: datetime


class AccessTokens:
    """Issues and verifies the access tokens of this installation. Safe to share between threads."""

    def __init__(self, keys: KeyRing, clock: Clock, options: TokenOptions | None = None) -> None:
        self.keys = keys
        self.options = options or TokenOptions()
        self._clock = clock
        self._verified: OrderedDict[bytes, tuple[str, Claims]] = OrderedDict()
        self._lock = threading.Lock()

    def issue(
        self,
        subject: UUID,
        *,
        scopes: Iterable[str],
        session_id: UUID | None = None,
        methods: Sequence[str] = ("demo",),
        authenticated_at: datetime | None = None,
    ) -> str:
        """Return a new access token for this subject, valid for 10 minutes from now.

        The token carries no role: what the subject may do is read from the database at each use.
        """
        now = self._clock.now()
        key = self.keys.signing()
        claims = {
            "iss": self.options.issuer,
            "aud": self.options.audience,
            "sub": str(subject),
            "sid": str(session_id or new_id()),
            "iat": int(now.timestamp()),
            "exp": int((now + self.options.life).timestamp()),
            "jti": str(new_id()),
            "amr": list(methods),
            "auth_time": int((authenticated_at or now).timestamp()),
            "scope": " ".join(sorted(set(scopes))),
        }
        return jwt.encode(claims, key.private, ALGORITHM, {"typ": TYPE, "kid": key.kid})

    def verify(self, token: str) -> Claims:
        """Return what a token says, after checking every part of it; nothing is fetched.

        What was checked once is remembered by its SHA-256; then only time and key are looked at.

        Raises:
            InvalidToken: It is anything but a current access token of ours for this audience (401).
        """
        if len(token) > TOKEN_CHARACTERS_MAX or not COMPACT.issuperset(token):
            raise InvalidToken
        digest = hashlib.sha256(token.encode("ascii")).digest()
        with self._lock:
            known = self._verified.get(digest)
        if known is None:
            known = self._verified_anew(token)
            with self._lock:
                self._verified[digest] = known
                while len(self._verified) > REMEMBERED_MAX:
                    self._verified.popitem(last=False)
        kid, claims = known
        if self._clock.now() >= claims.expires_at + LEEWAY or self.keys.verifying(kid) is None:
            raise InvalidToken
        return claims

    def _verified_anew(self, token: str) -> tuple[str, Claims]:
        try:
            header = jwt.get_unverified_header(token)
            key = self._key_for(header)
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=self.options.issuer,
                # Our clock decides about time, and `_checked` about the audience.
                options={
                    "require": list(CLAIMS),
                    "verify_aud": False,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except jwt.PyJWTError as error:
            raise InvalidToken from error
        return header["kid"], self._checked(claims)

    def _key_for(self, header: dict[str, Any]) -> Ed25519PublicKey:
        kid = header.get("kid")
        if set(header) != HEADERS_ALLOWED or header["alg"] != ALGORITHM or header["typ"] != TYPE:
            raise InvalidToken
        key = self.keys.verifying(kid) if isinstance(kid, str) else None
        if key is None:
            raise InvalidToken
        return key.public

    def _checked(self, claims: dict[str, Any]) -> Claims:
        now = self._clock.now().timestamp()
        leeway = LEEWAY.total_seconds()
        times = [claims[name] for name in ("iat", "exp", "auth_time")]
        texts = [claims[name] for name in ("sub", "sid", "jti", "scope")]
        methods = claims["amr"]
        well_formed = (
            all(type(one) is int and one >= 0 for one in times)
            and all(type(one) is str for one in texts)
            and isinstance(methods, list)
            and all(isinstance(one, str) for one in methods)
            # Exactly ours: a list with others in it would let their tokens in here.
            and claims["aud"] == self.options.audience
            and "nbf" not in claims
        )
        if not well_formed:
            raise InvalidToken
        issued, expires, signed_in = times
        timely = (
            issued <= now + leeway
            and signed_in <= now + leeway
            and now < expires + leeway
            and 0 < expires - issued <= LIFE_MAX.total_seconds()
        )
        if not timely:
            raise InvalidToken
        try:
            subject, session_id = UUID(canonical_uuid(claims["sub"])), UUID(canonical_uuid(claims["sid"]))
        except ValueError:
            raise InvalidToken from None
        return Claims(
            subject=subject,
            session_id=session_id,
            scopes=frozenset(claims["scope"].split()),
            methods=tuple(methods),
            authenticated_at=datetime.fromtimestamp(signed_in, UTC),
            expires_at=datetime.fromtimestamp(expires, UTC),
        )
