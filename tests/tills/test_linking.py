"""Linking a till, keeping its tokens, and letting it go, over real HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from nerava.audit.model import entry
from nerava.identity.roles import Role
from nerava.migrations.tables import metadata
from nerava.platform.key_rotation import KeyRotator, sealed_columns
from nerava.tills.model import TillLink, TillWay
from nerava.tills.states import REASON_TEXTS, Reason
from tests.http.conftest import Caller
from tests.http.shop import open_shop
from tests.http.test_problems import assert_problem
from tests.tills.market import TILLS, Market, Stall, at_once


def delete(caller: Caller, path: str) -> int:
    """Send a DELETE and return how it was answered."""
    return int(caller.client.delete(path, headers=caller.headers()).status_code)


def tills(market: Market, stall: Stall) -> Any:
    """Return what a merchant is shown of its points of sale."""
    return market.manager(stall).get(TILLS).json()["tills"]


def connected(market: Market) -> list[str]:
    """Return the sellers whom Square would let us read."""
    found: list[str] = market.world.state("square")["connected"]
    return found


def audited(market: Market, stall: Stall) -> list[str]:
    """Return what the audit log says of a merchant's points of sale, in order."""
    mine = entry.c.tenant_id == str(stall.shop.merchant_id), entry.c.action.startswith("till.")
    ordered = select(entry.c.action).where(*mine).order_by(entry.c.id)
    return market.house.installation.database.read(lambda session: list(session.scalars(ordered)))


def test_a_merchant_links_its_till_and_says_which_place_it_is(market: Market) -> None:
    stall = market.stall()
    [shown] = tills(market, stall)
    assert (shown["provider"], shown["account"], shown["state"]) == ("square", stall.merchant, "active")
    [location] = shown["locations"]
    assert (location["name"], location["site_id"]) == ("Corner Café", stall.shop.site_id)
    owner = market.house.caller(Role.MERCHANT_OWNER, stall.shop.merchant_id)
    path = f"{TILLS}/locations/{location['id']}"
    said = owner.client.put(path, json={"site_id": None}, headers=owner.headers())
    assert (said.status_code, said.json()["site_id"]) == (200, None)
    taken = market.taken(stall)
    market.sold(stall)
    market.told()
    market.look()
    proof = market.proof(stall, taken)
    assert (proof["reason"], proof["text"]) == ("no-place", REASON_TEXTS[Reason.NO_PLACE])
    assert audited(market, stall) == ["till.link", "till.returned", "till.linked", "till.located"]


def test_nothing_of_the_tokens_is_readable_where_they_lie_and_a_rotation_seals_them_again(
    market: Market,
) -> None:
    stall, found = market.stall(), market.house.installation
    before = market.link(stall).sealed
    assert before is not None
    assert b"EAAA" not in before
    assert "till_link.sealed" in {one.name for one in sealed_columns(metadata())}
    rotator = KeyRotator(found.database, found.vault, metadata(), found.clock, 50, 5.0)
    market.wait(seconds=1)
    assert rotator.run().sealed["till_link.sealed"] >= 1
    assert market.link(stall).sealed != before
    name, _ = market.sold(stall)
    market.told()
    order = market.order(name)
    assert order is not None
    assert order.is_settled


def test_who_comes_back_must_be_who_went_once_and_soon(market: Market) -> None:
    shop, seller = open_shop(market.house), market.world.square.add_seller()
    begun = shop.owner.post(TILLS).json()
    back = market.came_back(begun["url"], seller["merchant_id"])
    assert_problem(shop.manager.post(f"{TILLS}/return", back), 409, "till-state-invalid")
    assert shop.owner.post(f"{TILLS}/return", back).json()["state"] == "done"
    assert_problem(shop.owner.post(f"{TILLS}/return", back), 409, "till-state-invalid")
    late = market.came_back(shop.owner.post(TILLS).json()["url"], seller["merchant_id"])
    over = update(TillWay).values(expires_at=market.clock.now())
    market.house.installation.database.run(lambda session: session.execute(over))
    assert_problem(shop.owner.post(f"{TILLS}/return", late), 409, "till-state-invalid")
    cold = market.house.grow_cold(market.house.caller(Role.MERCHANT_OWNER, shop.merchant_id))
    assert_problem(cold.post(TILLS), 403, "step-up-required")
    assert shop.till.post(TILLS).status_code in {401, 403}


def test_a_seller_who_says_no_and_one_of_another_merchant_are_not_linked(market: Market) -> None:
    stall, other = market.stall(), open_shop(market.house)
    said = market.go_and_agree(other.owner, "")
    assert (said.json()["state"], said.json()["trouble"]) == ("failed", "access_denied")
    said = market.go_and_agree(other.owner, stall.merchant)
    assert (said.json()["state"], said.json()["trouble"]) == ("failed", "another-merchants")
    assert [one["account"] for one in tills(market, stall)] == [stall.merchant]
    page = market.house.client.get("/tills/return", params={"error": "access_denied"})
    assert (page.status_code, "not linked" in page.text) == (200, True)


