"""What payouts keep beside the ledger is audited with it: each check is shown a break, on both databases."""

from __future__ import annotations

from typing import Final

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from nerava.kernel.ids import new_id
from nerava.ledger.audit import audit
from nerava.payouts.checks import CHECKS
from nerava.payouts.ports import BankState
from nerava.payouts.requesting import cancel
from tests.chaos.tampering import drop_every_guard
from tests.payouts.till import Till

PAYOUT: Final = "UPDATE payout SET "
BREAKS: Final = {
    "a payout on its way that clearing does not hold": (
        "clearing-is-payouts-under-way", PAYOUT + "amount_minor = amount_minor + 1 WHERE state = 'submitted'",
    ),
    "a payout on its way for too long": (
        "clearing-is-young", PAYOUT + "overdue_at = submitted_at WHERE state = 'submitted'",
    ),
    "a payout without its hold": ("payouts-are-held", PAYOUT + f"request_key = '{new_id()}' WHERE state = 'paid'"),
    "a payout whose hold was another amount": (
        "payouts-are-held", PAYOUT + "fee_minor = fee_minor + 1 WHERE state = 'requested'",
    ),
    "a payout that was sent on paper only": (
        "payouts-are-held", PAYOUT + "state = 'submitted', submitted_at = requested_at WHERE state = 'requested'",
    ),
    "a payout of somebody else's points": (
        "payouts-are-held", PAYOUT + f"owner_id = '{new_id()}' WHERE state = 'requested'",
    ),
    "a payout that was paid on paper only": (
        "payouts-end-once", PAYOUT + "state = 'paid', paid_at = submitted_at WHERE state = 'submitted'",
    ),
    "a payout that came back on paper only": (
        "payouts-end-once", PAYOUT + "state = 'returned', ended_at = paid_at WHERE state = 'paid'",
    ),
    "a hold that no payout names": (
        "payout-postings-have-payouts", PAYOUT + f"request_key = '{new_id()}' WHERE state = 'canceled'",
    ),
}  # fmt: skip


def busy(till: Till) -> None:
    """Leave a payout in every state that a check looks at."""
    till.approved(till.person())
    till.drive()
    till.bank.pays_at_once = False
    till.approved(till.person())
    till.drive()
    till.ask(till.person())
    canceled = till.ask(till.person())
    till.database.run(
        lambda session: cancel(
            session, till.books.ledger, till.payout(canceled), actor="test", reason="test", now=till.now
        )
    )


@pytest.mark.in_turn
@pytest.mark.parametrize("name", BREAKS)
def test_a_break_is_found_by_the_check_that_looks_for_it(till: Till, name: str) -> None:
    busy(till)
    till.wait(minutes=1)
    till.person()
    check, statement = BREAKS[name]
    drop_every_guard(till.database)
    engine = create_engine(till.database.url)
    try:
        with Session(engine) as session:
            if till.database.is_sqlite:
                session.execute(text("PRAGMA ignore_check_constraints = ON"))
            assert session.connection().exec_driver_sql(statement).rowcount > 0
            found = audit(session, CHECKS)
    finally:
        engine.dispose()
    assert check in {one.check for one in found}
    assert all(one.subject and one.detail for one in found)


def test_every_check_is_shown_a_break() -> None:
    assert {check for check, _ in BREAKS.values()} == {check.name for check in CHECKS}
    assert all(check.promise.endswith(".") for check in CHECKS)


def test_what_was_told_about_a_payout_cannot_be_rewritten(till: Till) -> None:
    busy(till)
    for statement in ("UPDATE payout_evidence SET fact = 'x'", "DELETE FROM payout_evidence"):
        with pytest.raises(DBAPIError, match="history"):
            till.database.run(lambda session, one=statement: session.execute(text(one)))  # type: ignore[misc]


def test_an_old_payout_under_way_is_found_when_books_go_on(till: Till) -> None:
    till.bank.pays_at_once = False
    payout_id = till.approved(till.person())
    till.drive()
    till.wait(days=15)
    assert till.findings() == []
    till.books.sponsor(5)
    assert [one.check for one in till.findings()] == ["clearing-is-young"]  # type: ignore[attr-defined]
    till.bank.bank_says(payout_id, BankState.PAID)
    till.wait(hours=7)
    till.drive()
