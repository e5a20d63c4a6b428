"""`Receiver` of Square's webhooks: the signature over our address and the bytes, and what they tell."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any, Final

from nerava.inbound.events import EventUnreadable, Handled, ProviderEvent, SignatureRefused
from nerava.integrations.square.reading import instant_of
from nerava.platform.live_secrets import versions
from nerava.tills.hearing import OrderTold, RefundTold

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from nerava.inbound.events import Handler
    from nerava.platform.live_secrets import LiveSecret
    from nerava.tills.hearing import TillHearing

NAME: Final = "square"


class SquareEvents:
    """Checks and reads events.

    Args:
        keys: Signature keys of the webhook; two while one is being replaced.
        url: Its address as registered at Square. What a proxy made of it in the request does not count.
    """

    def __init__(self, keys: Iterable[str] | LiveSecret, url: str) -> None:
        self._keys = versions(keys)
        self._url = url.encode()

    @property
    def is_on(self) -> bool:
        """Whether there is a key to check with; without one nobody listens."""
        return bool(self._keys())

    def read(self, headers: Mapping[str, str], body: bytes, now: datetime) -> ProviderEvent:
        """Return the event, once its signature over the registered address and these bytes is right.

        Raises:
            SignatureRefused: Missing or wrong (401).
            EventUnreadable: Signed, but no event (400).
        """
        given = headers.get("x-square-hmacsha256-signature", "").strip().encode()
        right = [
            base64.b64encode(hmac.new(one, self._url + body, hashlib.sha256).digest()) for one in self._keys()
        ]
        # Every key is compared, so that the time says nothing about which of them was close.
        if not any([hmac.compare_digest(one, given) for one in right]):  # noqa: C419 - all are compared, however many are right
            raise SignatureRefused
        try:
            read: Any = json.loads(body)
            told_at = instant_of(read.get("created_at")) or now
            event = ProviderEvent(
                provider=NAME,
                account=read["merchant_id"],
                event_id=read["event_id"],
                kind=read["type"],
                object_id=str(read["data"].get("id") or ""),
                created_s=int(told_at.timestamp()),
                body=read,
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise EventUnreadable from None
        texts: tuple[object, ...] = (event.account, event.event_id, event.kind)
        if not all(isinstance(one, str) and one for one in texts):
            raise EventUnreadable
        return event


def square_handlers(hearing: TillHearing) -> dict[str, Handler]:
    """Return who works on which events."""

    def order(event: ProviderEvent, now: datetime) -> Handled:
        told = _object(event.body, event.kind.replace(".", "_"))
        version = told.get("version")
        changed_at = instant_of(told.get("updated_at")) or instant_of(told.get("created_at"))
        name = str(told.get("order_id") or event.object_id)
        return hearing.order(
            OrderTold(NAME, event.account, name, version if type(version) is int else None, changed_at), now
        )

    def payment(event: ProviderEvent, now: datetime) -> Handled:
        name = _object(event.body, "payment").get("order_id")
        if not isinstance(name, str) or not name:
            return Handled.IGNORED
        return hearing.order(OrderTold(NAME, event.account, name), now)

    def refund(event: ProviderEvent, now: datetime) -> Handled:
        told = _object(event.body, "refund")
        name, order_name = told.get("id"), told.get("order_id")
        if not isinstance(name, str) or not isinstance(order_name, str):
            return Handled.IGNORED
        return hearing.refund(RefundTold(NAME, event.account, order_name, name), now)

    def revoked(event: ProviderEvent, now: datetime) -> Handled:
        at = instant_of(_object(event.body, "revocation").get("revoked_at"))
        return hearing.revoked(NAME, event.account, at or now, now)

    return {
        "order.created": order,
        "order.updated": order,
        "payment.": payment,
        "refund.": refund,
        "oauth.authorization.revoked": revoked,
    }


def _object(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    data = body.get("data")
    about = data.get("object") if isinstance(data, dict) else None
    found = about.get(name) if isinstance(about, dict) else None
    return found if isinstance(found, dict) else {}
