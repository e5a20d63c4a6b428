"""The signature of Square's webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac


def square_signature(url: str, body: bytes, key: str) -> str:
    """Return the header's value: base64 of HMAC-SHA256 over the address as registered and the raw body."""
    digest = hmac.new(key.encode(), url.encode() + body, hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
