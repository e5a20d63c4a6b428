"""The signature of Stripe's webhooks."""

from __future__ import annotations

import hashlib
import hmac


def stripe_signature(body: bytes, secrets: list[str], at_s: int) -> str:
    """Return the header `Stripe-Signature` with one `v1` for each secret.

    HMAC-SHA256 over `{t}.{raw body}` with the endpoint's secret as it was handed out, in hexadecimal digits.
    """
    signed = str(at_s).encode() + b"." + body
    digests = (hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets)
    return ",".join([f"t={at_s}", *(f"v1={digest}" for digest in digests)])
