"""Signed requests: what a partner's machine wrote is what arrives, a short time later and once."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from nerava.kernel.errors import NeravaError

TIMESTAMP: Final = "nerava-timestamp"
SIGNATURE: Final = "nerava-signature"
SIGNED_WITHIN: Final = timedelta(seconds=300)
"""How far the time of signing may lie from ours, in either direction."""

KEY_BYTES: Final = 32

# No dot: the parts of what is signed are joined by dots.
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_SECONDS: Final = re.compile(r"[1-9][0-9]{0,11}")


class Signing(StrEnum):
    """How the writes of a key are signed."""

    HMAC_SHA256 = "hmac-sha256"
    ED25519 = "ed25519"


class SignatureInvalid(NeravaError):
    """The request is not signed, not by its key, not as it arrived, or not now."""

    code = "signature-invalid"
    status = HTTPStatus.UNAUTHORIZED
    title = "The signature of the request is not valid"


@dataclass(frozen=True, slots=True)
class Signed:
    """A request with its signature, as it arrived.

    Attributes:
        id: The `Idempotency-Key`, so that who replays the request gets its answer and no second effect.
        timestamp: Unix time of signing, in seconds, as text.
        path: As sent, percent-encoding included; `query` the same, without the question mark.
        signature: `{method of signing}={base64}`.
    """

    id: str
    timestamp: str
    method: str
    path: str
    query: str
    body: bytes = field(repr=False)
    signature: str = field(repr=False)

    def content(self) -> bytes:
        """Return what is signed: `id.timestamp.method.path.query.sha256(body)`, the hash in hexadecimal."""
        digest = hashlib.sha256(self.body).hexdigest()
        parts = (self.id, self.timestamp, self.method, self.path, self.query, digest)
        return ".".join(parts).encode()

    def verify(self, signing: Signing, key: bytes, now: datetime) -> None:
        """Check that the holder of `key` signed this within the last and next 300 seconds.

        Args:
            signing: What was agreed for the key; another method is refused, so nobody can choose.
            key: The shared secret, or the public key.
            now: Aware UTC.

        Raises:
            SignatureInvalid: With the part that is wrong (401).
        """
        if _ID.fullmatch(self.id) is None:
            raise SignatureInvalid("sign with an Idempotency-Key of 1 to 255 letters, digits, - and _")
        if _SECONDS.fullmatch(self.timestamp) is None:
            raise SignatureInvalid("Nerava-Timestamp must be a Unix time in seconds")
        if abs(int(self.timestamp) - now.timestamp()) > SIGNED_WITHIN.total_seconds():
            raise SignatureInvalid("the time of signing is more than 300 seconds from ours")
        method, _, text = self.signature.partition("=")
        if method != signing.value:
            raise SignatureInvalid(f"this key signs with {signing.value}")
        if not _is_signed(signing, key, self.content(), _decoded(text)):
            raise SignatureInvalid


def _is_signed(signing: Signing, key: bytes, content: bytes, signature: bytes) -> bool:
    if signing is Signing.HMAC_SHA256:
        return hmac.compare_digest(hmac.digest(key, content, "sha256"), signature)
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, content)
    except InvalidSignature:
        return False
    return True


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("latin-1"), validate=True)
    except (binascii.Error, ValueError):
        raise SignatureInvalid from None
