"""Device proofs: a device signs each use of its refresh token with a key that never leaves it (RFC 9449)."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import jwt

from nerava.identity.errors import InvalidDeviceProof

if TYPE_CHECKING:
    from datetime import datetime

TYPE: Final = "dpop+jwt"
HEADERS: Final = frozenset({"typ", "alg", "jwk"})
PROOF_CHARACTERS_MAX: Final = 2_048
FRESH_FOR: Final = timedelta(seconds=60)
NONCE_CHARACTERS: Final = range(16, 129)

_MEMBERS: Final = {
    "ES256": ("P-256", "EC", ("crv", "kty", "x", "y")),
    "EdDSA": ("Ed25519", "OKP", ("crv", "kty", "x")),
}
"""Per algorithm: its one curve, its key type, and the members that RFC 7638 hashes, in order."""


def proved_key(proof: str, *, method: str, url: str, now: datetime, refresh_token: str | None = None) -> str:
    """Return the RFC 7638 thumbprint of the key that made this proof for this very request.

    The proof is a DPoP JWT: `htm` and `htu` name the request, `iat` is at most 60 s away, `jti` is
    a nonce, and beside a refresh token `ath` is its SHA-256 in base64url. Nothing is remembered:
    a proof repeated is a refresh token repeated, which is noticed by itself.

    Raises:
        InvalidDeviceProof: Anything else (401).
    """
    try:
        if len(proof) > PROOF_CHARACTERS_MAX:
            raise InvalidDeviceProof
        header = jwt.get_unverified_header(proof)
        thumbprint = _thumbprint(header)
        key = jwt.PyJWK.from_dict(header["jwk"], header["alg"])
        claims = jwt.decode(
            proof,
            key,
            algorithms=[header["alg"]],
            # Our clock decides about time.
            options={"require": ["htm", "htu", "iat", "jti"], "verify_iat": False, "verify_exp": False},
        )
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        raise InvalidDeviceProof from None
    expected = {"htm": method, "htu": url}
    if refresh_token is not None:
        expected["ath"] = _base64(hashlib.sha256(refresh_token.encode()).digest())
    issued, nonce = claims["iat"], claims["jti"]
    good = (
        all(claims.get(name) == value for name, value in expected.items())
        and type(issued) is int
        and abs(now.timestamp() - issued) <= FRESH_FOR.total_seconds()
        and isinstance(nonce, str)
        and len(nonce) in NONCE_CHARACTERS
    )
    if not good:
        raise InvalidDeviceProof
    return thumbprint


def _thumbprint(header: dict[str, Any]) -> str:
    if set(header) != HEADERS or header["typ"] != TYPE or header["alg"] not in _MEMBERS:
        raise InvalidDeviceProof
    curve, kind, members = _MEMBERS[header["alg"]]
    jwk = header["jwk"]
    if not isinstance(jwk, dict) or (jwk.get("crv"), jwk.get("kty")) != (curve, kind) or "d" in jwk:
        raise InvalidDeviceProof
    hashed = json.dumps({name: jwk[name] for name in members}, separators=(",", ":"))
    return _base64(hashlib.sha256(hashed.encode()).digest())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
