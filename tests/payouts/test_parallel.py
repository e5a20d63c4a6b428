"""Cash-outs against each other, against codes at the register, and workers against workers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import fact_id, new_id
from nerava.ledger.chart import driver_nova, merchant_nova
from nerava.ledger.templates.redemption import redemption_show
from nerava.payouts.model import PayoutMethod
from nerava.payouts.requesting import usable_method
from nerava.payouts.states import OwnerKind
from tests.helpers.parallel import in_parallel
from tests.payouts.till import FEE, Till

POINTS = 3_000


def test_sixty_four_cash_outs_hold_what_the_balance_affords(till: Till) -> None:
    person = till.person(POINTS)

    def ask(_: int) -> str:
        try:
            till.ask(person, 1_400)
        except NeravaError as refusal:
            return refusal.code
        return "held"

    told = in_parallel(64, ask)

    assert told.count("held") == 2
    assert set(told) == {"held", "not-enough-for-payout"}
    assert till.money(person)[:2] == (POINTS, 2 * (1_400 + FEE))


def test_a_cash_out_and_codes_at_the_register_never_hold_more_than_there_is(till: Till) -> None:
    person, merchant_id = till.person(POINTS), new_id()
    till.books.open(merchant_nova(merchant_id))

    def hold(index: int) -> str:
        if index % 2:
            shown = redemption_show(
                redemption_id=fact_id(f"code:{index}"),
                driver_id=person.driver_id,
                merchant_id=merchant_id,
                price=700,
                expires_at=till.now + timedelta(minutes=10),
            )
            return "code" if till.books.ledger.submit(shown).ok else "refused"
        try:
            till.ask(person, 1_400)
        except NeravaError as refusal:
            return refusal.code
        return "cash-out"

    told = in_parallel(64, hold)

    held = told.count("code") * 700 + told.count("cash-out") * (1_400 + FEE)
    assert till.books.balance(driver_nova(person.driver_id)).debits_pending == held
    assert POINTS - 1_400 - FEE < held <= POINTS
    assert set(told) <= {"code", "cash-out", "refused", "not-enough-for-payout"}


def test_eight_workers_send_each_of_twenty_payouts_once(till: Till) -> None:
    payouts = [till.ask(till.person()) for _ in range(20)]
    till.approve(*payouts)

    in_parallel(8, lambda _: till.drive())

    assert {till.state(one) for one in payouts} == {"paid"}
    assert [len(till.bank.effective(one)) for one in payouts] == [1] * 20
    assert len(till.bank.transfers) == 20


def test_a_worker_that_slept_through_its_lease_sends_nothing(till: Till) -> None:
    payout_id = till.approved(till.person())
    till.bank.script("send", "lost-before")
    till.drive()
    till.wait(minutes=1)
    before = len(till.bank.asked)
    read = till.bank.sent_for

    def sleeping(*args: object, **named: object) -> object:
        listed = read(*args, **named)  # type: ignore[arg-type]
        till.wait(minutes=2)
        till.bank.sent_for = read  # type: ignore[method-assign]
        till.restarted()
        till.drive()
        return listed

    till.bank.sent_for = sleeping  # type: ignore[assignment,method-assign]
    till.drive()

    assert till.state(payout_id) == "paid"
    assert [one.operation for one in till.bank.asked[before:]] == ["send", "pay_out"]


def test_sixty_four_cash_outs_at_once_stay_within_the_week(till: Till) -> None:
    person = till.person(300_000)
    methods = [person.method_id, till.method(OwnerKind.DRIVER, person.driver_id)[0]]

    def ask(index: int) -> str:
        try:
            till.ask(person, 40_000, method_id=methods[index % 2])
        except NeravaError as refusal:
            return refusal.code
        return "held"

    told = in_parallel(64, ask)

    assert (told.count("held"), set(told)) == (2, {"held", "payout-week-limit"})


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_method_that_is_locked_can_still_be_named_by_a_new_row_and_by_nobody_be_changed(till: Till) -> None:
    person, database = till.person(POINTS), till.database
    row = select(PayoutMethod.id).where(PayoutMethod.id == person.method_id)

    def hold(session: Session) -> None:
        usable_method(session, OwnerKind.DRIVER, person.driver_id, person.method_id)
        # What a foreign key takes when a row is inserted. Waiting here is how two orders of locks meet.
        named = row.with_for_update(read=True, key_share=True, nowait=True)
        assert database.run(lambda other: other.scalar(named)) == person.method_id
        changed = row.with_for_update(key_share=True, skip_locked=True)
        assert database.run(lambda other: other.scalar(changed)) is None

    database.run(hold)
