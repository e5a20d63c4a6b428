"""Simulated webhooks: signed as documented, and wrong in every way that the product must bear."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from nerava.kernel.clock import FixedClock
from nerava.simulators.handle import Simulators
from nerava.simulators.serving import running_simulators
from nerava.simulators.webhooks import Habits, Manner, Sending, State
from tests.simulators.conftest import MONDAY
from tests.simulators.sink import Sink, receiving


@pytest.fixture
def sink() -> Iterator[Sink]:
    with receiving() as one:
        yield one


@pytest.fixture
def told(sink: Sink) -> Iterator[Simulators]:
    """Simulators whose webhooks wait until they are told to go."""
    addresses = {name: f"{sink.url}/{name}" for name in ("stripe", "stripe_connect", "square")}
    with running_simulators(clock=FixedClock(MONDAY), webhooks_to=addresses, by_hand=True) as running:
        yield running


def stripe_accepts(headers: dict[str, str], body: bytes, secret: str, now_s: int) -> bool:
    """Verify as Stripe's documentation says: any `v1` over `{t}.{body}`, at most 300 seconds old."""
    parts = [part.partition("=") for part in headers.get("stripe-signature", "").split(",")]
    times = [value for name, _, value in parts if name == "t"]
    if not times or abs(now_s - int(times[0])) > 300:
        return False
    wanted = hmac.new(secret.encode(), times[0].encode() + b"." + body, hashlib.sha256).hexdigest()
    return any(hmac.compare_digest(value, wanted) for name, _, value in parts if name == "v1")


def square_accepts(headers: dict[str, str], body: bytes, key: str, url: str) -> bool:
    """Verify as Square's documentation says: base64 of HMAC-SHA256 over address and body."""
    wanted = base64.b64encode(hmac.new(key.encode(), url.encode() + body, hashlib.sha256).digest())
    return hmac.compare_digest(headers.get("x-square-hmacsha256-signature", "").encode(), wanted)


def now_s(simulators: Simulators) -> int:
    return int(simulators.now().timestamp())


def test_a_webhook_is_signed_with_its_endpoints_secret_and_delivered_once(
    told: Simulators, sink: Sink
) -> None:
    told.stripe.deposit(1)
    account = told.stripe.add_account()["id"]
    (delivery, *_) = told.webhooks.deliver_due()
    assert delivery.state is State.DELIVERED
    assert delivery.attempts[0].status == 200
    assert told.webhooks.deliver_due() == []
    path, headers, body = sink.got[0]
    assert path == "/stripe_connect"
    assert stripe_accepts(headers, body, told.webhooks.secret("stripe_connect"), now_s(told))
    # T11: the secret of the platform's endpoint is another one.
    assert not stripe_accepts(headers, body, told.webhooks.secret("stripe"), now_s(told))
    event = json.loads(body)
    assert (event["account"], event["object"]) == (account, "event")
    assert event["data"]["object"]["object"] == "bank_account"


def a_sale(simulators: Simulators, **how: Any) -> str:
    seller = simulators.square.add_seller()
    return str(simulators.square.ring_up(seller["merchant_id"], **how)["id"])


@pytest.mark.trap("Q4")
def test_squares_signature_covers_the_address_that_was_registered(told: Simulators, sink: Sink) -> None:
    registered = "https://rewards.city.example/webhooks/square"
    told.webhooks.register_as("square", registered)
    a_sale(told)
    told.webhooks.deliver_due()
    path, headers, body = sink.got[0]
    assert path == "/square"
    key = told.webhooks.secret("square")
    assert square_accepts(headers, body, key, registered)
    assert not square_accepts(headers, body, key, f"{sink.url}/square")
    data = json.loads(body)["data"]
    assert set(data["object"]["order_created"]) == {
        "order_id",
        "version",
        "location_id",
        "state",
        "created_at",
    }


