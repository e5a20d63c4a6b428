"""Signing keys of access tokens: files beside the data, never rows in the database."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import secrets
import stat
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nerava.identity.errors import SigningKeyUnsafe

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from nerava.kernel.clock import Clock

PUBLISHED_BEFORE_USE: Final = timedelta(minutes=15)
"""How long others have had a new key when it signs its first token."""

KEPT_AFTER_USE: Final = timedelta(minutes=20)
"""How long a replaced key is still accepted: the life of its last token, with room."""

REREAD_AFTER: Final = timedelta(seconds=30)
OTHERS_MAY_NOT: Final = 0o037
"""Bits of a file mode that make a key unsafe: the group may read it at most, others nothing."""

PREFIX: Final = "access-token-"
SUFFIX: Final = ".key.json"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 key pair and since when it exists. Its id is the RFC 7638 thumbprint."""

    kid: str
    private: Ed25519PrivateKey
    created_at: datetime

    @property
    def public(self) -> Ed25519PublicKey:
        """The half that verifies."""
        return self.private.public_key()

    def public_jwk(self) -> dict[str, str]:
        """Return the public half as an RFC 8037 JSON Web Key."""
        return {**_thumbprinted(self.private), "kid": self.kid, "alg": "EdDSA", "use": "sig"}

    def __repr__(self) -> str:
        """Show the id only."""
        return f"SigningKey({self.kid!r})"


class KeyRing:
    """The signing keys of this installation, read from a folder that all its processes share.

    The first process makes the first key; a race between two ends with one key that both use.
    Safe to share between threads.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: tuple[SigningKey, ...] = ()
        self._read_at: datetime | None = None

    def signing(self) -> SigningKey:
        """Return the key that signs now: the newest that has been public for 15 minutes, else the oldest."""
        keys = self._current()
        now = self._clock.now()
        old_enough = [key for key in keys if key.created_at + PUBLISHED_BEFORE_USE <= now]
        return old_enough[-1] if old_enough else keys[0]

    def verifying(self, kid: str) -> SigningKey | None:
        """Return the key with this id if tokens signed by it are accepted now."""
        for key in self.published():
            if key.kid == kid:
                return key
        return None

    def published(self) -> list[SigningKey]:
        """Return the keys whose tokens are accepted, oldest first; replaced ones for 20 minutes more."""
        keys = self._current()
        now = self._clock.now()
        last_use = [later.created_at + PUBLISHED_BEFORE_USE for later in keys[1:]]
        retired = sum(at + KEPT_AFTER_USE <= now for at in last_use)
        return list(keys[retired:])

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return the public key set, as it stands at `/.well-known/jwks.json`."""
        return {"keys": [key.public_jwk() for key in self.published()]}

    def rotate(self) -> SigningKey:
        """Make a new key and return it; it signs from 15 minutes on."""
        while True:
            keys = read_keys(self._folder)
            made = _create(self._folder, number=len(keys) + 1, now=self._clock.now())
            if made is not None:
                with self._lock:
                    self._read_at = None
                return made

    def _current(self) -> tuple[SigningKey, ...]:
        now = self._clock.now()
        with self._lock:
            if self._read_at is None or not self._read_at <= now < self._read_at + REREAD_AFTER:
                self._keys = read_keys(self._folder)
                if not self._keys:
                    _create(self._folder, number=1, now=now)
                    self._keys = read_keys(self._folder)
                self._read_at = now
            return self._keys


def _create(folder: Path, *, number: int, now: datetime) -> SigningKey | None:
    """Write a new key file, or return None when another process was faster with this number."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = Ed25519PrivateKey.generate()
    key = SigningKey(_thumbprint(private), private, now)
    secret = base64.urlsafe_b64encode(private.private_bytes_raw()).rstrip(b"=").decode()
    body = {**key.public_jwk(), "d": secret, "created_at": now.isoformat()}
    draft = folder / f".{PREFIX}{secrets.token_hex(8)}.new"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            json.dump(body, file)
            file.flush()
            os.fsync(file.fileno())
        # A link appears whole or not at all, and fails where a name is taken.
        os.link(draft, folder / f"{PREFIX}{number:04d}{SUFFIX}")
    except FileExistsError:
        return None
    finally:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
    return key


def read_keys(folder: Path) -> tuple[SigningKey, ...]:
    """Return the keys in a folder, oldest first; none where there is no folder.

    Raises:
        SigningKeyUnsafe: A file is open to others, or is not an Ed25519 signing key with its own id (500).
    """
    files = sorted(folder.glob(f"{PREFIX}*{SUFFIX}")) if folder.is_dir() else []
    return tuple(_read(file) for file in files)


def _read(file: Path) -> SigningKey:
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & OTHERS_MAY_NOT:
        message = f"{file.name} has mode {mode:04o}; make it 0600"
        raise SigningKeyUnsafe(message)
    try:
        body: dict[str, Any] = json.loads(file.read_text(encoding="ascii"))
        secret = str(body["d"])
        private = Ed25519PrivateKey.from_private_bytes(
            base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
        )
        created_at = datetime.fromisoformat(body["created_at"])
        kid = _thumbprint(private)
        if (body["kty"], body["crv"], body["kid"]) != ("OKP", "Ed25519", kid):
            message = f"{file.name} is not the Ed25519 signing key it is said to be"
            raise SigningKeyUnsafe(message)
    except (ValueError, KeyError, TypeError):
        # Without a cause: its text could hold a part of the key.
        message = f"{file.name} is not an Ed25519 signing key"
        raise SigningKeyUnsafe(message) from None
    if created_at.tzinfo is None:
        message = f"{file.name} says when it was made without a time zone"
        raise SigningKeyUnsafe(message)
    return SigningKey(kid, private, created_at)


def _thumbprinted(private: Ed25519PrivateKey) -> dict[str, str]:
    raw = private.public_key().public_bytes_raw()
    return {"crv": "Ed25519", "kty": "OKP", "x": base64.urlsafe_b64encode(raw).rstrip(b"=").decode()}


def _thumbprint(private: Ed25519PrivateKey) -> str:
    canonical = json.dumps(_thumbprinted(private), separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()
