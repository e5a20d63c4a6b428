"""Secrets of webhook endpoints and signatures by the Standard Webhooks scheme, version 1."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets as csprng
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32


def new_secret() -> bytes:
    """Return a new secret of 32 random bytes."""
    return csprng.token_bytes(SECRET_BYTES)


def secret_text(secret: bytes) -> str:
    """Return a secret as its owner gets it, `whsec_` and base64."""
    return PREFIX + base64.b64encode(secret).decode()


def signed_headers(secrets: Iterable[bytes], event_id: UUID, body: bytes, now: datetime) -> dict[str, str]:
    """Return the headers of a message, with a signature by each secret over id, time and body."""
    at = str(int(now.timestamp()))
    signed = f"{event_id}.{at}.".encode() + body
    signatures = [hmac.new(one, signed, hashlib.sha256).digest() for one in secrets]
    return {
        "webhook-id": str(event_id),
        "webhook-timestamp": at,
        "webhook-signature": " ".join(f"v1,{base64.b64encode(one).decode()}" for one in signatures),
        "content-type": "application/json",
    }
