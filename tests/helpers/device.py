"""A device that keeps a key and proves it, as the apps do."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from nerava.kernel.ids import new_id

if TYPE_CHECKING:
    from datetime import datetime


class DeviceKey:
    """The key of one device: ES256, as phones have it in hardware, or EdDSA."""

    def __init__(self, kind: str = "ES256", private: Any = None) -> None:
        elliptic = kind == "ES256"
        self.kind = kind
        self.private: Any = private or (
            generate_private_key(SECP256R1()) if elliptic else Ed25519PrivateKey.generate()
        )
        algorithm = ECAlgorithm if elliptic else OKPAlgorithm
        jwk = json.loads(algorithm.to_jwk(self.private.public_key()))
        self.jwk: dict[str, str] = {name: jwk[name] for name in ("kty", "crv", "x", "y") if name in jwk}

    @property
    def thumbprint(self) -> str:
        """RFC 7638, worked out once more."""
        canonical = json.dumps(dict(sorted(self.jwk.items())), separators=(",", ":"))
        return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()

    def proof(
        self, method: str, url: str, now: datetime, refresh_token: str | None = None, **changes: Any
    ) -> str:
        """Return a proof for one request; a change to None leaves a claim out."""
        claims = {"htm": method, "htu": url, "iat": int(now.timestamp()), "jti": str(new_id())}
        if refresh_token is not None:
            digest = hashlib.sha256(refresh_token.encode()).digest()
            claims["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        claims = {name: value for name, value in (claims | changes).items() if value is not None}
        return jwt.encode(claims, self.private, self.kind, {"typ": "dpop+jwt", "jwk": self.jwk})
