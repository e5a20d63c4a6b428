"""Which order proves which redemption, and what people are told when none does."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from nerava.identity.roles import Role
from nerava.ledger.switches import approve_release, ask_release, turn_on
from nerava.tills.matching import fits
from nerava.tills.model import TillOrder, TillRefund
from tests.http.shop import code_of, rich_driver, settle_now
from tests.tills.market import Market, Stall, Taken


def judged(market: Market, stall: Stall, taken: Taken) -> tuple[str, str | None]:
    """Return where a proof stands, and why."""
    shown = market.proof(stall, taken)
    return shown["state"], shown["reason"]


def looked(market: Market) -> None:
    """Bring what Square told, and let orders be looked for."""
    market.told()
    market.look()


@pytest.mark.parametrize(
    ("bill", "comes_to"),
    [
        (None, True),
        (1_000, True),
        (1_080, True),
        (1_300, True),
        (1_380, True),
        (1_200, False),
        (1_280, False),
        (999, False),
    ],
)
def test_a_bill_is_told_with_tax_or_without_before_a_discount_or_after_and_never_with_tip(
    bill: int | None, comes_to: bool
) -> None:
    order = TillOrder(amount_minor=1_000, tax_minor=80, tip_minor=200, discount_minor=300)
    assert fits(bill, order) is comes_to


def test_the_order_that_the_register_named_is_the_proof_and_the_driver_sees_it(market: Market) -> None:
    stall = market.stall()
    market.sold(stall, 1_000)
    other, _ = market.sold(stall, 1_000)
    taken = market.taken(stall, 1_000, pos_order_id=other)
    unnamed = market.taken(stall, 700, pos_order_id="receipt-17")
    market.sold(stall, 700, reference_id="receipt-17")
    market.wait(hours=1)
    looked(market)
    assert market.proof(stall, taken)["order"]["order_id"] == other
    assert judged(market, stall, unnamed) == ("proved", None)
    driver = market.house.caller(*as_driver(taken))
    receipt = driver.get(f"/v1/redemptions/{taken.redemption_id}").json()["proof"]
    assert (receipt["state"], receipt["order"]["order_id"]) == ("proved", other)
    [listed] = driver.get("/v1/redemptions").json()["items"]
    assert listed["proof"] == receipt
    shown = market.manager(stall).get("/v1/merchant/redemptions").json()["items"]
    assert [one["proof"]["state"] for one in shown] == ["proved", "proved"]


def as_driver(taken: Taken) -> tuple[Any, ...]:
    """Return what lets a driver sign in again."""
    return Role.DRIVER, taken.driver.tenant_id, taken.driver.subject


def test_a_code_that_stands_in_an_orders_reference_is_the_proof(market: Market) -> None:
    stall, driver = market.stall(), rich_driver(market.house)
    code = code_of(driver, stall.shop.offer())
    name, _ = market.sold(stall, 2_000, reference_id=code.lower())
    market.sold(stall, 900)
    taken = stall.shop.capture(code).json()["redemption_id"]
    other = market.taken(stall, 2_000)
    looked(market)
    proved = market.proof(stall, Taken(driver, taken))
    assert (proved["state"], proved["order"]["order_id"]) == ("proved", name)
    assert judged(market, stall, other) == ("waiting", "amount-differs")


def test_why_no_order_proves_it_is_told(market: Market) -> None:
    stall, quiet = market.stall(), market.stall()
    no_order = market.taken(quiet, 1_100)
    no_bill, other = market.taken(stall, None), market.taken(stall, 1_250)
    canceled, differs = market.taken(stall, 1_200), market.taken(stall, 1_300, pos_order_id="receipt-1")
    order = market.world.square.ring_up(stall.merchant, [("Lunch", 1_200, "1")])["id"]
    market.sold(stall, 1_299, reference_id="receipt-1")
    market.told()
    gone = update(TillOrder).where(TillOrder.external_id == order).values(state="canceled", next_at=None)
    market.house.installation.database.run(lambda session: session.execute(gone))
    market.look()
    expected = {"no-bill": no_bill, "amount-differs": other, "order-canceled": canceled}
    for reason, taken in expected.items():
        assert judged(market, stall, taken) == ("waiting", reason)
    assert judged(market, stall, differs) == ("waiting", "amount-differs")
    assert judged(market, quiet, no_order) == ("waiting", "no-order")
    market.work(86_400, 6 * 86_400)
    assert judged(market, quiet, no_order) == ("unproved", "no-order")


def test_a_code_that_was_taken_back_is_not_looked_for(market: Market) -> None:
    stall = market.stall()
    taken = market.taken(stall, 1_000)
    path = f"/v1/merchant/redemptions/{taken.redemption_id}/void"
    market.work(1)
    assert stall.shop.till.post(path, {"register_id": stall.shop.register_id}, key="v").status_code == 200
    market.sold(stall, 1_000)
    looked(market)
    assert market.proof(stall, taken) is None
    again = market.taken(stall, 1_000)
    market.look()
    assert judged(market, stall, again) == ("proved", None)


def test_an_order_in_another_currency_proves_nothing(market: Market) -> None:
    stall = market.stall()
    taken = market.taken(stall, 1_000)
    name, _ = market.sold(stall, 1_000)
    market.told()
    elsewhere = update(TillOrder).where(TillOrder.external_id == name).values(currency="CAD")
    market.house.installation.database.run(lambda session: session.execute(elsewhere))
    market.look()
    assert judged(market, stall, taken) == ("waiting", "amount-differs")


def test_an_order_of_another_place_proves_nothing(market: Market) -> None:
    stall = market.stall()
    elsewhere = market.stall()
    taken = market.taken(stall, 1_000)
    market.sold(elsewhere, 1_000)
    looked(market)
    assert judged(market, stall, taken) == ("waiting", "no-order")


@pytest.mark.in_turn
def test_what_is_settled_is_not_given_back_and_what_is_stopped_waits(both: Market) -> None:
    market, stall = both, both.stall()
    taken = [market.taken(stall, 1_000) for _ in range(2)]
    payments = [market.sold(stall, 1_000)[1] for _ in range(2)]
    looked(market)
    assert [judged(market, stall, one) for one in taken] == [("proved", None)] * 2
    market.world.square.refund(payments[0], 1_000)
    market.wait(seconds=1)
    found, now = market.house.installation, market.clock.now()
    found.database.run(lambda session: turn_on(session, "money.all", by="test", reason="drill", now=now))
    market.told()
    assert refunds(market) == [(None, None)]
    asked = found.database.run(
        lambda session: ask_release(session, "money.all", by="a", reason="over", now=now)
    )
    found.database.run(lambda session: approve_release(session, asked.id, by="b", now=now))
    market.work(6, 1)
    assert refunds(market) == [(300, None)]
    settle_now(market.house)
    market.world.square.refund(payments[1], 1_000)
    market.wait(seconds=1)
    market.told()
    assert sorted(refunds(market)) == [(0, "already-settled"), (300, None)]
    assert_ops_see_to_it(market)


def assert_ops_see_to_it(market: Market) -> None:
    finance = market.house.caller(Role.OPS_FINANCE)

    def given_up() -> int:
        lines = finance.get("/v1/ops/queues").json()["queues"]
        return next(int(one["given_up"]) for one in lines if one["name"] == "refunds at tills")

    [waiting] = finance.get("/v1/ops/till-refunds").json()["items"]
    assert given_up() == 1
    path, body = f"/v1/ops/till-refunds/{waiting['id']}/close", {"reason": "the driver got a present"}
    assert [finance.post(path, body).status_code for _ in range(2)] == [204, 404]
    assert (given_up(), finance.get("/v1/ops/till-refunds").json()["items"]) == (0, [])


def refunds(market: Market) -> list[tuple[int | None, str | None]]:
    """Return what became of refunds at tills: points, or why there are none."""
    query = select(TillRefund.points, TillRefund.trouble).order_by(TillRefund.id)
    rows = market.house.installation.database.read(lambda session: session.execute(query).all())
    return [(row.points, row.trouble) for row in rows]
