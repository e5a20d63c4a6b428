"""Only what Stripe signed for the right endpoint, a short while ago, is an event."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nerava.inbound.events import EventUnreadable, SignatureRefused
from nerava.integrations.stripe.events import StripeEvents

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AT = int(NOW.timestamp())
OURS, CONNECT, OLD = "whsec_ours", "whsec_connect", "whsec_old"
EVENTS = StripeEvents([OLD, OURS], [CONNECT], is_live=False)


def body(**more: Any) -> bytes:
    event = {
        "id": "evt_1",
        "object": "event",
        "type": "payout.paid",
        "created": AT - 3 * 86_400,
        "livemode": False,
        "data": {"object": {"id": "po_1", "object": "payout"}},
    }
    return json.dumps(event | more).encode()


def signature(raw: bytes, secret: str = OURS, at: int = AT) -> str:
    digest = hmac.new(secret.encode(), f"{at}.".encode() + raw, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def read(raw: bytes, header: str | None, now: datetime = NOW) -> Any:
    return EVENTS.read({} if header is None else {"stripe-signature": header}, raw, now)


def test_an_event_days_old_with_a_fresh_signature_is_read() -> None:
    event = read(body(), signature(body()))
    assert (event.event_id, event.kind, event.object_id, event.account) == (
        "evt_1",
        "payout.paid",
        "po_1",
        "",
    )


def test_any_of_several_signatures_and_secrets_will_do() -> None:
    raw = body()
    assert read(raw, f"t={AT},v1={'0' * 64}," + signature(raw).partition(",")[2]).event_id == "evt_1"
    assert read(raw, signature(raw, OLD)).event_id == "evt_1"


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_signature_is_good_for_five_minutes(seconds: int) -> None:
    with pytest.raises(SignatureRefused):
        read(body(), signature(body()), NOW + timedelta(seconds=seconds))
    read(body(), signature(body()), NOW + timedelta(seconds=seconds - seconds // abs(seconds)))


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "t=",
        f"t={AT}",
        f"t={AT},v1=",
        f"t={AT},v0={signature(body())[-64:]}",
        signature(body(), "whsec_other"),
        signature(body() + b" "),
        "v1=" + signature(body())[-64:],
        f"t={'9' * 400},v1=00",
        f"t={AT},v1=é",
    ],
)
def test_a_missing_or_wrong_signature_is_refused(header: str | None) -> None:
    with pytest.raises(SignatureRefused):
        read(body(), header)


def test_an_endpoint_does_not_vouch_for_the_events_of_the_other() -> None:
    connected = body(account="acct_1")
    assert read(connected, signature(connected, CONNECT)).account == "acct_1"
    with pytest.raises(SignatureRefused):
        read(connected, signature(connected, OURS))
    with pytest.raises(SignatureRefused):
        read(body(), signature(body(), CONNECT))


def test_a_thin_event_names_its_object() -> None:
    raw = body(related_object={"id": "acct_2", "type": "v2.core.account"})
    assert read(raw, signature(raw)).object_id == "acct_2"


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"{}", body(livemode=True), body(id=7), body(created="x"), body(data={"object": 7})],
)
def test_what_is_signed_but_no_event_of_ours_is_unreadable(raw: bytes) -> None:
    with pytest.raises(EventUnreadable):
        read(raw, signature(raw))
