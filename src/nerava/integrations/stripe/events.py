"""`Receiver` of Stripe's webhooks: one endpoint for us, one for connected accounts, each with its secrets."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any, Final

from nerava.inbound.events import EventUnreadable, ProviderEvent, SignatureRefused
from nerava.platform.live_secrets import versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from nerava.platform.live_secrets import LiveSecret

SECONDS_DIGITS_MAX: Final = 12
TOLERANCE_S: Final = 300
"""Between the signed time and ours; an event itself may be days old."""


class StripeEvents:
    """Checks and reads events.

    Args:
        secrets: Of the endpoint for our own account; several while one is being replaced.
        connect_secrets: Of the endpoint for connected accounts.
        is_live: Whether events of real money are expected.
    """

    def __init__(
        self,
        secrets: Iterable[str] | LiveSecret,
        connect_secrets: Iterable[str] | LiveSecret = (),
        *,
        is_live: bool,
    ) -> None:
        self._secrets = versions(secrets)
        self._connect_secrets = versions(connect_secrets)
        self._is_live = is_live

    def read(self, headers: Mapping[str, str], body: bytes, now: datetime) -> ProviderEvent:
        """Return the event, once its signature is right for the endpoint that it belongs to.

        Raises:
            SignatureRefused: Missing, wrong, too old, or of the other endpoint (401).
            EventUnreadable: Signed, but no event, or of the other mode (400).
        """
        at, signatures = _parts(headers.get("stripe-signature", ""))
        if at is None or abs(now.timestamp() - at) > TOLERANCE_S:
            raise SignatureRefused
        signed = f"{at}.".encode() + body
        of_ours = _is_signed(signed, signatures, self._secrets())
        of_connect = _is_signed(signed, signatures, self._connect_secrets())
        if not (of_ours or of_connect):
            raise SignatureRefused
        event = _event(body, is_live=self._is_live)
        if not (of_connect if event.account else of_ours):
            raise SignatureRefused
        return event


def _parts(header: str) -> tuple[int | None, list[bytes]]:
    at, signatures = None, []
    for part in header[:2_000].split(","):
        name, _, value = part.strip().partition("=")
        if name == "t" and value.isascii() and value.isdecimal() and len(value) <= SECONDS_DIGITS_MAX:
            at = int(value)
        elif name == "v1" and value.isascii():
            signatures.append(value.encode())
    return at, signatures


def _is_signed(signed: bytes, signatures: Iterable[bytes], secrets: Iterable[bytes]) -> bool:
    right = [hmac.new(secret, signed, hashlib.sha256).hexdigest().encode() for secret in secrets]
    # Every pair is compared, so that the time says nothing about which of them was close.
    return any([hmac.compare_digest(one, given) for one in right for given in signatures])  # noqa: C419 - all are compared, however many are right


def _event(body: bytes, *, is_live: bool) -> ProviderEvent:
    try:
        read: Any = json.loads(body)
        about = read["related_object"] if "related_object" in read else read["data"]["object"]
        event = ProviderEvent(
            provider="stripe",
            account=read.get("account") or "",
            event_id=read["id"],
            kind=read["type"],
            object_id=about.get("id") or "",
            created_s=read["created"],
            body=read,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise EventUnreadable from None
    texts = (event.account, event.event_id, event.kind, event.object_id)
    if not all(isinstance(one, str) for one in texts) or type(event.created_s) is not int:
        raise EventUnreadable
    if read.get("livemode") is not is_live:
        raise EventUnreadable("the event is of the other mode")
    return event
