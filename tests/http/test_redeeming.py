"""A driver shows a code, a register takes it, points come back where they must."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from nerava.identity.roles import Role
from nerava.kernel.clock import FixedClock
from nerava.kernel.ids import fact_id, new_id
from nerava.ledger.switches import approve_release, ask_release, turn_on
from nerava.ledger.templates.promo_grant import PromoKind, promo_grant
from nerava.merchants.code_text import spell
from nerava.merchants.model import Redemption
from nerava.merchants.totals import redeemed_in
from nerava.platform.idempotency_store import forget
from nerava.settings import RedeemingSettings
from tests.http.conftest import opened_house
from tests.http.flows import fill_promo, work_off
from tests.http.shop import CAPTURE, Shop, code_of, nova_of, open_shop, rich_driver, settle_now, show
from tests.http.test_problems import assert_problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.http.conftest import Caller, House

NOON = datetime(2026, 3, 2, 18, tzinfo=UTC)
"""Noon in Chicago."""


class Clocked:
    """A house whose clock is moved by hand; codes last a minute there."""

    def __init__(self, house: House, clock: FixedClock) -> None:
        self.house = house
        self.clock = clock

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.clock.move_to(self.clock.now() + timedelta(seconds=seconds))


@pytest.fixture
def clocked(url: str, tmp_path: Path) -> Iterator[Clocked]:
    """A fresh house at noon, on both databases."""
    clock = FixedClock(NOON)
    with opened_house(url, tmp_path, clock, redeeming=RedeemingSettings(code_life_s=60)) as house:
        yield Clocked(house, clock)


def withdraw(driver: Caller, redemption_id: str) -> Any:
    """Withdraw a code."""
    return driver.client.delete(f"/v1/redemptions/{redemption_id}", headers=driver.headers())


def void(shop: Shop, redemption_id: str, register_id: str | None = None, key: str | None = None) -> Any:
    """Take a capture back at the register."""
    body = {"register_id": register_id or shop.register_id}
    return shop.till.post(f"/v1/merchant/redemptions/{redemption_id}/void", body, key=key or str(new_id()))


def refund(caller: Caller, redemption_id: str, points: object = None, key: str | None = None) -> Any:
    """Give points back."""
    body = {} if points is None else {"points": points}
    path = f"/v1/merchant/redemptions/{redemption_id}/refunds"
    return caller.post(path, body, key=key or str(new_id()))


def state_of(driver: Caller, redemption_id: str) -> str:
    """Return what became of a code, as its driver sees it."""
    return str(driver.get(f"/v1/redemptions/{redemption_id}").json()["state"])


def test_a_code_holds_its_price_and_the_register_takes_it(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)

    shown = show(driver, shop.offer()).json()

    assert (shown["state"], shown["price_nova"], shown["merchant_name"]) == ("held", 300, "Corner Coffee")
    assert len(shown["code"].replace("-", "")) == 11
    assert nova_of(house, driver) == (1_000, 700)
    taken = shop.capture(shown["code"])
    assert taken.status_code == 200, taken.text
    assert (taken.json()["points"], taken.json()["discount_minor"]) == (300, 300)
    assert nova_of(house, driver) == (700, 700)
    assert shop.points == 300
    told = driver.get(f"/v1/redemptions/{shown['id']}").json()
    assert (told["state"], told["points"], told["code"]) == ("captured", 300, None)
    assert house.findings() == []


def test_the_same_key_gets_the_same_code_which_nobody_stores(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    offer_id = shop.offer()

    first, again = show(driver, offer_id, "k"), show(driver, offer_id, "k")

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert again.headers["idempotency-replayed"] == "true"
    code = first.json()["code"]
    assert driver.get(f"/v1/redemptions/{first.json()['id']}").json()["code"] == code
    for spelling in (code, code.replace("-", "")):
        dump = house.installation.database.read(_everything_stored)
        assert spelling not in dump
    assert driver.get("/v1/idempotency-keys/k").json()["answer"]["code"] is None
    assert_problem(show(driver, shop.offer(title="Another"), "k"), 409, "key-reused-with-other-body")
    assert nova_of(house, driver) == (1_000, 700)


def _everything_stored(session: Any) -> str:
    tables = ("redemption", "idempotency_key", "ledger_transfer", "audit_entry")
    rows = [
        tuple(row) for name in tables for row in session.connection().exec_driver_sql(f"SELECT * FROM {name}")
    ]
    return repr(rows)


def test_a_replay_after_the_answer_was_forgotten_has_one_effect(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    offer_id = shop.offer()
    first = show(driver, offer_id, "k")
    far = house.installation.clock.now() + timedelta(days=40)
    house.installation.database.run(lambda session: forget(session, before=far))

    again = show(driver, offer_id, "k")

    assert (again.json()["id"], again.json()["code"]) == (first.json()["id"], first.json()["code"])
    assert nova_of(house, driver) == (1_000, 700)


@pytest.mark.in_turn
@pytest.mark.parametrize(("bill", "points"), [(1, 1), (299, 299), (300, 300), (301, 300), (10**9, 300)])
def test_never_more_than_the_bill_is_taken_nor_more_than_the_code(
    house: House, bill: int, points: int
) -> None:
    shop, driver = open_shop(house), rich_driver(house)

    taken = shop.capture(code_of(driver, shop.offer()), bill_minor=bill)

    assert (taken.json()["points"], taken.json()["bill_minor"]) == (points, bill)
    assert nova_of(house, driver) == (1_000 - points, 1_000 - points)
    assert house.findings() == []


@pytest.mark.parametrize("bill", [0, -1, 1.5, "300", 10**16, True, [300]])
def test_a_bill_that_is_no_amount_is_refused(sqlite_house: House, bill: object) -> None:
    shop, driver = open_shop(sqlite_house), rich_driver(sqlite_house)
    code = code_of(driver, shop.offer())
    assert_problem(shop.capture(code, bill_minor=bill), 422, "invalid-input")
    assert nova_of(sqlite_house, driver) == (1_000, 700)


def test_a_code_is_good_once_whoever_asks_and_its_own_key_gets_the_first_answer(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    code = code_of(driver, shop.offer())
    first = shop.capture(code, key="k", bill_minor=250)

    again = shop.capture(code, key="k", bill_minor=250)

    assert first.content == again.content
    assert again.headers["idempotency-replayed"] == "true"
    assert_problem(shop.capture(code, key="k", bill_minor=200), 409, "key-reused-with-other-body")
    for register_id in (shop.register_id, shop.register()):
        refused = shop.capture(code, key=f"other-{register_id}", register_id=register_id)
        assert_problem(refused, 409, "code-already-used")
        repeated = shop.capture(code, key=f"other-{register_id}", register_id=register_id)
        assert repeated.content == refused.content
    assert shop.points == 250
    assert house.findings() == []


def test_a_mistyped_code_is_told_apart_and_does_not_count(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    code = code_of(driver, shop.offer()).replace("-", "")
    wrong = code[:-1] + ("0" if code[-1] != "0" else "1")

    for _ in range(25):
        assert_problem(shop.capture(wrong), 422, "code-mistyped")
    assert shop.capture(f" {code[:3].lower()} {code[3:]}").status_code == 200


def test_a_code_of_another_merchant_is_unknown(house: House) -> None:
    shop, other, driver = open_shop(house), open_shop(house, name="Other"), rich_driver(house)
    code = code_of(driver, shop.offer())

    assert_problem(other.capture(code), 404, "unknown-code")
    assert_problem(other.capture(code, register_id=shop.register_id), 404, "unknown-register")
    assert shop.capture(code).status_code == 200


def test_a_closed_register_takes_nothing(clocked: Clocked) -> None:
    house = clocked.house
    shop, driver = open_shop(house), rich_driver(house)
    code = code_of(driver, shop.offer())
    assert shop.owner.post(f"/v1/merchant/registers/{shop.register_id}/close").status_code == 204
    assert shop.owner.post(f"/v1/merchant/registers/{shop.register_id}/close").status_code == 204
    clocked.wait(1)
    assert_problem(shop.capture(code), 404, "unknown-register")
    assert [one["state"] for one in shop.till.get("/v1/merchant/registers").json()["items"]] == ["closed"]


def test_too_few_nova_hold_nothing_and_the_refusal_stands(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house, 299)
    offer_id = shop.offer()

    first = show(driver, offer_id, "k")
    again = show(driver, offer_id, "k")

    assert_problem(first, 409, "insufficient-nova")
    assert first.headers.get("idempotency-replayed") is None
    assert again.content == first.content
    assert first.json()["request_id"] == first.headers["x-request-id"] != again.headers["x-request-id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert nova_of(house, driver) == (299, 299)
    assert driver.get("/v1/redemptions").json()["items"] == []


def test_a_driver_has_one_open_code_for_a_merchant(house: House) -> None:
    shop, other, driver = open_shop(house), open_shop(house, name="Other"), rich_driver(house)
    offer_id = shop.offer()
    first = show(driver, offer_id).json()

    assert_problem(show(driver, offer_id), 409, "code-already-shown")
    assert show(driver, other.offer()).status_code == 201
    assert withdraw(driver, first["id"]).status_code == 204
    assert show(driver, offer_id).status_code == 201
    assert nova_of(house, driver) == (1_000, 400)
    assert house.findings() == []


def test_a_withdrawn_code_is_worth_nothing_and_withdrawing_repeats_safely(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    shown = show(driver, shop.offer()).json()

    assert [withdraw(driver, shown["id"]).status_code for _ in range(2)] == [204, 204]
    assert nova_of(house, driver) == (1_000, 1_000)
    assert state_of(driver, shown["id"]) == "released"
    assert_problem(shop.capture(shown["code"]), 410, "code-withdrawn")
    assert_problem(withdraw(driver, str(new_id())), 404, "unknown-redemption")
    assert house.findings() == []


def test_what_was_taken_cannot_be_withdrawn(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    shown = show(driver, shop.offer()).json()
    assert shop.capture(shown["code"]).status_code == 200

    assert_problem(withdraw(driver, shown["id"]), 409, "code-already-used")
    assert nova_of(house, driver) == (700, 700)


def test_a_code_that_ran_out_is_refused_and_its_nova_come_back(clocked: Clocked) -> None:
    house = clocked.house
    shop, driver = open_shop(house), rich_driver(house)
    shown = show(driver, shop.offer()).json()
    clocked.wait(61)

    late = shop.capture(shown["code"], key="late")
    assert_problem(late, 410, "code-expired")
    assert driver.get(f"/v1/redemptions/{shown['id']}").json()["code"] is None
    work_off(house)

    assert nova_of(house, driver) == (1_000, 1_000)
    assert state_of(driver, shown["id"]) == "expired"
    assert shop.capture(shown["code"], key="late").content == late.content
    assert_problem(shop.capture(shown["code"]), 410, "code-expired")
    assert withdraw(driver, shown["id"]).status_code == 204
    work_off(house)
    assert house.findings() == []


def test_the_next_code_does_not_wait_for_the_job_that_ends_the_last_one(clocked: Clocked) -> None:
    house = clocked.house
    shop, driver = open_shop(house), rich_driver(house, 300)
    offer_id = shop.offer()
    first = show(driver, offer_id).json()
    clocked.wait(61)
    assert_problem(show(driver, offer_id), 409, "insufficient-nova")
    house.books.must(_gift(house, driver, 300))

    second = show(driver, offer_id)

    assert second.status_code == 201, second.text
    assert state_of(driver, first["id"]) == "expired"
    assert house.findings() == []


def _gift(house: House, driver: Caller, points: int) -> Any:
    fill_promo(house, points)
    return promo_grant(
        kind=PromoKind.GOODWILL, reference_id=new_id(), driver_id=driver.tenant_id, points=points
    )


def test_an_order_of_the_point_of_sale_takes_one_code(house: House) -> None:
    shop, one, other = open_shop(house), rich_driver(house), rich_driver(house)
    offer_id = shop.offer()
    first, second = code_of(one, offer_id), code_of(other, offer_id)
    taken = shop.capture(first, pos_order_id="A-17").json()

    refused = shop.capture(second, pos_order_id="A-17")

    assert_problem(refused, 409, "pos-order-taken")
    assert "A-17" in refused.json()["detail"]
    assert nova_of(house, other) == (1_000, 700)
    assert void(shop, taken["redemption_id"]).status_code == 200
    assert shop.capture(second, pos_order_id="A-17").status_code == 200
    elsewhere = open_shop(house, name="Other")
    assert elsewhere.capture(code_of(one, elsewhere.offer()), pos_order_id="A-17").status_code == 200
    assert house.findings() == []


def test_the_register_takes_a_capture_back_within_a_minute(clocked: Clocked) -> None:
    house = clocked.house
    shop, driver = open_shop(house), rich_driver(house)
    offer_id = shop.offer()
    taken = shop.capture(code_of(driver, offer_id), bill_minor=200).json()["redemption_id"]
    assert_problem(void(shop, taken, shop.register()), 404, "unknown-redemption")
    clocked.wait(60)

    given = void(shop, taken, key="v")

    assert (given.json()["points"], given.json()["left"], given.json()["state"]) == (200, 0, "voided")
    assert void(shop, taken, key="v").content == given.content
    assert_problem(void(shop, taken), 409, "not-refundable")
    assert nova_of(house, driver) == (1_000, 1_000)
    late = shop.capture(code_of(driver, offer_id)).json()["redemption_id"]
    clocked.wait(61)
    assert_problem(void(shop, late), 409, "too-late-to-void")
    assert house.findings() == []


def test_a_manager_gives_back_in_parts_and_never_more_than_was_taken(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    taken = shop.capture(code_of(driver, shop.offer())).json()["redemption_id"]

    part = refund(shop.manager, taken, 100, key="r").json()

    assert (part["points"], part["left"], part["state"]) == (100, 200, "partly_refunded")
    assert refund(shop.manager, taken, 100, key="r").json() == part
    assert_problem(refund(shop.manager, taken, 201), 409, "refund-above-captured")
    assert_problem(void(shop, taken), 409, "not-refundable")
    for wrong in (0, -1, 1.5, "100"):
        assert_problem(refund(shop.manager, taken, wrong), 422, "invalid-input")
    assert refund(shop.owner, taken).json()["points"] == 200
    assert_problem(refund(shop.owner, taken), 409, "not-refundable")
    assert nova_of(house, driver) == (1_000, 1_000)
    detail = shop.manager.get(f"/v1/merchant/redemptions/{taken}").json()
    assert detail["state"] == "refunded"
    assert [one["points"] for one in detail["refunds"]] == [100, 200]
    assert "driver_id" not in detail
    assert house.findings() == []


def test_what_is_above_a_managers_limit_is_the_owners_to_give_back(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house, 20_000)
    taken = shop.capture(code_of(driver, shop.offer(price_nova=15_000))).json()["redemption_id"]

    assert_problem(refund(shop.manager, taken, 10_001), 403, "refund-not-yours")
    assert refund(shop.manager, taken, 1_000).status_code == 200
    assert refund(shop.owner, taken).json()["points"] == 14_000
    assert house.findings() == []


def test_after_the_settlement_there_is_nothing_left_to_give_back(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    taken = shop.capture(code_of(driver, shop.offer())).json()["redemption_id"]
    settle_now(house)
    assert shop.points == 0

    assert_problem(refund(shop.owner, taken, 1), 409, "already-settled")
    assert_problem(void(shop, taken), 409, "already-settled")
    assert house.findings() == []


def test_wrong_codes_lock_the_register_then_the_merchant_and_right_ones_are_no_exception(
    clocked: Clocked,
) -> None:
    house = clocked.house
    shop, driver = open_shop(house), rich_driver(house)
    registers = [shop.register_id, *(shop.register() for _ in range(4))]
    code = code_of(driver, shop.offer())
    guesses = iter(_codes_of_nobody())
    for register_id in registers[:4]:
        for _ in range(5):
            assert_problem(shop.capture(next(guesses), register_id=register_id), 404, "unknown-code")
        for text in (next(guesses), code):
            assert_problem(shop.capture(text, register_id=register_id), 429, "rate-limited")
    # Twenty an hour and merchant: a register that never guessed is locked as well.
    for text in (code, next(guesses)):
        assert_problem(shop.capture(text, register_id=registers[4]), 429, "rate-limited")
    assert nova_of(house, driver) == (1_000, 700)
    assert open_shop(house, name="Other").capture(next(guesses)).status_code == 404
    assert house.findings() == []


def _codes_of_nobody() -> Iterator[str]:
    number = 7
    while True:
        number = number * 6_364_136_223_846_793_005 % 2**50
        yield spell(number)


def test_lists_are_paged_and_scoped(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    other = open_shop(house, name="Other")
    offer_id = shop.offer(price_nova=10)
    taken = [shop.capture(code_of(driver, offer_id)).json()["redemption_id"] for _ in range(3)]

    for caller, path in (
        (driver, "/v1/redemptions"),
        (shop.manager, "/v1/merchant/redemptions"),
        (shop.till, f"/v1/merchant/registers/{shop.register_id}/redemptions"),
    ):
        first = caller.get(path, params={"limit": 2}).json()
        rest = caller.get(path, params={"limit": 2, "cursor": first["next_cursor"]}).json()
        assert [one["id"] for one in first["items"] + rest["items"]] == taken[::-1]
        assert rest["next_cursor"] is None
        assert_problem(caller.get(path, params={"cursor": "WyJ4Il0"}), 422, "invalid-input")
    assert other.owner.get("/v1/merchant/redemptions").json()["items"] == []
    shown = show(driver, offer_id).json()
    path = f"/v1/merchant/redemptions/{shown['id']}"
    assert_problem(shop.manager.get(path), 404, "unknown-redemption")


def test_what_the_register_took_yesterday_is_not_todays(clocked: Clocked) -> None:
    house = clocked.house
    shop, driver = open_shop(house), rich_driver(house)
    assert shop.capture(code_of(driver, shop.offer())).status_code == 200
    path = f"/v1/merchant/registers/{shop.register_id}/redemptions"
    assert len(shop.till.get(path).json()["items"]) == 1

    clocked.clock.move_to(NOON + timedelta(hours=12))  # Midnight in Chicago.
    tomorrow = house.caller(Role.MERCHANT_REGISTER, shop.merchant_id)
    assert tomorrow.get(path).json()["items"] == []


def test_a_period_counts_captures_and_refunds_when_they_happen(clocked: Clocked) -> None:
    house = clocked.house
    shop, driver = open_shop(house), rich_driver(house)
    offer_id = shop.offer()
    first = shop.capture(code_of(driver, offer_id)).json()["redemption_id"]
    clocked.wait(30)
    assert shop.capture(code_of(driver, offer_id), bill_minor=50).status_code == 200
    clocked.wait(30)
    assert refund(shop.owner, first, 100).status_code == 200

    def totals(since: int, until: int) -> tuple[int, int, int]:
        span = (NOON + timedelta(seconds=since), NOON + timedelta(seconds=until))
        found = house.installation.database.read(
            lambda session: redeemed_in(session, shop.merchant_id, *span)
        )
        return found.captured, found.refunded, found.points

    assert totals(0, 61) == (350, 100, 250)
    assert totals(0, 30) == (300, 0, 300)
    assert totals(30, 60) == (50, 0, 50)
    assert totals(60, 3_600) == (0, 100, -100)
    assert shop.points == 250


def test_a_hold_that_a_kill_switch_stops_waits_and_ends_later(clocked: Clocked) -> None:
    house = clocked.house
    shop, driver = open_shop(house), rich_driver(house)
    shown = show(driver, shop.offer()).json()
    name, database = f"merchant:{shop.merchant_id}", house.installation.database
    database.run(lambda session: turn_on(session, name, by="a", reason="r", now=NOON))
    assert_problem(shop.capture(shown["code"]), 503, "switched-off")
    assert_problem(withdraw(driver, shown["id"]), 503, "switched-off")
    clocked.wait(61)
    work_off(house)
    assert nova_of(house, driver) == (1_000, 700)

    asked = database.run(lambda session: ask_release(session, name, by="a", reason="r", now=NOON))
    database.run(lambda session: approve_release(session, asked.id, by="b", now=NOON))
    clocked.wait(61)
    work_off(house)
    assert nova_of(house, driver) == (1_000, 1_000)
    assert house.findings() == []


def test_the_database_refuses_a_row_that_cannot_be(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    shown = show(driver, shop.offer()).json()
    mine = Redemption.id == shown["id"]
    for wrong in ({"state": "captured"}, {"points": 5}, {"price_nova": 0}, {"state": "expired"}):
        with pytest.raises(Exception, match=r"(?i)check"):
            house.installation.database.run(
                lambda session, values=wrong: session.execute(update(Redemption).where(mine).values(**values))  # type: ignore[misc]
            )
    stored = house.installation.database.read(
        lambda session: session.execute(select(Redemption.hold_key).where(mine)).scalar_one()
    )
    assert stored == fact_id(f"redemption:{shown['id']}")
    assert CAPTURE.endswith("capture")