@pytest.mark.trap("T11")
@pytest.mark.trap("T12")
@pytest.mark.parametrize(
    ("manner", "accepted"),
    [
        (Manner.AS_DOCUMENTED, True),
        (Manner.TWO_SIGNATURES, True),
        (Manner.BAD_SIGNATURE, False),
        (Manner.NO_SIGNATURE, False),
        (Manner.OLD_TIMESTAMP, False),
        (Manner.OTHER_SECRET, False),
        (Manner.RESERIALISED, False),
    ],
)
def test_every_manner_is_accepted_or_not_as_documented(
    told: Simulators, manner: Manner, accepted: bool
) -> None:
    told.stripe.add_account()
    (first, *_) = told.webhooks.read()
    told.webhooks.write(first.id, manner)
    sending = told.webhooks.sending(first.id)
    secret = told.webhooks.secret("stripe_connect")
    assert stripe_accepts(sending.headers, sending.body, secret, now_s(told)) is accepted
    assert json.loads(sending.body) == json.loads(first.body)


def test_an_event_of_three_days_ago_comes_with_a_fresh_time(told: Simulators) -> None:
    told.stripe.add_account()
    (first, *_) = told.webhooks.read()
    told.webhooks.delay(first.id, 3 * 86_400)
    told.advance(timedelta(days=3))
    sending = told.webhooks.sending(first.id)
    assert json.loads(sending.body)["created"] == now_s(told) - 3 * 86_400
    assert stripe_accepts(sending.headers, sending.body, told.webhooks.secret("stripe_connect"), now_s(told))


@pytest.mark.trap("T10")
def test_an_event_carries_the_object_as_it_was(told: Simulators) -> None:
    account = told.stripe.add_account()["id"]
    told.stripe.want(account)
    updates = [json.loads(one.body) for one in told.webhooks.read(kind="account.updated")]
    assert [one["data"]["object"]["payouts_enabled"] for one in updates] == [True, False]


def test_while_a_secret_is_rolled_both_are_right(told: Simulators) -> None:
    told.stripe.add_account()
    old = told.webhooks.secret("stripe_connect")
    new = told.webhooks.roll_secret("stripe_connect")
    sending = told.webhooks.sending(told.webhooks.read()[0].id)
    for secret in (old, new):
        assert stripe_accepts(sending.headers, sending.body, secret, now_s(told))


def test_what_is_refused_comes_again_with_growing_gaps_and_is_given_up(told: Simulators, sink: Sink) -> None:
    a_sale(told)
    sink.status = 500
    (delivery,) = told.webhooks.deliver_due()
    began = told.now()
    for _ in range(40):
        told.advance(timedelta(hours=1))
        told.webhooks.deliver_due()
    (delivery,) = told.webhooks.read()
    assert delivery.state is State.GIVEN_UP
    assert len(delivery.attempts) == len(sink.got) == 12
    gaps = [
        after.at - before.at for before, after in zip(delivery.attempts, delivery.attempts[1:], strict=False)
    ]
    assert gaps == sorted(gaps)
    assert delivery.attempts[-1].at - began >= timedelta(hours=24)


def test_an_answer_that_is_too_slow_counts_as_none(told: Simulators, sink: Sink) -> None:
    told._world.square.answer_limit_s = 0.2  # type: ignore[assignment] # noqa: SLF001 - ten seconds are long
    sink.wait_s = 0.5
    a_sale(told)
    (delivery,) = told.webhooks.deliver_due()
    (attempt,) = delivery.attempts
    assert (attempt.status, attempt.succeeded, delivery.state) == (None, False, State.QUEUED)
    assert attempt.error is not None
    assert attempt.took_ms >= 190


def test_somebody_who_is_not_there_is_tried_again(told: Simulators) -> None:
    told.webhooks.send_to("square", "http://127.0.0.1:9/nobody")
    a_sale(told)
    (delivery,) = told.webhooks.deliver_due()
    assert delivery.state is State.QUEUED
    assert (delivery.attempts[0].error or "").startswith("ConnectionRefusedError")


