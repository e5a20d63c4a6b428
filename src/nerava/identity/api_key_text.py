"""How an API key is written: `nvk_{live|test}_{key id}_{secret}_{checksum}`."""

from __future__ import annotations

import re
import secrets as csprng
import zlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

from nerava.identity.one_time import digest

ID_BYTES: Final = 8
SECRET_BYTES: Final = 32

_FORM: Final = re.compile(r"(nvk_(live|test)_([0-9a-f]{16})_([0-9a-f]{64}))_([0-9a-f]{8})")


class Mode(StrEnum):
    """Where a key works: with real money, or where there is none."""

    LIVE = "live"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class KeyText:
    """An API key in its parts.

    Attributes:
        key_id: By which it is found; no secret.
        secret: 256 random bits in hexadecimal.
    """

    mode: Mode
    key_id: str
    secret: str = field(repr=False)

    @classmethod
    def new(cls, mode: Mode) -> Self:
        """Return a new key."""
        return cls(mode, csprng.token_hex(ID_BYTES), csprng.token_hex(SECRET_BYTES))

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return the parts of a key, or None for a text that never was one: mistyped, cut, made up."""
        found = _FORM.fullmatch(text)
        if found is None or found[5] != _checksum(found[1]):
            return None
        return cls(Mode(found[2]), found[3], found[4])

    @property
    def text(self) -> str:
        """The key as it is shown to its owner, once.

        The checksum lets scanners of leaked code tell a key from chance; it protects nothing.
        """
        body = f"nvk_{self.mode.value}_{self.key_id}_{self.secret}"
        return f"{body}_{_checksum(body)}"

    @property
    def secret_hash(self) -> bytes:
        """What is kept of the secret: its SHA-256, which is enough for 256 random bits."""
        return digest(self.secret)


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
