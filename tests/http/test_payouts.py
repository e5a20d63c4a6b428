"""Cash-outs over HTTP: held, let go by two people, sent, told about; and everything that is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from sqlalchemy import delete, update

from nerava.identity.roles import Role
from nerava.identity.session_store import AuthSession
from nerava.identity.user_store import UserContact
from nerava.installation import payouts_of
from nerava.kernel.ids import new_id
from nerava.ledger.chart import driver_nova, merchant_payable
from nerava.payouts.model import Payout, PayoutMethod
from nerava.payouts.ports import BankState
from nerava.privacy.erasing import held_by
from nerava.privacy.model import Erasure
from tests.helpers.parallel import in_parallel
from tests.http.flows import bank_of, cash_out, let_go, payee, work_off
from tests.http.test_problems import assert_problem

if TYPE_CHECKING:
    from tests.http.conftest import Caller, House


def age(house: House, method_id: str, days: int = 5) -> None:
    """Let a method have been there for some days."""
    earlier = house.installation.clock.now() - timedelta(days=days)
    old = update(PayoutMethod).where(PayoutMethod.id == UUID(method_id))
    house.installation.database.run(
        lambda session: session.execute(old.values(created_at=earlier, ready_at=earlier))
    )


def held(house: House, owner: Caller) -> int:
    """Return how many Nova of a driver are set aside."""
    return house.books.balance(driver_nova(owner.tenant_id)).debits_pending


def test_a_driver_asks_what_it_costs_cashes_out_and_is_paid(house: House) -> None:
    owner, method_id = payee(house, 5_000)
    quote = owner.get("/v1/payout-quote", params={"amount_minor": 1_000}).json()
    assert (quote["fee_minor"], quote["total_nova"], quote["is_possible"]) == (25, 1_025, True)

    asked = cash_out(owner, method_id, 1_000, key="one")
    assert (asked.status_code, asked.json()["state"]) == (202, "requested")
    assert cash_out(owner, method_id, 1_000, key="one").content == asked.content
    assert held(house, owner) == 1_025
    payout_id = asked.json()["id"]
    assert owner.get("/v1/payouts").json()["items"] == [asked.json()]

    let_go(house, payout_id)
    work_off(house, everything=True)

    shown = owner.get(f"/v1/payouts/{payout_id}").json()
    assert (shown["state"], shown["reason"]) == ("paid", None)
    assert owner.get("/v1/wallet").json()["posted"] == 5_000 - 1_025
    assert owner.get("/v1/payout-quote", params={"amount_minor": 100}).json()["week_minor"] == 99_000
    finance = house.caller(Role.OPS_SUPPORT)
    file = finance.get(f"/v1/ops/payouts/{payout_id}").json()
    assert [one["fact"] for one in file["evidence"]] == ["transfer", "bank_payout"]
    assert house.findings() == []


def test_sixty_four_cash_outs_of_one_balance_are_as_many_as_it_affords(house: House) -> None:
    owner, method_id = payee(house, 2_500)

    answers = in_parallel(64, lambda index: cash_out(owner, method_id, 1_000, key=f"k{index}"))

    codes = [answer.status_code for answer in answers]
    assert codes.count(202) == 2
    assert {answer.json()["code"] for answer in answers if answer.status_code != 202} <= {
        "not-enough-for-payout",
        "rate-limited",
    }
    assert held(house, owner) == 2_050
    assert house.findings() == []


def test_sixty_four_cash_outs_of_a_rich_driver_are_three_a_day(house: House) -> None:
    owner, method_id = payee(house, 50_000)

    answers = in_parallel(64, lambda index: cash_out(owner, method_id, 100, key=f"k{index}"))

    assert [answer.status_code for answer in answers].count(202) == 3
    refused = [answer for answer in answers if answer.status_code != 202]
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(429, "rate-limited")}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
    assert held(house, owner) == 375
    assert house.findings() == []


def test_a_cash_out_and_a_cancellation_and_an_approval_at_once_come_to_one_truth(house: House) -> None:
    owner, method_id = payee(house, 5_000)
    payout_id = cash_out(owner, method_id).json()["id"]
    body = {"payout_ids": [payout_id]}
    batch = house.caller(Role.OPS_FINANCE).post("/v1/ops/payout-batches", body, key="b").json()["id"]
    checker = house.caller(Role.OPS_FINANCE)
    driving = payouts_of(house.installation).driving

    def act(index: int) -> int:
        match index % 3:
            case 0:
                return int(owner.post(f"/v1/payouts/{payout_id}/cancel", key=f"c{index}").status_code)
            case 1:
                path = f"/v1/ops/payout-batches/{batch}/approve"
                return int(checker.post(path, key=f"a{index}").status_code)
            case _:
                driving.run(house.installation.clock.now())
                return 200

    codes = in_parallel(24, act)
    work_off(house, everything=True)

    assert max(codes) < 500
    state = owner.get(f"/v1/payouts/{payout_id}").json()["state"]
    sent = bank_of(house).effective(UUID(payout_id))
    assert (state, len(sent)) in {("canceled", 0), ("paid", 1)}
    assert held(house, owner) == 0
    assert house.findings() == []


@pytest.mark.parametrize(
    "change",
    [{"amount_minor": value} for value in (99, 0, -1_000, 100.5, "1000", 100_001, 10**30, None, True)]
    + [{"fee_minor": -1}, {"state": "paid"}, {"driver_id": "x"}],
)
def test_amounts_that_cannot_be_are_refused(sqlite_house: House, change: dict[str, object]) -> None:
    owner, method_id = payee(sqlite_house)
    body = {"method_id": method_id, "amount_minor": 1_000, "fee_minor": 25} | change
    assert_problem(owner.post("/v1/payouts", body, key="k"), 422, "invalid-input")
    assert held(sqlite_house, owner) == 0


def test_without_a_key_nothing_moves(sqlite_house: House) -> None:
    owner, method_id = payee(sqlite_house)
    body = {"method_id": method_id, "amount_minor": 1_000, "fee_minor": 25}
    assert_problem(owner.post("/v1/payouts", body), 400, "idempotency-key-missing")


def test_the_rules_of_a_cash_out(house: House) -> None:
    owner, method_id = payee(house, 300_000)
    body = {"method_id": method_id, "amount_minor": 1_000, "fee_minor": 24}
    assert_problem(owner.post("/v1/payouts", body, key="fee"), 409, "payout-fee-changed")
    assert_problem(cash_out(house.user(), method_id), 404, "unknown-payout-method")
    poor, poor_method = payee(house, 1_000)
    assert_problem(cash_out(poor, poor_method, 1_000), 409, "not-enough-for-payout")

    assert cash_out(owner, method_id, 60_000).status_code == 202
    assert_problem(cash_out(owner, method_id, 40_001), 409, "payout-week-limit")
    assert cash_out(owner, method_id, 40_000).status_code == 202

    forget = delete(UserContact).where(UserContact.user_id == owner.subject)
    house.installation.database.run(lambda session: session.execute(forget))
    assert_problem(cash_out(owner, method_id, 100), 403, "contact-needed")
    assert house.findings() == []


def test_a_young_method_needs_a_factor_shown_lately_and_an_old_one_does_not(house: House) -> None:
    owner, method_id = payee(house)
    house.grow_cold(owner)
    answer = cash_out(owner, method_id)
    assert_problem(answer, 403, "step-up-required")
    assert answer.json()["step_up"] == "strong"
    age(house, method_id)
    assert cash_out(owner, method_id).status_code == 202

    never = update(AuthSession).where(AuthSession.user_id == owner.subject).values(strong_at=None)
    house.installation.database.run(lambda session: session.execute(never))
    assert_problem(cash_out(owner, method_id), 403, "step-up-required")


def test_another_bank_is_held_for_three_days_and_reviewed(house: House) -> None:
    owner, first = payee(house)
    age(house, first)
    opened = owner.post("/v1/payout-methods").json()
    bank_of(house).may_pay(opened["url"].split("/")[3], yes=True, last4="1111")
    methods = payouts_of(house.installation).methods
    methods.look(house.installation.clock.now() + timedelta(minutes=1))

    asked = cash_out(owner, opened["method"]["id"]).json()
    assert asked["hold_until"] is not None
    finance = house.caller(Role.OPS_FINANCE)
    body = {"payout_ids": [asked["id"]]}
    assert [one["id"] for one in finance.get("/v1/ops/payouts?show=flagged").json()["items"]] == [asked["id"]]
    assert_problem(finance.post("/v1/ops/payout-batches", body, key="a"), 409, "payout-review-needed")
    reviewed = finance.post(f"/v1/ops/payouts/{asked['id']}/review", {"reason": "called back"}, key="r")
    assert reviewed.json()["flags"] == ["method-changed"]
    assert_problem(finance.post("/v1/ops/payout-batches", body, key="b"), 409, "payout-on-hold")
    over = update(Payout).values(hold_until=house.installation.clock.now())
    house.installation.database.run(lambda session: session.execute(over))
    maker = house.caller(Role.OPS_FINANCE)
    batch = maker.post("/v1/ops/payout-batches", body, key="c").json()["id"]
    path = f"/v1/ops/payout-batches/{batch}/approve"
    assert_problem(maker.post(path, key="d"), 403, "self-approval")
    assert_problem(finance.post(path, key="e"), 403, "self-approval")
    assert house.caller(Role.OPS_FINANCE).post(path, key="f").status_code == 200
    work_off(house, everything=True)
    assert owner.get(f"/v1/payouts/{asked['id']}").json()["state"] == "paid"
    assert house.findings() == []


def test_nobody_lets_a_payout_of_their_own_go(house: House) -> None:
    owner, method_id = payee(house)
    payout_id = cash_out(owner, method_id).json()["id"]
    body = {"payout_ids": [payout_id]}
    batch = house.caller(Role.OPS_FINANCE).post("/v1/ops/payout-batches", body, key="a").json()["id"]
    same = house.caller(Role.OPS_FINANCE, subject=owner.subject)

    assert_problem(same.post(f"/v1/ops/payout-batches/{batch}/approve", key="b"), 403, "own-account")
    assert owner.get(f"/v1/payouts/{payout_id}").json()["state"] == "requested"


def test_a_rejected_and_a_canceled_payout_give_back_what_was_held(house: House) -> None:
    owner, method_id = payee(house, 3_000)
    first, second = (cash_out(owner, method_id, 1_000).json()["id"] for _ in range(2))
    assert held(house, owner) == 2_050

    assert owner.post(f"/v1/payouts/{first}/cancel", key="a").json()["state"] == "canceled"
    finance = house.caller(Role.OPS_FINANCE)
    rejected = finance.post(f"/v1/ops/payouts/{second}/reject", {"reason": "odd"}, key="b").json()
    assert (rejected["state"], rejected["reason"]) == ("canceled", "rejected")
    assert held(house, owner) == 0
    assert_problem(owner.post(f"/v1/payouts/{first}/cancel", key="c"), 409, "wrong-payout-state")
    assert house.findings() == []


def test_a_method_with_an_open_payout_stays_and_a_removed_one_pays_nothing(house: House) -> None:
    owner, method_id = payee(house)
    payout_id = cash_out(owner, method_id).json()["id"]
    path = f"/v1/payout-methods/{method_id}"
    assert_problem(owner.client.delete(path, headers=owner.headers()), 409, "payout-method-in-use")
    owner.post(f"/v1/payouts/{payout_id}/cancel", key="a")
    assert owner.client.delete(path, headers=owner.headers()).status_code == 204
    assert owner.get("/v1/payout-methods").json() == {"methods": []}
    assert_problem(cash_out(owner, method_id), 404, "unknown-payout-method")


def test_asking_twice_for_a_method_opens_one_account(house: House) -> None:
    owner = house.user()
    answers = in_parallel(8, lambda _: owner.post("/v1/payout-methods"))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["method"]["id"] for answer in answers}) == 1
    assert len({answer.json()["url"] for answer in answers}) == 8
    assert len(bank_of(house).recipients) == 1


def test_a_provider_that_does_not_answer_is_asked_again_for_the_same_account(house: House) -> None:
    owner = house.user()
    bank_of(house).script("make_recipient", "lost-after")
    assert_problem(owner.post("/v1/payout-methods"), 503, "provider-unsure")
    assert owner.post("/v1/payout-methods").status_code == 201
    assert len(bank_of(house).recipients) == 1


def test_a_merchant_says_where_it_is_paid_and_managers_do_not(house: House) -> None:
    owner, method_id = payee(house, role=Role.MERCHANT_OWNER)
    (method,) = owner.get("/v1/payout-methods").json()["methods"]
    assert (method["id"], method["state"], method["last4"]) == (method_id, "ready", "4242")
    manager = house.caller(Role.MERCHANT_MANAGER, owner.tenant_id)
    assert_problem(manager.get("/v1/payout-methods"), 403, "role-not-allowed")
    house.books.open(merchant_payable(owner.tenant_id))
    assert owner.get("/v1/payouts").json()["items"] == []


def test_a_bank_that_sends_it_back_is_told_to_the_driver(house: House) -> None:
    owner, method_id = payee(house, 5_000)
    bank = bank_of(house)
    bank.pays_at_once = False
    payout_id = cash_out(owner, method_id).json()["id"]
    let_go(house, payout_id)
    work_off(house, everything=True)
    bank.bank_says(UUID(payout_id), BankState.FAILED, "account_closed")
    hurry = house.caller(Role.OPS_FINANCE).post(f"/v1/ops/payouts/{payout_id}/retry", key="a")
    assert hurry.json()["state"] == "submitted"
    work_off(house, everything=True)

    shown = owner.get(f"/v1/payouts/{payout_id}").json()
    assert (shown["state"], shown["reason"]) == ("failed", "account_closed")
    assert owner.get("/v1/wallet").json()["available"] == 5_000
    assert house.findings() == []


def test_whoever_is_being_paid_is_not_erased_yet(house: House) -> None:
    owner, method_id = payee(house, 1_025)
    payout_id = cash_out(owner, method_id).json()["id"]
    let_go(house, payout_id)
    bank_of(house).script("send", "lost-after")
    payouts_of(house.installation).driving.run(house.installation.clock.now())

    now = house.installation.clock.now()
    wish = Erasure(id=new_id(), user_id=owner.subject, forfeit_at=now)
    vault, database = house.installation.vault, house.installation.database
    assert database.read(lambda session: held_by(session, vault, wish, now)) == "payouts-open"
