"""Cash-outs at the simulated Stripe, over real HTTP: its traps, its faults, its webhooks in any order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from nerava.installation import payouts_of
from nerava.kernel.ids import new_id
from nerava.ledger.chart import PAYOUT_CLEARING, driver_nova
from nerava.ledger.templates.promo_grant import PromoKind, promo_grant
from nerava.payouts.books import Period
from nerava.payouts.model import Payout, PayoutMethod
from tests.http.conftest import Caller
from tests.http.flows import add_contact, as_driver, cash_out, fill_promo, let_go
from tests.http.paying import Counter, opened_counter

AMOUNT = 1_000


@pytest.fixture
def counter(url: str, tmp_path: Path) -> Iterator[Counter]:
    """A counter with money at Stripe, on both databases; its books are clean when the test is over."""
    with opened_counter(url, tmp_path) as opened:
        opened.world.stripe.deposit(1_000_000)
        yield opened
        assert opened.house.findings() == []


def payee(counter: Counter) -> tuple[Caller, str, str]:
    """Return a driver who told Stripe who they are, their method, and their account."""
    house = counter.house
    owner = house.user()
    add_contact(house, owner)
    fill_promo(house, 5_000)
    grant = promo_grant(
        kind=PromoKind.GOODWILL, reference_id=new_id(), driver_id=owner.tenant_id, points=5_000
    )
    house.books.must(grant)
    method_id = owner.post("/v1/payout-methods").json()["method"]["id"]
    query = select(PayoutMethod.account).where(PayoutMethod.id == UUID(method_id))
    account = house.installation.database.read(lambda session: session.scalar(query)) or ""
    counter.world.stripe.verify(account)
    counter.bring()
    counter.work(3)
    return owner, method_id, account


def let_out(counter: Counter) -> tuple[Caller, UUID, str]:
    """Return a driver, a payout of theirs that finance let go, and their account."""
    owner, method_id, account = payee(counter)
    asked = cash_out(owner, method_id, AMOUNT)
    assert asked.status_code == 202, asked.text
    let_go(counter.house, asked.json()["id"])
    return owner, UUID(asked.json()["id"]), account


def row(counter: Counter, payout_id: UUID) -> Payout:
    """Return a payout's row."""
    query = select(Payout).where(Payout.id == payout_id)
    return counter.house.installation.database.read(lambda session: session.scalars(query).one())


def transfers(counter: Counter, payout_id: UUID) -> list[dict[str, object]]:
    """Return what Stripe sent for a payout and still stands."""
    every = counter.world.stripe.objects("transfer")
    mine = [one for one in every if one["transfer_group"] == str(payout_id)]
    return [one for one in mine if one["amount_reversed"] < one["amount"]]


def until_over(counter: Counter, payout_id: UUID, *, days: int = 4) -> str:
    """Let days pass, webhooks come and work be done; return how it ended."""
    for _ in range(days * 4):
        counter.world.advance(timedelta(hours=6))
        counter.bring()
        counter.work(3)
        if row(counter, payout_id).state in {"paid", "failed", "returned"}:
            break
    return str(row(counter, payout_id).state)


def left(counter: Counter, owner: Caller) -> tuple[int, int, int]:
    """Return what a driver has, what is held of it, and what is in clearing."""
    nova = counter.house.books.balance(driver_nova(owner.tenant_id))
    return nova.posted, nova.debits_pending, counter.house.books.posted(PAYOUT_CLEARING)[0]


def test_a_driver_is_paid_by_stripe_when_the_bank_has_it(counter: Counter) -> None:
    owner, payout_id, account = let_out(counter)
    counter.work(3)
    assert row(counter, payout_id).state == "submitted"
    assert [one["destination"] for one in transfers(counter, payout_id)] == [account]
    assert left(counter, owner) == (5_000 - AMOUNT - 25, 0, AMOUNT)

    assert until_over(counter, payout_id) == "paid"
    assert left(counter, owner) == (5_000 - AMOUNT - 25, 0, 0)
    again = as_driver(counter.house, owner.tenant_id)
    assert again.get(f"/v1/payouts/{payout_id}").json()["state"] == "paid"


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("kind", "path", "details"),
    [
        ("answer_lost", "/v1/transfers", {}),
        ("answer_lost", "/v1/payouts", {}),
        ("status", "/v1/transfers", {"status": 500}),
        ("cut", "/v1/transfers", {}),
        ("rate", "/v1/transfers", {"seconds": 1}),
    ],
)
def test_whatever_becomes_of_a_call_there_is_one_transfer(
    counter: Counter, kind: str, path: str, details: dict[str, object]
) -> None:
    owner, payout_id, _ = let_out(counter)
    counter.world.faults.add(kind, provider="stripe", method="POST", path=path, times=1, **details)
    counter.work(2)
    counter.world.faults.heal()

    assert until_over(counter, payout_id) == "paid"
    assert len(transfers(counter, payout_id)) == 1
    assert left(counter, owner) == (5_000 - AMOUNT - 25, 0, 0)


def test_a_bank_that_sends_it_back_after_it_was_paid_gives_the_driver_everything_again(
    counter: Counter,
) -> None:
    owner, payout_id, account = let_out(counter)
    counter.world.stripe.decide("payout", "fail_after_paid:no_account", account)
    assert until_over(counter, payout_id) == "paid"
    for _ in range(16):
        counter.world.advance(timedelta(hours=6))
        counter.bring()
        counter.work(3)
    assert (row(counter, payout_id).state, row(counter, payout_id).reason) == ("returned", "no_account")
    assert transfers(counter, payout_id) == []
    assert left(counter, owner) == (5_000, 0, 0)


def test_an_account_that_left_is_not_sent_to(counter: Counter) -> None:
    owner, payout_id, account = let_out(counter)
    counter.world.stripe.deauthorise(account)
    counter.bring()
    counter.work(3)

    assert row(counter, payout_id).state == "approved"
    assert transfers(counter, payout_id) == []
    methods = as_driver(counter.house, owner.tenant_id).get("/v1/payout-methods").json()["methods"]
    assert [one["state"] for one in methods] == ["blocked"]


def test_webhooks_doubled_and_shuffled_come_to_the_same_end(counter: Counter) -> None:
    owner, payout_id, _ = let_out(counter)
    counter.work(3)
    counter.world.advance(timedelta(days=6))
    counter.world.webhooks.shuffle()
    assert {one.status_code for one in counter.bring(times=3)} <= {200}
    counter.work(4)
    assert row(counter, payout_id).state == "paid"
    assert left(counter, owner) == (5_000 - AMOUNT - 25, 0, 0)


def test_the_books_of_stripe_and_ours_agree(counter: Counter) -> None:
    _, payout_id, _ = let_out(counter)
    _, failing, account = let_out(counter)
    counter.world.stripe.decide("payout", "fail:no_account", account)
    assert until_over(counter, payout_id) == "paid"
    assert until_over(counter, failing) == "failed"
    counter.world.advance(timedelta(hours=2))
    now = counter.clock.now()
    period = Period("asked", now - timedelta(days=6), now)
    run = payouts_of(counter.house.installation).reconciling.compare(period)
    assert run is not None
    assert {verdict: count for verdict, count in run.counts.items() if count} == {"matched": 3}
