"""The traps of Square, over real HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from nerava.identity.roles import Role
from nerava.inbound.model import InboundEvent
from nerava.simulators.webhooks import Manner
from nerava.tills.hearing import OrderTold
from nerava.tills.model import TillMatch
from tests.http.shop import nova_of
from tests.tills.market import Market, Stall, Taken, at_once


def events(market: Market) -> int:
    """Return how many events are stored."""
    count = select(func.count()).select_from(InboundEvent)
    return market.house.installation.database.read(lambda session: session.scalar(count)) or 0


def returned(market: Market, stall: Stall, taken: Taken) -> tuple[int, list[int]]:
    """Return how many points of a redemption went back, and with which refunds."""
    path = f"/v1/merchant/redemptions/{taken.redemption_id}"
    shown = market.manager(stall).get(path).json()
    return shown["refunded"], [one["points"] for one in shown["refunds"]]


@pytest.mark.trap("Q1")
def test_an_order_that_is_not_there_yet_is_asked_for_again(market: Market) -> None:
    stall = market.stall()
    name = market.world.square.ring_up(stall.merchant, visible_after_s=10)["id"]
    market.told()
    found = market.order(name)
    assert found is not None
    assert (found.state, found.trouble, found.looks) == ("unread", "not-there", 2)
    market.work(2, 4, 8)
    found = market.order(name)
    assert found is not None
    assert (found.state, found.trouble, found.amount_minor) == ("open", None, 450)
    market.work(44, 60)
    found = market.order(name)
    assert found is not None
    assert (found.looks, found.next_at) == (6, None)


@pytest.mark.trap("Q2")
def test_lines_that_come_later_are_read(market: Market) -> None:
    stall = market.stall()
    name = market.world.square.ring_up(stall.merchant, lines_after_s=4, by_api=True)["id"]
    market.told()
    found = market.order(name)
    assert found is not None
    assert (found.amount_minor, found.version) == (0, 1)
    market.work(2)
    found = market.order(name)
    assert found is not None
    assert (found.amount_minor, found.version, found.is_settled) == (450, 2, False)


@pytest.mark.trap("Q3")
def test_only_a_higher_version_is_read_and_an_event_counts_once(market: Market) -> None:
    stall = market.stall()
    name = market.world.square.ring_up(stall.merchant, by_api=True)["id"]
    market.world.square.tell_again(name, times=3)
    taken = market.world.webhooks.take()
    before = events(market)
    assert [market.post(one.body, one.headers) for one in taken + taken] == [200] * 8
    assert events(market) == before + 4
    market.work(1, 1, 1, 2, 4, 8, 45, 60)
    market.world.square.tell_again(name)
    market.told()
    found = market.order(name)
    assert found is not None
    assert (found.version, found.looks, found.next_at) == (1, 6, None)


@pytest.mark.trap("Q3")
def test_without_a_version_the_time_of_the_change_tells_what_is_newer(market: Market) -> None:
    stall = market.stall()
    name = market.world.square.ring_up(stall.merchant)["id"]
    first = market.world.webhooks.take()
    market.wait(seconds=5)
    market.world.square.pay(name)
    market.told()
    found = market.order(name)
    assert found is not None
    assert (found.version, found.state, found.is_settled) == (None, "completed", True)
    reads = market.asked("/v2/orders/batch-retrieve")
    for one in first:
        market.post(one.body, one.headers)
    market.work()
    assert market.asked("/v2/orders/batch-retrieve") == reads


@pytest.mark.trap("Q4")
def test_the_signature_is_over_the_registered_address(market: Market) -> None:
    stall = market.stall()
    before = events(market)
    for manner in (Manner.RESERIALISED, Manner.BAD_SIGNATURE, Manner.NO_SIGNATURE, Manner.OTHER_SECRET):
        market.world.square.ring_up(stall.merchant)
        [told] = [one for one in market.world.webhooks.read("square") if one.state.value == "queued"]
        market.world.webhooks.write(told.id, manner)
        assert market.bring() == [401]
    market.world.webhooks.register_as("square", "https://nerava.example.com/webhooks/square")
    market.world.square.ring_up(stall.merchant)
    assert market.bring() == [401]
    assert events(market) == before
    market.world.webhooks.register_as("square", "https://hooks.example.com/behind/a/proxy?for=square")
    market.world.square.ring_up(stall.merchant)
    assert market.bring() == [200]


@pytest.mark.trap("Q5")
def test_tip_and_tax_are_not_what_the_goods_came_to(market: Market) -> None:
    stall = market.stall()
    taken = market.taken(stall, 1_000)
    name, _ = market.sold(stall, 1_000, tip=200, tax=80)
    market.told()
    market.look()
    shown = market.proof(stall, taken)
    assert shown["state"] == "proved"
    assert shown["order"] == {
        "order_id": name,
        "amount_minor": 1_000,
        "tax_minor": 80,
        "tip_minor": 200,
        "currency": "USD",
    }
    with_tip = market.taken(stall, 1_280)
    market.sold(stall, 1_000, tip=200, tax=80)
    market.told()
    market.look()
    shown = market.proof(stall, with_tip)
    assert (shown["state"], shown["reason"]) == ("waiting", "amount-differs")


@pytest.mark.trap("Q6")
@pytest.mark.in_turn
def test_a_part_refund_takes_its_share_of_the_points_along_once(both: Market) -> None:
    market, stall = both, both.stall()
    taken = market.taken(stall, 1_000)
    _, payment = market.sold(stall, 1_000, tip=100)
    market.told()
    market.look()
    assert market.proof(stall, taken)["state"] == "proved"
    for amount, points in ((275, [75]), (275, [75, 75]), (1, [75, 75]), (549, [75, 75, 150])):
        market.world.square.refund(payment, amount)
        market.wait(seconds=1)
        sent = market.world.webhooks.take()
        for one in sent + sent:
            assert market.post(one.body, one.headers) == 200
        market.work(1)
        market.wait(seconds=1)
        now = market.clock.now()
        market.tills.reading.run(now)
        at_once(4, lambda: market.tills.refunding.run(now))  # noqa: B023 - called at once
        assert returned(market, stall, taken) == (sum(points), points)
    assert nova_of(market.house, taken.driver) == (1_000, 1_000)
    assert market.house.findings() == []


@pytest.mark.trap("Q6")
def test_what_went_back_before_an_order_proved_anything_is_made_good_then(market: Market) -> None:
    stall = market.stall()
    taken = market.taken(stall, 1_000)
    _, payment = market.sold(stall, 1_000)
    market.world.square.refund(payment, 500)
    market.wait(seconds=1)
    market.told()
    assert returned(market, stall, taken) == (0, [])
    market.look()
    assert returned(market, stall, taken) == (150, [150])


@pytest.mark.trap("Q6")
def test_points_that_were_given_back_by_hand_do_not_go_back_twice(market: Market) -> None:
    stall = market.stall()
    taken = market.taken(stall, 1_000)
    _, payment = market.sold(stall, 1_000)
    market.told()
    market.look()
    path = f"/v1/merchant/redemptions/{taken.redemption_id}/refunds"
    assert market.manager(stall).post(path, {"points": 250}, key="by-hand").status_code == 200
    market.world.square.refund(payment, 1_000)
    market.wait(seconds=1)
    market.told()
    assert returned(market, stall, taken) == (300, [250, 50])


@pytest.mark.trap("Q7")
def test_access_that_is_revoked_stops_everything_at_once_and_codes_go_on(market: Market) -> None:
    stall = market.stall()
    taken = market.taken(stall, 1_000)
    market.work(61)
    assert market.proof(stall, taken)["reason"] == "not-looked-at"
    market.sold(stall, 1_000)
    market.wait(seconds=1)
    market.world.square.revoke(stall.merchant)
    assert set(market.bring()) == {200}
    calls = len(market.world.requests("square"))
    market.work(1, 1, 60, 60, 60)
    assert [one.path for one in market.world.requests("square")[calls:]] == []
    link = market.link(stall)
    assert (link.state, link.ended_because, link.sealed) == ("ended", "at-provider", None)
    shown = market.proof(stall, taken)
    assert (shown["state"], shown["reason"]) == ("unproved", "link-ended")
    again = market.taken(stall, 1_000)
    assert market.proof(stall, again) is None


@pytest.mark.trap("Q7")
def test_an_old_revocation_does_not_end_a_newer_consent(market: Market) -> None:
    stall = market.stall()
    market.wait(seconds=5)
    market.world.square.revoke(stall.merchant)
    late = market.world.webhooks.take()
    market.wait(seconds=5)
    owner = stall.shop.house.caller(Role.MERCHANT_OWNER, stall.shop.merchant_id)
    assert market.go_and_agree(owner, stall.merchant).json()["state"] == "done"
    for one in late:
        assert market.post(one.body, one.headers) == 200
    market.work()
    assert market.link(stall).state == "active"


@pytest.mark.trap("Q8")
def test_of_two_redemptions_that_claim_one_order_one_is_proved(both: Market) -> None:
    market, stall = both, both.stall()
    claims = [market.taken(stall, 1_000) for _ in range(2)]
    name, _ = market.sold(stall, 1_000)
    market.told()
    market.work(61)
    market.wait(minutes=3)
    now = market.clock.now()
    at_once(8, lambda: market.tills.matching.run(now))
    shown = [market.proof(stall, one) for one in claims]
    assert sorted((one["state"], one["reason"]) for one in shown) == [
        ("proved", None),
        ("waiting", "order-taken"),
    ]
    [proved] = [one["order"] for one in shown if one["order"] is not None]
    assert proved["order_id"] == name
    matches = select(func.count()).select_from(TillMatch)
    assert market.house.installation.database.read(lambda session: session.scalar(matches)) == 1


@pytest.mark.trap("Q9")
def test_half_a_pound_is_sold(market: Market) -> None:
    stall = market.stall()
    order = market.world.square.ring_up(stall.merchant, [("Cheese", 1_999, "0.5"), ("Bread", 300, "2")])
    market.world.square.pay(order["id"])
    market.told()
    found = market.order(order["id"])
    assert found is not None
    assert (found.amount_minor, found.is_settled) == (1_600, True)


@pytest.mark.trap("Q10")
def test_a_payment_that_is_approved_proves_nothing_until_it_is_completed(market: Market) -> None:
    stall = market.stall()
    taken = market.taken(stall, 1_000)
    order = market.world.square.ring_up(stall.merchant, [("Lunch", 1_000, "1")])["id"]
    payment = market.world.square.pay(order, captured=False)
    market.told()
    market.look()
    shown = market.proof(stall, taken)
    assert (shown["state"], shown["reason"]) == ("waiting", "order-not-paid")
    found = market.order(order)
    assert found is not None
    assert (found.paid_minor, found.is_settled) == (0, False)
    market.world.square.capture(payment["id"])
    fault = market.world.faults.add(
        "drift", provider="square", path="/v2/payments/*", field="payment.status", how="unknown"
    )
    market.told()
    assert market.proof(stall, taken)["reason"] == "order-not-paid"
    market.world.faults.remove(fault)
    market.work(2, 1)
    assert market.proof(stall, taken)["state"] == "proved"


@pytest.mark.trap("Q3")
def test_what_is_told_while_an_order_is_read_is_not_lost(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    stall = market.stall()
    name, payment = market.sold(stall)
    assert set(market.bring()) == {200}
    market.work(1)
    market.wait(seconds=1)
    read = market.tills.reading._till.payment  # noqa: SLF001 - something happens in the middle of it

    def meanwhile(*asked: Any) -> Any:
        answer = read(*asked)
        market.wait(seconds=1)
        market.world.square.refund(payment, 500)
        told = OrderTold("square", stall.merchant, name)
        market.tills.hearing.order(told, market.clock.now())
        return answer

    monkeypatch.setattr(market.tills.reading._till, "payment", meanwhile)  # noqa: SLF001 - as above
    market.tills.reading.run(market.clock.now())
    found = market.order(name)
    assert found is not None
    assert (found.state, found.looks) == ("unread", 0)
    monkeypatch.undo()
    market.work(1)
    found = market.order(name)
    assert found is not None
    assert found.is_settled
