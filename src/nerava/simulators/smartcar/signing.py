"""The signature of Smartcar's webhooks, and its own way to ask whether we know the token."""

from __future__ import annotations

import hashlib
import hmac


def smartcar_signature(token: str, body: bytes) -> str:
    """Return the header's value: HMAC-SHA256 over the raw body in hexadecimal."""
    return hmac.new(token.encode(), body, hashlib.sha256).hexdigest()
