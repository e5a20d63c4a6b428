"""A partner's machine: it has an API key and signs what it writes."""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.testclient import TestClient

from nerava.identity.roles import Role
from nerava.identity.signatures import Signed
from nerava.kernel.ids import new_id

if TYPE_CHECKING:
    from tests.http.conftest import House


@dataclass
class Machine:
    """Calls with a key; signs with a shared secret or a private key."""

    house: House
    partner_id: UUID
    key_id: str
    api_key: str
    secret: bytes | None = None
    private: Ed25519PrivateKey | None = None
    client: TestClient = field(init=False)

    def __post_init__(self) -> None:
        """Call from nowhere in particular."""
        self.client = self.house.client

    def get(self, path: str) -> Any:
        """Send a GET, which needs no signature."""
        return self.client.get(path, headers={"Authorization": f"Bearer {self.api_key}"})

    def post(self, path: str, body: object = None, *, key: str = "", **forged: Any) -> Any:
        """Send a signed POST; with `forged` headers or parts of what is signed replaced."""
        raw = b"" if body is None else json.dumps(body).encode()
        headers = self.signed("POST", path, raw, key=key or str(new_id()), **forged.pop("sign", {}))
        headers |= {"Content-Type": "application/json"} if raw else {}
        headers |= forged.pop("headers", {})
        raw = forged.pop("raw", raw)
        path = forged.pop("to", path)
        return self.client.post(path, content=raw, headers={k: v for k, v in headers.items() if v})

    def signed(self, method: str, path: str, raw: bytes, *, key: str, late_s: int = 0) -> dict[str, str]:
        """Return the headers of a request signed so many seconds late."""
        parts = urlsplit(path)
        at = str(int(self.house.installation.clock.now().timestamp()) - late_s)
        content = Signed(key, at, method, parts.path, parts.query, raw, "").content()
        return {
            "Authorization": f"Bearer {self.api_key}",
            "Idempotency-Key": key,
            "Nerava-Timestamp": at,
            "Nerava-Signature": self._signature(content),
        }

    def _signature(self, content: bytes) -> str:
        if self.private is not None:
            return f"ed25519={base64.b64encode(self.private.sign(content)).decode()}"
        assert self.secret is not None
        return f"hmac-sha256={base64.b64encode(hmac.digest(self.secret, content, 'sha256')).decode()}"


def key_terms(**changes: object) -> dict[str, object]:
    """Return the body that asks for a key for sessions, with changes."""
    return {"purpose": "sessions", "scopes": ["sessions:write", "profile:read"]} | changes


def machine(
    house: House,
    partner_id: UUID | None = None,
    *,
    private: Ed25519PrivateKey | None = None,
    **changes: object,
) -> Machine:
    """Return a machine with a new key that ops made."""
    partner_id = partner_id or new_id()
    if private is not None:
        public = private.public_key().public_bytes_raw()
        changes["public_key"] = base64.b64encode(public).decode()
    path = f"/v1/ops/partners/{partner_id}/api-keys"
    made = house.caller(Role.OPS_ADMIN).post(path, key_terms(**changes))
    assert made.status_code == 201, made.text
    shown = made.json()
    secret = shown["signing_secret"]
    return Machine(
        house,
        partner_id,
        shown["key_id"],
        shown["api_key"],
        None if secret is None else bytes.fromhex(secret),
        private,
    )