def test_webhooks_are_dropped_doubled_delayed_and_shuffled_by_hand(told: Simulators, sink: Sink) -> None:
    for _ in range(8):
        a_sale(told)
    first, second, third, *_ = told.webhooks.read()
    told.webhooks.drop(first.id)
    told.webhooks.duplicate(second.id, at_once=True)
    told.webhooks.delay(third.id, 60)
    order = [one.event_id for one in told.webhooks.read()]
    assert told.webhooks.shuffle() == 7
    assert [one.event_id for one in told.webhooks.read()] != order
    told.webhooks.deliver_due()
    ids = [json.loads(body)["event_id"] for _, _, body in sink.got]
    assert first.event_id not in ids
    assert ids.count(second.event_id) == 2
    assert len(ids) == 7  # six of seven, one of them twice; one is not due
    told.advance(timedelta(seconds=60))
    told.webhooks.deliver_due()
    assert len(sink.got) == 8


def test_habits_come_from_the_seed(sink: Sink) -> None:
    def kinds(seed: int) -> list[tuple[str, str, str]]:
        with running_simulators(seed=seed, clock=FixedClock(MONDAY), by_hand=True) as one:
            manners = {Manner.BAD_SIGNATURE: 0.2}
            one.webhooks.behave(Habits(duplicate=0.3, dropped=0.1, late=0.2, shuffled=0.5, manners=manners))
            for _ in range(50):
                a_sale(one)
            return [(told.event_id, told.state, told.manner) for told in one.webhooks.read()]

    first = kinds(5)
    assert first == kinds(5)
    assert first != kinds(6)
    assert {state for _, state, _ in first} == {State.QUEUED, State.DROPPED}
    assert {manner for _, _, manner in first} == {Manner.AS_DOCUMENTED, Manner.BAD_SIGNATURE}
    assert len(first) > 50


def test_webhooks_go_by_themselves_when_they_are_due(sink: Sink) -> None:
    with running_simulators(webhooks_to={"square": sink.url}) as running:
        a_sale(running)
        running.webhooks.wait_until_quiet()
        assert len(sink.got) == 1


def test_a_reset_in_the_middle_of_deliveries_disturbs_nobody(sink: Sink) -> None:
    with running_simulators(webhooks_to={"square": sink.url}) as running:
        for seed in range(10):
            running.reset(seed)
            for _ in range(10):
                a_sale(running)
        running.webhooks.wait_until_quiet()
        last = {one.event_id for one in running.webhooks.read()}
        assert {json.loads(body)["event_id"] for _, _, body in sink.got} >= last
        assert all(one.state is State.DELIVERED for one in running.webhooks.read())


def test_without_an_address_they_are_taken_by_hand() -> None:
    with running_simulators(clock=FixedClock(MONDAY)) as running:
        a_sale(running)
        (sending,) = running.webhooks.take()
        assert isinstance(sending, Sending)
        assert square_accepts(sending.headers, sending.body, running.webhooks.secret("square"), "")
        assert running.webhooks.take() == []


def test_an_endpoint_made_by_a_call_gets_what_it_asked_for(told: Simulators, sink: Sink) -> None:
    made = httpx2.post(
        f"{told.url_of('stripe')}/v1/webhook_endpoints",
        headers={"authorization": f"Bearer {told.stripe.key}"},
        data={"url": f"{sink.url}/mine", "enabled_events[]": "capability.updated", "connect": "true"},
    ).json()
    told.stripe.add_account()
    told.webhooks.deliver_due()
    mine = [(headers, body) for path, headers, body in sink.got if path == "/mine"]
    assert [json.loads(body)["type"] for _, body in mine] == ["capability.updated"]
    headers, body = mine[0]
    assert stripe_accepts(headers, body, made["secret"], now_s(told))
