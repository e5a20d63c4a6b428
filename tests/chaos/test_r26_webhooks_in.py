"""R26: events in any order, doubled, three days late and with workers that die come to the same end."""

from __future__ import annotations

import statistics
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import func, select

from nerava.inbound.events import Handled, ProviderEvent
from nerava.inbound.model import InboundEvent
from nerava.inbound.work import EventWork
from nerava.installation import event_handlers
from nerava.kernel.ids import new_id
from nerava.rewards.checkout_store import SponsorCheckout
from nerava.simulators.webhooks import Manner
from tests.chaos.conftest import SEED
from tests.http.conftest import Caller
from tests.http.flows import sponsor
from tests.http.paying import Counter, opened_counter

SIZES = [
    pytest.param(12, id="quick"),
    pytest.param(240, id="full", marks=pytest.mark.chaos),
]
"""Payments; each is told of in several events, so 240 make more than 1,000 with the doubled ones."""

FORGED = (
    Manner.BAD_SIGNATURE,
    Manner.OLD_TIMESTAMP,
    Manner.OTHER_SECRET,
    Manner.RESERIALISED,
)


@pytest.fixture
def counter(url: str, tmp_path: Path) -> Iterator[Counter]:
    """A counter on both databases."""
    with opened_counter(url, tmp_path) as opened:
        yield opened


class Died(BaseException):
    """The worker is gone, at this very place."""


@dataclass
class Dying:
    """Handlers that die now and then, before they did anything or after they did all of it."""

    random: Random
    left: int
    calls: Tally[str] = field(default_factory=Tally)

    def wrapped(self, handler: Any) -> Any:
        """Return a handler that may die around its work."""

        def handle(event: ProviderEvent, now: datetime) -> Handled:
            self.calls[event.event_id] += 1
            dies = self.left > 0 and self.random.random() < 0.2
            self.left -= dies
            if dies and self.random.random() < 0.5:
                raise Died
            handled: Handled = handler(event, now)
            if dies:
                raise Died
            return handled

        return handle


def paying(counter: Counter, owner: Caller, payments: int, random: Random) -> dict[str, int]:
    """Ask for payments, let each have its fate at the provider, and return what must come of them."""
    for number in range(payments):
        body = {"gross_minor": 100 + number}
        assert owner.post("/v1/sponsor/checkouts", body, key=str(new_id())).status_code == 202
    counter.work(2 + payments // 10)
    expected: Tally[str] = Tally()
    for session in counter.world.stripe.objects("checkout.session"):
        fate = random.choice(("card", "card", "card", "bank", "bank fails", "expires", "nobody"))
        expected[fate] += 1
        if fate == "expires":
            counter.world.stripe.expire_checkout(session["id"])
        elif fate != "nobody":
            paid = counter.world.stripe.pay_checkout(session["id"], fate.partition(" ")[0])
            if fate.startswith("bank"):
                intent = paid["payment_intent"]
                counter.world.stripe.finish_bank_debit(intent, paid=fate == "bank")
    return {
        "paid": expected["card"] + expected["bank"],
        "failed": expected["bank fails"],
        # A page that nobody uses is good for a day, and three go by.
        "expired": expected["expires"] + expected["nobody"],
    }


def work_with_deaths(counter: Counter, dying: Dying) -> None:
    """Work on what was told; a worker that dies is followed by another one a minute later."""
    installation = counter.house.installation
    handlers = {
        provider: {prefix: dying.wrapped(handler) for prefix, handler in known.items()}
        for provider, known in event_handlers(installation).items()
    }
    for _ in range(200):
        work = EventWork(installation.database, installation.vault, handlers)
        try:
            if work.run(counter.clock.now()) == 0:
                return
        except Died:
            counter.clock.move_to(counter.clock.now() + timedelta(seconds=61))
    raise AssertionError("there is no end of it")


@pytest.mark.parametrize("payments", SIZES)
def test_events_in_any_order_and_number_end_as_in_order(
    counter: Counter, payments: int, measured: Callable[[str], None]
) -> None:
    random = Random(SEED)
    owner = sponsor(counter.house)
    expected = paying(counter, owner, payments, random)
    told = counter.world.webhooks.read("stripe")
    deliveries = [one.id for one in told]
    deliveries += random.sample(deliveries, len(deliveries) * 3 // 10)
    random.shuffle(deliveries)
    late = set(random.sample(deliveries, len(deliveries) // 10))
    took: list[float] = []

    def bring(delivery_id: str) -> None:
        sending = counter.world.webhooks.sending(delivery_id)
        began = time.perf_counter()
        answer = counter.house.client.post("/webhooks/stripe", content=sending.body, headers=sending.headers)
        took.append(time.perf_counter() - began)
        assert answer.status_code == 200, answer.text

    dying = Dying(random, left=20)
    for delivery_id in [one for one in deliveries if one not in late]:
        bring(delivery_id)
        if random.random() < 0.05:
            work_with_deaths(counter, dying)
            counter.work(1)
    counter.clock.move_to(counter.clock.now() + timedelta(days=3))
    for delivery_id in [one for one in deliveries if one in late]:
        bring(delivery_id)
    work_with_deaths(counter, dying)
    counter.work(3 + payments // 10)
    counter.clock.move_to(counter.clock.now() + timedelta(hours=6))
    counter.work(3 + payments // 10)

    stored = counter.house.installation.database.read(
        lambda session: session.scalar(select(func.count()).select_from(InboundEvent))
    )
    assert stored == len({one.event_id for one in told})
    states = counter.house.installation.database.read(
        lambda session: Tally(session.scalars(select(SponsorCheckout.state)))
    )
    assert {state: states[state] for state in expected} == expected
    at_provider = [
        one["amount_total"]
        for one in counter.world.stripe.objects("checkout.session")
        if one["payment_status"] == "paid"
    ]
    books = counter.house.installation.ledger.balance(f"sponsor:{owner.tenant_id}:prepaid")
    assert books.available == sum(at_provider)
    assert counter.house.findings() == []
    assert dying.left < 20
    measured(
        f"R26 {len(deliveries)} deliveries of {stored} events, {20 - dying.left} deaths, "
        f"half of them answered within {statistics.median(took) * 1_000:.1f} ms"
    )


def test_what_the_provider_did_not_sign_so_now_and_for_us_leaves_no_row(counter: Counter) -> None:
    owner = sponsor(counter.house)
    paying(counter, owner, 3, Random(SEED))
    [one, *_] = counter.world.webhooks.read("stripe")
    for manner in FORGED:
        counter.world.webhooks.write(one.id, manner)
        sending = counter.world.webhooks.sending(one.id)
        sent = counter.house.client.post("/webhooks/stripe", content=sending.body, headers=sending.headers)
        assert (sent.status_code, sent.json()["code"]) == (401, "signature-refused"), manner
    counter.world.webhooks.write(one.id, Manner.AS_DOCUMENTED)
    sending = counter.world.webhooks.sending(one.id)
    bare = replace(
        sending, headers={k: v for k, v in sending.headers.items() if k.lower() != "stripe-signature"}
    )
    assert (
        counter.house.client.post("/webhooks/stripe", content=bare.body, headers=bare.headers).status_code
        == 401
    )
    rows = counter.house.installation.database.read(
        lambda session: session.scalar(select(func.count()).select_from(InboundEvent))
    )
    assert rows == 0
