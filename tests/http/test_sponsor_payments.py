"""A sponsor's money comes in by a provider once, whatever it says how often, and goes back the same way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.ledger.chart import external, sponsor_prepaid
from nerava.rewards.checkouts import Asked, ask
from nerava.rewards.errors import PaymentsOff
from nerava.web.api.webhooks import EVENT_BYTES_MAX
from tests.helpers.parallel import in_parallel
from tests.http.conftest import Caller, House
from tests.http.flows import as_driver, campaign, partner_session, sponsor, terms, work_off
from tests.http.paying import Counter, opened_counter

DETAILS: dict[str, dict[str, Any]] = {"rate": {"seconds": 60}}
"""A wait that does not fit into a call."""


@pytest.fixture
def counter(url: str, tmp_path: Path) -> Iterator[Counter]:
    """A counter on both databases."""
    with opened_counter(url, tmp_path) as opened:
        yield opened


def asked(owner: Caller, gross: int = 10_000, **more: object) -> str:
    answer = owner.post("/v1/sponsor/checkouts", {"gross_minor": gross} | more, key=str(new_id()))
    assert answer.status_code == 202, answer.text
    checkout_id: str = answer.json()["id"]
    return checkout_id


def seen(owner: Caller, checkout_id: str) -> dict[str, Any]:
    answer = owner.get(f"/v1/sponsor/checkouts/{checkout_id}")
    assert answer.status_code == 200
    shown: dict[str, Any] = answer.json()
    return shown


def at_stripe(counter: Counter) -> str:
    """Return the newest checkout that Stripe knows."""
    name: str = counter.world.stripe.objects("checkout.session")[-1]["id"]
    return name


def back(counter: Counter, owner: Caller) -> Caller:
    """Return the same sponsor, signed in anew: a token is good for ten minutes."""
    return counter.house.caller(Role.SPONSOR, owner.tenant_id)


def prepaid(owner: Caller) -> int:
    left: int = owner.get("/v1/sponsor").json()["prepaid_minor"]
    return left


def paid(counter: Counter, owner: Caller, gross: int = 10_000, means: str = "card") -> str:
    checkout_id = asked(owner, gross)
    counter.work(2)
    counter.world.stripe.pay_checkout(at_stripe(counter), means)
    counter.bring()
    counter.work(2)
    return checkout_id


def test_a_payment_is_spendable_once_the_provider_says_that_it_has_come(counter: Counter) -> None:
    owner = sponsor(counter.house)
    checkout_id = asked(owner)
    assert seen(owner, checkout_id)["state"] == "asked"
    counter.work(1)
    shown = seen(owner, checkout_id)
    assert (shown["state"], prepaid(owner)) == ("open", 0)
    assert shown["url"].startswith(counter.world.base_url)

    counter.world.stripe.pay_checkout(at_stripe(counter))
    assert prepaid(owner) == 0  # Nobody has told us yet.
    assert {one.status_code for one in counter.bring()} == {200}
    counter.work(2)
    shown = seen(owner, checkout_id)
    assert (shown["state"], shown["url"], prepaid(owner)) == ("paid", None, 10_000)
    assert counter.house.findings() == []


def test_our_account_at_the_provider_is_what_really_lies_there(counter: Counter) -> None:
    owner = sponsor(counter.house)
    paid(counter, owner, 10_000)
    [at_provider] = counter.world.stripe.balances().values()
    books = counter.house.installation.ledger.balance(external("stripe"))
    assert -books.posted == at_provider["available"] + at_provider["pending"]


def test_a_payment_into_a_campaign_is_split_as_it_was_agreed_on(counter: Counter) -> None:
    owner = sponsor(counter.house)
    campaign_id = owner.post("/v1/campaigns", terms()).json()["id"]
    asked(owner, 10_000, campaign_id=campaign_id)
    counter.work(1)
    counter.world.stripe.pay_checkout(at_stripe(counter))
    counter.bring()
    counter.work(2)
    budget = owner.get(f"/v1/campaigns/{campaign_id}/budget").json()
    assert (budget["left"], budget["fee_left"], budget["adds_up"], prepaid(owner)) == (8_000, 2_000, True, 0)


def test_money_for_a_campaign_that_ended_meanwhile_stays_with_the_deposits(counter: Counter) -> None:
    owner = sponsor(counter.house)
    campaign_id = owner.post("/v1/campaigns", terms()).json()["id"]
    asked(owner, 10_000, campaign_id=campaign_id)
    counter.work(1)
    owner.post(f"/v1/campaigns/{campaign_id}/end")
    counter.world.stripe.pay_checkout(at_stripe(counter))
    counter.bring()
    counter.work(2)
    assert prepaid(owner) == 10_000


def test_fifty_deliveries_of_one_event_at_once_count_once(counter: Counter) -> None:
    owner = sponsor(counter.house)
    asked(owner)
    counter.work(1)
    counter.world.stripe.pay_checkout(at_stripe(counter))
    [told] = counter.world.webhooks.take("checkout.session.completed")

    def bring(_number: int) -> int:
        sent = counter.house.client.post("/webhooks/stripe", content=told.body, headers=told.headers)
        status: int = sent.status_code
        return status

    assert set(in_parallel(50, bring)) == {200}
    counter.work()
    counter.bring(times=3)
    counter.work()
    assert prepaid(owner) == 10_000
    assert counter.house.findings() == []


def test_a_payment_nobody_tells_about_is_found_by_asking(counter: Counter) -> None:
    owner = sponsor(counter.house)
    checkout_id = asked(owner)
    counter.work(1)
    counter.world.stripe.pay_checkout(at_stripe(counter))
    counter.world.webhooks.take()  # Lost on the way.
    counter.wait(minutes=2)
    assert (seen(owner, checkout_id)["state"], prepaid(owner)) == ("paid", 10_000)


@pytest.mark.parametrize(("comes", "state", "left"), [(True, "paid", 10_000), (False, "failed", 0)])
def test_a_bank_debit_counts_when_the_bank_has_paid(
    counter: Counter, comes: bool, state: str, left: int
) -> None:
    owner = sponsor(counter.house)
    checkout_id = paid(counter, owner, means="bank")
    assert (seen(owner, checkout_id)["state"], prepaid(owner)) == ("processing", 0)
    [intent] = counter.world.stripe.objects("payment_intent")
    counter.world.stripe.finish_bank_debit(intent["id"], paid=comes)
    counter.bring()
    counter.work(2)
    assert (seen(owner, checkout_id)["state"], prepaid(owner)) == (state, left)
    assert counter.house.findings() == []


def test_a_page_that_nobody_uses_expires(counter: Counter) -> None:
    owner = sponsor(counter.house)
    checkout_id = asked(owner)
    counter.work(1)
    counter.world.stripe.expire_checkout(at_stripe(counter))
    counter.bring()
    counter.work(2)
    assert (seen(owner, checkout_id)["state"], prepaid(owner)) == ("expired", 0)


@pytest.mark.in_turn
@pytest.mark.parametrize(
    "fault",
    [
        "answer_lost",
        "status",
        *(pytest.param(one, marks=pytest.mark.chaos) for one in ("cut", "wrong_type", "rate", "redirect")),
    ],
)
def test_trouble_while_the_page_is_made_makes_one_page(counter: Counter, fault: str) -> None:
    counter.world.faults.add(
        fault, method="POST", path="*checkout/sessions", times=4, **DETAILS.get(fault, {})
    )
    owner = sponsor(counter.house)
    checkout_id = asked(owner)
    counter.work()
    if seen(owner, checkout_id)["state"] == "asked":
        counter.wait(minutes=10)
    owner = back(counter, owner)
    assert seen(owner, checkout_id)["state"] == "open"
    assert len(counter.world.stripe.objects("checkout.session")) == 1


def test_what_a_stranger_tells_is_not_stored(counter: Counter) -> None:
    owner = sponsor(counter.house)
    asked(owner)
    counter.work(1)
    counter.world.stripe.pay_checkout(at_stripe(counter))
    [told] = counter.world.webhooks.take("checkout.session.completed")
    client = counter.house.client
    without = {k: v for k, v in told.headers.items() if k.lower() != "stripe-signature"}
    assert client.post("/webhooks/stripe", content=told.body, headers=without).status_code == 401
    assert client.post("/webhooks/stripe", content=told.body + b" ", headers=told.headers).status_code == 401
    assert client.post("/webhooks/square", content=told.body, headers=told.headers).status_code == 503
    huge = b"x" * (EVENT_BYTES_MAX + 1)
    assert client.post("/webhooks/stripe", content=huge, headers=told.headers).status_code == 413


def test_impossible_amounts_are_refused(house: House) -> None:
    owner = sponsor(house)
    for path, name in (("/v1/sponsor/checkouts", "gross_minor"), ("/v1/sponsor/refunds", "amount_minor")):
        for amount in (0, -1, 1.5, "10", True, None, 2**63, 10**30):
            answer = owner.post(path, {name: amount}, key=str(new_id()))
            assert answer.status_code == 422, (path, amount)
            assert answer.headers["content-type"] == "application/problem+json"
        raw = owner.headers({"Idempotency-Key": "k", "Content-Type": "application/json"})
        sent = house.client.post(path, content=f'{{"{name}": NaN}}', headers=raw)
        assert sent.status_code == 422


def test_payments_are_off_where_no_provider_is_connected(house: House) -> None:
    off, now = Asked(sponsor(house).tenant_id, 5), house.installation.clock.now()
    with pytest.raises(PaymentsOff):
        house.installation.database.run(lambda session: ask(session, None, off, now))


def refund(owner: Caller, amount: int) -> Any:
    return owner.post("/v1/sponsor/refunds", {"amount_minor": amount}, key=str(new_id()))


def states(owner: Caller) -> list[tuple[str, int]]:
    rows = owner.get("/v1/sponsor/refunds").json()["items"]
    return sorted((row["state"], row["amount_minor"]) for row in rows)


def test_deposits_go_back_by_the_payments_that_brought_them(counter: Counter) -> None:
    owner = sponsor(counter.house, 500)
    paid(counter, owner, 1_000)
    paid(counter, owner, 2_000)
    assert refund(owner, 2_500).status_code == 202
    assert prepaid(owner) == 1_000
    counter.work(2)
    assert states(owner) == [("paid", 500), ("paid", 2_000)]
    given = sorted(row["amount"] for row in counter.world.stripe.objects("refund"))
    assert given == [500, 2_000]
    # The 500 that came by bank transfer are there, but not by a payment that can be refunded.
    assert refund(owner, 501).json()["code"] == "not-refundable"
    assert refund(owner, 500).status_code == 202
    counter.work(2)
    assert prepaid(owner) == 500
    assert counter.house.findings() == []


def test_two_refunds_at_once_never_give_back_more_than_there_is(counter: Counter) -> None:
    owner = sponsor(counter.house)
    paid(counter, owner, 1_000)
    answers = in_parallel(8, lambda _number: refund(owner, 400).status_code)
    assert sorted(answers) == [202, 202, *[409] * 6]
    counter.work(3)
    assert sum(row["amount"] for row in counter.world.stripe.objects("refund")) == 800
    assert prepaid(owner) == 200
    assert counter.house.findings() == []


@pytest.mark.parametrize(("fate", "state", "left"), [("fail", "failed", 1_000), ("pend", "pending", 0)])
def test_a_refund_is_paid_when_the_provider_says_so(
    counter: Counter, fate: str, state: str, left: int
) -> None:
    owner = sponsor(counter.house)
    paid(counter, owner, 1_000)
    counter.world.stripe.decide("refund", fate)
    refund(owner, 1_000)
    counter.work(2)
    if fate == "fail":
        counter.wait(2, days=10)
        counter.bring()
        counter.work(2)
    owner = back(counter, owner)
    assert (states(owner), prepaid(owner)) == ([(state, 1_000)], left)
    if fate == "pend":
        [row] = counter.world.stripe.objects("refund")
        counter.world.stripe.finish_refund(row["id"])
        counter.bring()
        counter.work(2)
        assert states(owner) == [("paid", 1_000)]
    assert counter.house.findings() == []


def test_a_refund_that_fails_after_it_succeeded_brings_the_money_back(counter: Counter) -> None:
    owner = sponsor(counter.house)
    paid(counter, owner, 1_000)
    refund(owner, 600)
    counter.work(2)
    [row] = counter.world.stripe.objects("refund")
    counter.world.stripe.fail_refund(row["id"])
    counter.bring()
    counter.work(2)
    assert (states(owner), prepaid(owner)) == ([("returned", 600)], 1_000)
    assert counter.house.findings() == []


@pytest.mark.in_turn
@pytest.mark.parametrize("fault", ["answer_lost", pytest.param("cut", marks=pytest.mark.chaos), "rate"])
def test_trouble_while_a_refund_is_sent_refunds_once(counter: Counter, fault: str) -> None:
    owner = sponsor(counter.house)
    paid(counter, owner, 1_000)
    counter.world.faults.add(fault, method="POST", path="*refunds", times=5, **DETAILS.get(fault, {}))
    refund(owner, 600)
    counter.work()
    counter.wait(minutes=10)
    assert states(back(counter, owner)) == [("paid", 600)]
    assert [row["amount"] for row in counter.world.stripe.objects("refund")] == [600]
    assert counter.house.findings() == []


def test_an_error_that_the_provider_keeps_for_ever_is_tried_anew_when_nothing_can_happen_twice(
    counter: Counter,
) -> None:
    owner = sponsor(counter.house)
    paid(counter, owner, 1_000)
    counter.world.faults.add("status", method="POST", path="*refunds", times=1, stored=True)
    refund(owner, 600)
    counter.work(3)
    for hours in (22, 5, 15):
        counter.wait(2, hours=hours)
        assert states(back(counter, owner)) == [("asked", 600)]
    assert counter.world.stripe.objects("refund") == []
    for _ in range(3):
        counter.wait(2, hours=6)
    assert states(back(counter, owner)) == [("paid", 600)]
    assert [row["amount"] for row in counter.world.stripe.objects("refund")] == [600]
    assert counter.house.findings() == []


def test_what_an_ended_campaign_has_left_goes_back_with_its_fee(house: House) -> None:
    owner = sponsor(house, 1_000)
    campaign_id = campaign(owner, 1_000)
    house.caller(Role.PARTNER).post("/v1/partner/sessions", partner_session())
    work_off(house)
    path = f"/v1/campaigns/{campaign_id}/close"
    assert owner.post(path, key="k1").json()["code"] == "campaign-not-over"
    owner.post(f"/v1/campaigns/{campaign_id}/end")
    held = owner.get(f"/v1/campaigns/{campaign_id}/budget").json()["held"]
    if held:
        assert owner.post(path, key="k2").json()["code"] == "campaign-not-over"
        return
    closed = owner.post(path, key="k3").json()
    assert (
        closed["budget_minor"] + closed["fee_refunded_minor"]
        == owner.get("/v1/sponsor").json()["prepaid_minor"]
    )
    assert owner.post(path, key="k4").json()["code"] == "insufficient-funds"
    budget = owner.get(f"/v1/campaigns/{campaign_id}/budget").json()
    assert budget["adds_up"]
    assert house.findings() == []


def test_a_campaign_of_settled_rewards_closes_to_the_cent(house: House) -> None:
    owner = sponsor(house, 1_003)
    campaign_id = campaign(owner, 1_003, settle_level=1)
    sent = house.caller(Role.PARTNER).post("/v1/partner/sessions", partner_session()).json()
    work_off(house)
    assert as_driver(house, sent["driver_id"]).get("/v1/wallet").json()["available"] == 10
    owner.post(f"/v1/campaigns/{campaign_id}/end")
    closed = owner.post(f"/v1/campaigns/{campaign_id}/close", key="k").json()
    budget = owner.get(f"/v1/campaigns/{campaign_id}/budget").json()
    assert budget["left"] == budget["fee_left"] == budget["held"] == 0
    assert budget["refunded"] == closed["budget_minor"] + closed["fee_refunded_minor"]
    assert budget["funded"] == budget["granted"] + budget["fee_earned"] + budget["refunded"]
    assert owner.get("/v1/sponsor").json()["prepaid_minor"] == budget["refunded"]
    assert owner.get(f"/v1/accounts/{sponsor_prepaid(owner.tenant_id)}").status_code in {403, 404}
    assert house.findings() == []
