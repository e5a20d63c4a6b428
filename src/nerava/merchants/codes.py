"""Codes that nobody keeps: made from an id under a secret, found again by a keyed hash."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from nerava.merchants.code_text import BITS, spell
from nerava.platform.secrets import SecretKind

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.platform.secrets import Secret, Secrets


class CodeKind(StrEnum):
    """What a code is for; a code of one kind is never one of the other."""

    REDEMPTION = "redemption"
    OFFER = "offer"


@dataclass(frozen=True, slots=True)
class MadeCode:
    """A code, and what is kept of it: a keyed hash and the name of the key."""

    text: str = field(repr=False)
    key_id: str
    hash: bytes


class SecretCodes:
    """Makes codes, makes them again, and hashes what somebody shows. Safe to share between threads.

    A code is 50 bits of HMAC-SHA-256 over its owner's id, so that whoever repeats a request gets
    the code again although it is stored nowhere. Without the secret it is as good as random: knowing
    ids, hashes and other codes tells nothing about it.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def make(self, kind: CodeKind, owner: UUID, number: int = 0) -> MadeCode:
        """Return the code of an owner, one for each number.

        Raises:
            SecretMissing: There is no secret to make it with (503).
        """
        key = self._secrets.get(SecretKind.CODE_PEPPER)
        code = _code(key, kind, owner, number)
        return MadeCode(code, key.id, _kept(key, kind, code))

    def again(self, kind: CodeKind, owner: UUID, key_id: str, number: int = 0) -> str | None:
        """Return a code that was made before; None when its key is not accepted any more."""
        for key in self._secrets.accepted(SecretKind.CODE_PEPPER):
            if key.id == key_id:
                return _code(key, kind, owner, number)
        return None

    def hashes(self, kind: CodeKind, code: str) -> list[bytes]:
        """Return what may be kept of a code, one hash for each accepted key."""
        return [_kept(key, kind, code) for key in self._secrets.accepted(SecretKind.CODE_PEPPER)]


def _code(key: Secret, kind: CodeKind, owner: UUID, number: int) -> str:
    text = b"nerava code\0" + kind.encode() + b"\0" + owner.bytes + number.to_bytes(4, "big")
    mac = hmac.digest(key.reveal(), text, "sha256")
    return spell(int.from_bytes(mac[:8], "big") >> (64 - BITS))


def _kept(key: Secret, kind: CodeKind, code: str) -> bytes:
    return hmac.digest(key.reveal(), b"nerava code kept\0" + kind.encode() + b"\0" + code.encode(), "sha256")
