"""One-time codes and tokens: how they are made, kept without being known, and compared."""

from __future__ import annotations

import hashlib
import hmac
import secrets as csprng
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nerava.platform.secrets import SecretKind

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.platform.secrets import Secret, Secrets

CODE_DIGITS: Final = 6
LIFE: Final = timedelta(minutes=10)
"""How long a code or a link works."""

GUESSES_MAX: Final = 5
PAIR_GUESSES_MAX: Final = 3
TOKEN_BYTES: Final = 32
WORK_BITS: Final = 18
"""Zero bits that a proof of work begins with: about 260,000 hashes, a second on a phone."""


def new_code() -> str:
    """Return six decimal digits from the system's random source, every one as likely as any other."""
    return f"{csprng.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"


def new_token() -> str:
    """Return 256 random bits as URL-safe text."""
    return csprng.token_urlsafe(TOKEN_BYTES)


def digest(token: str) -> bytes:
    """Return what is kept of a token: its SHA-256, which is enough for 256 random bits."""
    return hashlib.sha256(token.encode()).digest()


def is_same(one: bytes, other: bytes) -> bool:
    """Compare in a time that does not depend on the values."""
    return hmac.compare_digest(one, other)


@dataclass(frozen=True, slots=True)
class Bound:
    """What a code is bound to: it works for nothing and nobody else.

    Attributes:
        purpose: What it was asked for.
        contact_ix: Keyed hash of where it was sent.
        client_hash: Hash of the secret that the asking client keeps.
    """

    challenge_id: UUID
    purpose: str
    contact_ix: bytes
    client_hash: bytes


@dataclass(frozen=True, slots=True)
class KeptCode:
    """What is kept of a code: which pepper, and HMAC-SHA-256 under it."""

    pepper_id: str
    mac: bytes = field(repr=False)


class Pepper:
    """The key under which codes are kept: six digits alone would be found by trying them all."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def keep(self, bound: Bound, code: str) -> KeptCode:
        """Return what is kept of a code.

        Raises:
            SecretMissing: There is no pepper; no code can be given out (503).
        """
        key = self._secrets.get(SecretKind.CODE_PEPPER)
        return KeptCode(key.id, _mac(key, bound, code))

    def matches(self, kept: KeptCode, bound: Bound, code: str) -> bool:
        """Whether this is the code, for this challenge, purpose, contact and client; in constant time."""
        for key in self._secrets.accepted(SecretKind.CODE_PEPPER):
            if key.id == kept.pepper_id:
                return is_same(_mac(key, bound, code), kept.mac)
        return False


def _mac(key: Secret, bound: Bound, code: str) -> bytes:
    fields = (
        bound.challenge_id.bytes,
        bound.purpose.encode(),
        bound.contact_ix,
        bound.client_hash,
        code.encode(),
    )
    # With lengths in front no two lists of fields make one text.
    text = b"".join(len(one).to_bytes(4, "big") + one for one in fields)
    return hmac.digest(key.reveal(), text, "sha256")


@dataclass(frozen=True, slots=True)
class Guess:
    """What somebody offers for a challenge.

    Attributes:
        client_token: The secret that the asking client was given.
        work: A proof of work; needed while more wrong codes come in than people mistype.
    """

    challenge_id: UUID
    code: str = field(repr=False)
    client_token: str = field(repr=False)
    work: str | None = None

    def proves_work(self) -> bool:
        """Whether SHA-256 of `{challenge_id}:{code}:{work}` begins with 18 zero bits.

        The code is part of it, so each guess costs the work anew.
        """
        if self.work is None:
            return False
        found = hashlib.sha256(f"{self.challenge_id}:{self.code}:{self.work}".encode()).digest()
        return int.from_bytes(found, "big") >> (len(found) * 8 - WORK_BITS) == 0