def test_a_code_is_sent_once_whatever_becomes_of_it(market: Market) -> None:
    shop, seller = open_shop(market.house), market.world.square.add_seller()
    calls = market.asked("/oauth2/token")
    market.world.faults.add("answer_lost", provider="square", path="/oauth2/token", times=1)
    said = market.go_and_agree(shop.owner, seller["merchant_id"])
    assert said.json()["state"] == "failed"
    assert market.asked("/oauth2/token") == calls + 1
    assert shop.owner.get(TILLS).json() == {"tills": []}


def test_who_unlinks_is_read_no_more_and_square_is_told(market: Market) -> None:
    stall = market.stall()
    taken = market.taken(stall)
    market.work(61)
    till = f"{TILLS}/{tills(market, stall)[0]['id']}"
    market.sold(stall)
    assert set(market.bring()) == {200}
    market.work(1)
    assert delete(market.house.grow_cold(market.manager(stall)), till) == 403
    assert (delete(market.manager(stall), till), delete(market.manager(stall), till)) == (204, 204)
    reads = market.asked("/v2/")
    market.world.faults.add("status", provider="square", path="/oauth2/revoke", status=503, times=3)
    market.work(1, 1, 5, 60)
    assert stall.merchant not in connected(market)
    assert market.asked("/v2/") == reads
    assert tills(market, stall) == []
    assert market.proof(stall, taken)["reason"] == "link-ended"
    assert audited(market, stall).count("till.unlinked") == 1
    assert (market.link(stall).sealed, market.link(stall).next_at) == (None, None)


def test_who_links_again_before_square_was_told_stays_linked(market: Market) -> None:
    stall = market.stall()
    assert delete(market.manager(stall), f"{TILLS}/{market.link(stall).id}") == 204
    assert market.go_and_agree(market.manager(stall), stall.merchant).json()["state"] == "done"
    market.work()
    assert stall.merchant in connected(market)
    assert [one["state"] for one in tills(market, stall)] == ["active"]


def test_workers_that_renew_one_token_at_once_reach_square_once(market: Market) -> None:
    stall = market.stall()
    before, generation = market.asked("/oauth2/token"), market.link(stall).generation
    market.wait(days=8)
    now = market.clock.now()
    at_once(4, lambda: market.tills.keeping.run(now))
    assert market.asked("/oauth2/token") == before + 1
    link = market.link(stall)
    assert (link.generation, link.tokens_at, link.good_until) == (
        generation + 1,
        now,
        now + timedelta(days=30),
    )


def test_a_token_that_is_refused_is_renewed_and_what_it_was_for_is_read(market: Market) -> None:
    stall = market.stall()
    market.wait(days=31)
    name, _ = market.sold(stall)
    market.told()
    market.work(6, 1)
    found = market.order(name)
    assert found is not None
    assert (found.state, market.link(stall).state) == ("completed", "active")


def test_where_nothing_lets_us_in_any_more_the_link_is_broken_and_linking_again_mends_it(
    market: Market,
) -> None:
    stall = market.stall()
    market.world.square.revoke(stall.merchant)
    market.world.webhooks.take()
    market.wait(hours=2)
    market.work(1, 6, 31)
    assert [(one["state"], one["trouble"]) for one in tills(market, stall)] == [("active", "token-refused")]
    market.work(301, 3_601)
    assert [(one["state"], one["trouble"]) for one in tills(market, stall)] == [("broken", "token-refused")]
    assert audited(market, stall)[-1] == "till.broken"
    calls = len(market.world.requests("square"))
    market.sold(stall)
    market.told()
    assert len(market.world.requests("square")) == calls
    assert market.go_and_agree(market.manager(stall), stall.merchant).json()["state"] == "done"
    market.work()
    assert [(one["state"], one["trouble"]) for one in tills(market, stall)] == [("active", None)]


@pytest.mark.parametrize("page", [1, 100])
def test_what_nobody_told_us_of_is_read_within_the_hour(
    market: Market, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nerava.integrations.square.connection.PAGE", page)
    stall = market.stall()
    market.wait(minutes=10)
    sold = [market.sold(stall) for _ in range(3)]
    market.wait(seconds=1)
    market.world.square.refund(sold[0][1], 500)
    market.wait(seconds=2)
    assert len(market.world.webhooks.take()) > 10
    market.wait(hours=1)
    market.work(1, 1, 1, 1)
    found = [market.order(name) for name, _ in sold]
    assert [one is not None and one.is_settled for one in found] == [True] * 3


def test_a_token_that_does_not_open_is_never_used(market: Market) -> None:
    stall = market.stall()
    damaged = update(TillLink).where(TillLink.account == stall.merchant).values(sealed=b"x" * 80)
    market.house.installation.database.run(lambda session: session.execute(damaged))
    name, _ = market.sold(stall)
    calls = len(market.world.requests("square"))
    market.told()
    assert len(market.world.requests("square")) == calls
    assert [(one["state"], one["trouble"]) for one in tills(market, stall)] == [
        ("broken", "tokens-unreadable")
    ]
    order = market.order(name)
    assert order is not None
    assert order.next_at is None
