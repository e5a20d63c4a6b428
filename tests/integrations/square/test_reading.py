"""What Square says in our words, and what is no answer."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from nerava.inbound.events import EventUnreadable, SignatureRefused
from nerava.integrations.square.connection import Square, SquareAccess
from nerava.integrations.square.events import SquareEvents
from nerava.integrations.square.reading import payment_in, place_in, refund_in, sale_in, tokens_in
from nerava.kernel.clock import FixedClock
from nerava.kernel.outcomes import Misconfigured, Ok, Refused, RetryLater, Unknown
from nerava.simulators.handle import Simulators
from nerava.simulators.serving import running_simulators
from nerava.tills.ports import Seller
from nerava.tills.states import RefundState, SaleState

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ORDER: dict[str, Any] = {
    "id": "CAISENgvlJ6jLWAzERDzjyHVybY",
    "location_id": "057P5VYJ4A5X1",
    "reference_id": "7QK4-M2PX-T9T",
    "source": {"name": "Till"},
    "state": "COMPLETED",
    "version": 4,
    "line_items": [{"uid": "1", "name": "Cheese", "quantity": "0.25"}, {"uid": "2", "quantity": "2"}],
    "tenders": [{"id": "t", "payment_id": "p"}, {"id": "cash"}],
    "refunds": [{"id": "r"}],
    "total_money": {"amount": 1_284, "currency": "USD"},
    "total_tax_money": {"amount": 84, "currency": "USD"},
    "total_tip_money": {"amount": 200, "currency": "USD"},
    "created_at": "2026-11-20T11:58:00Z",
    "updated_at": "2026-11-20T11:59:30.250Z",
    "closed_at": "2026-11-20T13:59:30+02:00",
    "something_new": {},
}
PAYMENT: dict[str, Any] = {"id": "p", "status": "COMPLETED", "total_money": {"amount": 9, "currency": "USD"}}


@pytest.mark.trap("Q5")
@pytest.mark.trap("Q9")
def test_an_order_is_read_without_tip_and_tax_and_with_fractions() -> None:
    read = sale_in(ORDER)
    assert read is not None
    assert (read.amount_minor, read.tax_minor, read.tip_minor, read.total_minor) == (1_000, 84, 200, 1_284)
    assert [one.quantity for one in read.lines] == [Decimal("0.25"), Decimal(2)]
    assert (read.state, read.version, read.currency) == (SaleState.COMPLETED, 4, "USD")
    assert (read.payments, read.refunds) == (("p", "cash"), ("r",))
    assert read.closed_at == datetime(2026, 11, 20, 11, 59, 30, tzinfo=UTC)
    bare = sale_in(
        {name: ORDER[name] for name in ("id", "location_id", "total_money", "created_at", "updated_at")}
    )
    assert bare is not None
    assert (bare.amount_minor, bare.state, bare.version, bare.closed_at) == (
        1_284,
        SaleState.UNKNOWN,
        None,
        None,
    )


@pytest.mark.parametrize(
    "broken",
    [
        {"total_money": None},
        {"total_money": {"amount": 12.5}},
        {"total_money": {"amount": -1}},
        {"line_items": [{"quantity": "a few"}]},
        {"line_items": {}},
        {"tenders": ["p"]},
        {"updated_at": "yesterday"},
        {"updated_at": 5},
        {"location_id": ""},
    ],
)
def test_an_order_that_lacks_what_we_need_is_not_read(broken: dict[str, Any]) -> None:
    assert sale_in(ORDER | broken) is None
    assert sale_in([ORDER]) is None


@pytest.mark.trap("Q10")
def test_only_a_payment_that_is_completed_brought_money() -> None:
    for status in ("APPROVED", "PENDING", "CANCELED", "FAILED", "SOMETHING_NEW"):
        read = payment_in(PAYMENT | {"status": status})
        assert read is not None
        assert not read.is_completed
    read = payment_in(PAYMENT)
    assert read is not None
    assert (read.is_completed, read.paid_minor) == (True, 9)
    assert payment_in({}) is None


def test_a_refund_of_a_state_that_we_do_not_know_is_on_its_way() -> None:
    told = {"id": "r", "amount_money": {"amount": 5, "currency": "USD"}}
    states = {"COMPLETED": RefundState.COMPLETED, "REJECTED": RefundState.FAILED, "NEW": RefundState.PENDING}
    for status, state in states.items():
        read = refund_in(told | {"status": status})
        assert read is not None
        assert read.state is state
    assert refund_in(told) is None
    nameless = place_in({"id": "L"})
    assert nameless is not None
    assert nameless.name == "Location"
    assert tokens_in({"access_token": "a"}) is None


def signed(url: str, body: bytes, key: str = "key") -> dict[str, str]:
    """Return the header that Square sends."""
    digest = hmac.new(key.encode(), url.encode() + body, hashlib.sha256).digest()
    return {"x-square-hmacsha256-signature": base64.b64encode(digest).decode()}


@pytest.mark.trap("Q4")
def test_the_registered_address_is_signed_with_any_key_that_counts() -> None:
    url = "https://hooks.example.com/a?b=c"
    body = json.dumps(
        {"merchant_id": "M", "event_id": "e", "type": "order.updated", "data": {"id": "o"}}
    ).encode()
    events = SquareEvents(["new", "old"], url)
    for key in ("new", "old"):
        told = events.read(signed(url, body, key), body, NOW)
        assert (told.account, told.kind, told.object_id, told.created_s) == (
            "M",
            "order.updated",
            "o",
            int(NOW.timestamp()),
        )
    for headers in ({}, signed(url, body, "other"), signed(url + "/", body, "new"), signed("", body, "new")):
        with pytest.raises(SignatureRefused):
            events.read(headers, body, NOW)
    for text in (b"[]", b"{}", b"no", b'{"merchant_id":5,"event_id":"e","type":"t","data":{}}'):
        with pytest.raises(EventUnreadable):
            events.read(signed(url, text, "new"), text, NOW)
    assert not SquareEvents([], url).is_on


@pytest.fixture(scope="module")
def simulators() -> Iterator[Simulators]:
    """Simulators for the module."""
    with running_simulators(clock=FixedClock(NOW), by_hand=True) as world:
        yield world


@pytest.fixture
def square(simulators: Simulators) -> Iterator[Square]:
    """The adapter, and a simulator without faults."""
    access = SquareAccess(
        client_id=simulators.square.application,
        client_secret=simulators.square.application_secret,
        redirect_uri="https://nerava.example/tills/return",
        webhook_url="https://nerava.example/webhooks/square",
        base_url=simulators.url_of("square"),
    )
    opened = Square(access, now=lambda: NOW)
    yield opened
    opened.close()
    simulators.faults.heal()


def seller(simulators: Simulators) -> Seller:
    """Return a new seller."""
    made = simulators.square.add_seller()
    return Seller(made["merchant_id"], made["access_token"])


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({"kind": "status", "status": 401}, Refused("token-refused", "ACCESS_TOKEN_EXPIRED")),
        ({"kind": "status", "status": 403}, Refused("not-allowed", "FORBIDDEN")),
        ({"kind": "status", "status": 404}, Refused("not-there", "NOT_FOUND")),
        ({"kind": "status", "status": 400}, Misconfigured("BAD_REQUEST")),
        ({"kind": "wrong_type", "how": "login_page"}, RetryLater("unreadable")),
        ({"kind": "wrong_type", "how": "error_inside"}, RetryLater("schema-drift")),
        ({"kind": "drift", "field": "payment", "how": "missing"}, RetryLater("schema-drift")),
    ],
)
def test_answers_are_told_apart(
    square: Square, simulators: Simulators, fault: dict[str, Any], outcome: object
) -> None:
    who = seller(simulators)
    order = simulators.square.ring_up(who.account)["id"]
    payment = simulators.square.pay(order)["id"]
    simulators.faults.add(provider="square", path="/v2/payments/*", **fault)
    assert square.payment(who, payment) == outcome


def test_an_answer_that_is_lost_is_unknown_for_a_code_and_may_be_asked_for_again_otherwise(
    square: Square, simulators: Simulators
) -> None:
    who = seller(simulators)
    simulators.faults.add("wrong_type", how="login_page", provider="square", path="/oauth2/token")
    assert square.exchange("code") == Unknown("unreadable")
    simulators.faults.heal()
    assert square.exchange("code") == Misconfigured("BAD_REQUEST")
    assert square.renew(who.account, "no-token") == Refused("token-refused", "UNAUTHORIZED")
    assert square.revoke(who.account) == Ok(None)
    assert square.revoke("nobody") == Ok(None)
    assert square.places(who) == Refused("token-refused", "UNAUTHORIZED")
