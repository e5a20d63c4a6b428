"""The key that signs the head of the audit chain."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from nerava.audit.hashing import framed

if TYPE_CHECKING:
    from nerava.platform.secrets import Secret

PURPOSE: Final = b"nerava audit anchor 1"
KEY_ID_CHARACTERS: Final = 16


class SealKey:
    """Signs anchors with Ed25519. Its secret never leaves it; the public part may be shown."""

    def __init__(self, secret: Secret) -> None:
        seed = HKDF(SHA256(), length=32, salt=None, info=PURPOSE).derive(secret.reveal())
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self._public = self._private.public_key()

    @property
    def key_id(self) -> str:
        """Names the key: the beginning of the SHA-256 of its public part."""
        return hashlib.sha256(self._public.public_bytes_raw()).hexdigest()[:KEY_ID_CHARACTERS]

    def sign(self, hour: str, height: int, head: bytes) -> bytes:
        """Return the signature of the chain's head at an hour (`2026-11-23T14`, UTC)."""
        return self._private.sign(_message(hour, height, head))

    def signed(self, hour: str, height: int, head: bytes, signature: bytes) -> bool:
        """Whether this key signed that."""
        try:
            self._public.verify(signature, _message(hour, height, head))
        except InvalidSignature:
            return False
        return True


def _message(hour: str, height: int, head: bytes) -> bytes:
    return framed([PURPOSE, hour, height, head])
