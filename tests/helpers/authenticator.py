"""A software authenticator: what a browser and a security key do together, with every part of it to be bent."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

ORIGIN = "https://nerava.example"
USER_PRESENT, USER_VERIFIED, HAS_CREDENTIAL = 0x01, 0x04, 0x40


@dataclass
class Bent:
    """What is to be other than it should be; None leaves it as it should be."""

    origin: str | None = None
    domain: str | None = None
    challenge: bytes | None = None
    kind: str | None = None
    verified: bool = True
    present: bool = True
    handle: bytes | None = None
    key: ec.EllipticCurvePrivateKey | None = None


STRAIGHT = Bent()


@dataclass
class Authenticator:
    """One passkey. It counts its uses, unless it is of the kind that does not."""

    counts: bool = True
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    count: int = 0
    handle: bytes = b""

    def make(self, options: dict[str, Any], bent: Bent = STRAIGHT) -> dict[str, Any]:
        """Do what `navigator.credentials.create` does and return its JSON."""
        self.handle = _raw(options["user"]["id"])
        client_data = _client_data("webauthn.create", options, bent)
        statement = {
            "fmt": "none",
            "attStmt": {},
            "authData": self._data(options["rp"]["id"], bent, new=True),
        }
        return self._credential(
            {"clientDataJSON": _text(client_data), "attestationObject": _text(cbor2.dumps(statement))}
        )

    def answer(self, options: dict[str, Any], bent: Bent = STRAIGHT) -> dict[str, Any]:
        """Do what `navigator.credentials.get` does and return its JSON."""
        self.count += 1 if self.counts else 0
        client_data = _client_data("webauthn.get", options, bent)
        data = self._data(options["rpId"], bent)
        signed = data + hashlib.sha256(client_data).digest()
        signature = (bent.key or self.key).sign(signed, ec.ECDSA(SHA256()))
        return self._credential(
            {
                "clientDataJSON": _text(client_data),
                "authenticatorData": _text(data),
                "signature": _text(signature),
                "userHandle": _text(bent.handle or self.handle),
            }
        )

    def _credential(self, response: dict[str, str]) -> dict[str, Any]:
        text = _text(self.credential_id)
        return {"id": text, "rawId": text, "type": "public-key", "response": response}

    def _data(self, domain: str, bent: Bent, *, new: bool = False) -> bytes:
        flags = (USER_PRESENT if bent.present else 0) | (USER_VERIFIED if bent.verified else 0)
        flags |= HAS_CREDENTIAL if new else 0
        head = hashlib.sha256((bent.domain or domain).encode()).digest()
        head += bytes([flags]) + self.count.to_bytes(4, "big")
        if not new:
            return head
        point = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        size = len(self.credential_id).to_bytes(2, "big")
        return head + bytes(16) + size + self.credential_id + cbor2.dumps(cose)


def _client_data(kind: str, options: dict[str, Any], bent: Bent) -> bytes:
    challenge = options["challenge"] if bent.challenge is None else _text(bent.challenge)
    told = {"type": bent.kind or kind, "challenge": challenge, "origin": bent.origin or ORIGIN}
    return json.dumps(told | {"crossOrigin": False}).encode()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
