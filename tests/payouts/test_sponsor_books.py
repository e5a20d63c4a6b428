"""Sponsors' payments in two books: each way in which they can differ is found once, and none is corrected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from nerava.identity.roles import Role
from nerava.installation import payouts_of
from nerava.kernel.ids import new_id
from nerava.ledger.chart import PLATFORM_ADJUSTMENTS, external
from nerava.payouts.books import Period
from nerava.payouts.ports import Movement
from nerava.payouts.sponsor_books import Payments, compare_payments
from nerava.payouts.totals import Total, total_at
from nerava.rewards.checkout_store import SponsorCheckout, SponsorRefundRow
from nerava.rewards.dispute_store import SponsorDisputeMovement
from tests.http.flows import sponsor
from tests.http.paying import Counter, opened_counter

NOON: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
PERIOD: Final = Period("four days", NOON - timedelta(days=4), NOON + timedelta(days=1))
CHECKOUT: Final = SponsorCheckout(
    id=new_id(), state="paid", payment="pi_1", gross=10_000, currency="USD", ended_at=NOON
)
REFUND: Final = SponsorRefundRow(
    id=new_id(), state="paid", refund="re_1", amount=3_000, ended_at=NOON, checkout_id=CHECKOUT.id
)
CAME: Final = Movement("txn_1", "charge", "ch_1", None, 10_000, 320, "USD", int(NOON.timestamp()), "pi_1")
WENT: Final = replace(CAME, id="txn_2", kind="refund", source="re_1", amount_minor=-3_000, fee_minor=0)
DISPUTED: Final = replace(CAME, id="txn_3", kind="dispute", source="dp_1", amount_minor=-4_000)
REINSTATED: Final = replace(DISPUTED, id="txn_5", amount_minor=4_000, fee_minor=0)
TAKEN: Final = SponsorDisputeMovement(id=new_id(), movement="txn_3", kind="taken", amount=4_000, cost=320)
RETURNED: Final = SponsorDisputeMovement(id=new_id(), movement="txn_5", kind="returned", amount=4_000, cost=0)
BACK: Final = replace(WENT, id="txn_4", kind="refund_failure", amount_minor=3_000)

DIFFERENT: Final[dict[str, tuple[list[Movement], list[str]]]] = {
    "nothing differs": ([CAME, WENT], ["matched", "matched"]),
    "a charge of another amount": ([replace(CAME, amount_minor=9_999), WENT], ["amount", "matched"]),
    "a charge in another currency": ([replace(CAME, currency="EUR"), WENT], ["currency", "matched"]),
    "a charge that nobody here asked for": ([CAME, WENT, replace(CAME, id="txn_9", payment="pi_9")], ["matched", "matched", "extra"]),
    "a payment that was charged twice": ([CAME, WENT, replace(CAME, id="txn_9")], ["matched", "matched", "duplicate"]),
    "a payment without its charge": ([WENT], ["matched", "missing"]),
    "a refund of another amount": ([CAME, replace(WENT, amount_minor=-3_001)], ["matched", "amount"]),
    "a refund that nobody here asked for": ([CAME, WENT, replace(WENT, id="txn_9", source="re_9")], ["matched", "matched", "extra"]),
    "a refund without its line": ([CAME], ["matched", "missing"]),
    "a refund that came back and that our book calls paid": ([CAME, WENT, BACK], ["matched", "matched", "late_reversal"]),
    "what a payer took back": ([CAME, WENT, DISPUTED], ["matched", "matched", "matched"]),
    "what a payer got no right to": ([CAME, WENT, REINSTATED], ["matched", "matched", "matched"]),
    "what a payer took back and nobody told of": ([CAME, WENT, replace(DISPUTED, id="txn_9")], ["matched", "matched", "extra"]),
    "a dispute of another amount": ([CAME, WENT, replace(DISPUTED, amount_minor=-4_001)], ["matched", "matched", "amount"]),
    "a dispute of another fee": ([CAME, WENT, replace(DISPUTED, fee_minor=0)], ["matched", "matched", "amount"]),
}  # fmt: skip


@pytest.fixture
def counter(url: str, tmp_path: Path) -> Iterator[Counter]:
    """A counter on both databases."""
    with opened_counter(url, tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("name", DIFFERENT)
def test_each_difference_is_named_once(name: str) -> None:
    movements, verdicts = DIFFERENT[name]
    lines = compare_payments(PERIOD, movements, Payments([CHECKOUT], [REFUND], [TAKEN, RETURNED]))
    assert [one.verdict for one in lines] == verdicts


def test_an_hour_does_not_miss_what_ended_after_it_was_charged() -> None:
    hour = Period("hour", NOON, NOON + timedelta(hours=1))
    assert compare_payments(hour, [], Payments([CHECKOUT], [REFUND])) == []


def total(counter: Counter) -> Total:
    """Return what lies at the provider."""
    house = counter.house.installation
    assert house.paid_by is not None
    return total_at(house.database, house.ledger, house.paid_by, "USD", counter.clock.now())


def test_a_dispute_that_no_event_told_of_is_found_in_the_providers_book_and_booked(counter: Counter) -> None:
    owner, finance = sponsor(counter.house), counter.house.caller(Role.OPS_FINANCE)
    owner.post("/v1/sponsor/checkouts", {"gross_minor": 10_000}, key=str(new_id()))
    counter.work(2)
    stripe = counter.world.stripe
    stripe.pay_checkout(stripe.objects("checkout.session")[-1]["id"])
    counter.bring()
    counter.work(2)
    owner.post("/v1/sponsor/refunds", {"amount_minor": 3_000}, key=str(new_id()))
    counter.work(4)
    assert total(counter).differs_by == 0

    dispute = stripe.open_dispute(stripe.objects("payment_intent")[-1]["id"], 4_000)
    counter.world.webhooks.take()  # Lost on the way.
    fee = dispute["balance_transactions"][0]["fee"]
    assert total(counter).differs_by == 4_000 + fee
    reconciling = payouts_of(counter.house.installation).reconciling

    def compared(name: str) -> list[tuple[str, str]]:
        now = counter.clock.now()
        run = reconciling.compare(Period(name, now - timedelta(days=4), now + timedelta(seconds=1)))
        assert run is not None
        return sorted((one["kind"], one["verdict"]) for one in run.lines)

    assert compared("first") == [("charge", "matched"), ("dispute", "extra"), ("refund", "matched")]
    [case] = finance.get("/v1/ops/payout-cases").json()["items"]
    assert (case["kind"], case["told"]["amount_minor"]) == ("extra", -4_000)
    counter.work(2)
    assert total(counter).differs_by == 0
    assert compared("second") == [("charge", "matched"), ("dispute", "matched"), ("refund", "matched")]
    assert owner.get("/v1/sponsor").json()["owed_minor"] == 4_000
    assert counter.house.findings() == []


def test_people_book_at_a_provider_for_a_dispute_alone(counter: Counter) -> None:
    finance = counter.house.caller(Role.OPS_FINANCE)
    body = {"debit": PLATFORM_ADJUSTMENTS, "credit": external("stripe"), "amount_minor": 5}
    for reason, status in (("correction", 422), ("dispute", 201)):
        sent = finance.post("/v1/ops/adjustments", body | {"reason": reason}, key=str(new_id()))
        assert sent.status_code == status, sent.text
    assert counter.house.findings() == []
