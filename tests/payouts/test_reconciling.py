"""R18: seven ways in which two books can differ, each found once, and none corrected by itself."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from nerava.kernel.ids import new_id
from nerava.payouts.books import Period
from nerava.payouts.errors import ProviderUnsure
from nerava.payouts.model import ReconciliationRun
from nerava.payouts.ports import Movement, Sent
from nerava.payouts.reconciling import COLUMNS, csv_of
from tests.payouts.till import Till


def compared(till: Till, name: str = "asked") -> ReconciliationRun:
    """Compare the last day and return what was found."""
    period = Period(name, till.now - timedelta(days=1), till.now + timedelta(seconds=1))
    run = till.payouts.reconciling.compare(period)
    assert run is not None
    return run


def paid(till: Till) -> UUID:
    """Return a payout that was paid."""
    payout_id = till.approved(till.person())
    till.drive()
    return payout_id


def missing(till: Till, payout_id: UUID) -> None:
    till.bank.book.clear()


def extra(till: Till, payout_id: UUID) -> None:
    till.bank.book.append(replace(till.bank.book[0], id="txn_x", source="tr_x", group=str(new_id())))


def amount(till: Till, payout_id: UUID) -> None:
    till.bank.book[0] = replace(till.bank.book[0], amount_minor=-999)


def currency(till: Till, payout_id: UUID) -> None:
    till.bank.book[0] = replace(till.bank.book[0], currency="EUR")


def duplicate(till: Till, payout_id: UUID) -> None:
    till.bank.book.append(replace(till.bank.book[0], id="txn_x", source="tr_x"))


def late_reversal(till: Till, payout_id: UUID) -> None:
    first = till.bank.book[0]
    till.bank.book.append(replace(first, id="txn_x", kind="transfer_reversal", amount_minor=1_000))


def wrong_account(till: Till, payout_id: UUID) -> None:
    ((name, (group, sent)),) = till.bank.transfers.items()
    till.bank.transfers[name] = (group, replace(sent, account="acct_other"))


DRIFTS = (missing, extra, amount, currency, duplicate, late_reversal, wrong_account)


@pytest.mark.parametrize("drift", DRIFTS, ids=lambda one: one.__name__)
def test_each_drift_opens_one_case_and_moves_nothing(till: Till, drift: object) -> None:
    payout_id = paid(till)
    till.wait(hours=3)
    assert callable(drift)
    drift(till, payout_id)
    name = drift.__name__
    before = till.payout(payout_id), till.books.posted("payout:clearing", "external:stripe", "nova:reserve")

    run = compared(till)
    again = compared(till, "asked again")

    assert {verdict for verdict, count in run.counts.items() if count and verdict != "matched"} == {name}
    assert again.counts == run.counts
    assert till.cases() == [name]
    after = till.payout(payout_id), till.books.posted("payout:clearing", "external:stripe", "nova:reserve")
    assert (after[0].state, after[0].version, after[1]) == (before[0].state, before[0].version, before[1])


def test_books_that_agree_match_line_by_line(till: Till) -> None:
    for _ in range(3):
        paid(till)
    failed = till.approved(till.person())
    till.bank.script("pay_out", "no_account")
    till.drive()
    assert till.state(failed) == "failed"
    till.bank.book.append(Movement("txn_c", "fee", "ch_1", None, 5_000, 59, "USD", int(till.now.timestamp())))
    till.wait(hours=3)

    run = compared(till)

    assert run.counts == {
        "matched": 5, "missing": 0, "extra": 0, "amount": 0, "currency": 0, "duplicate": 0, "late_reversal": 0,
        "wrong_account": 0,
    }  # fmt: skip
    assert till.cases() == []
    rows = list(csv.DictReader(io.StringIO(csv_of(run))))
    assert len(rows) == 5
    assert tuple(rows[0]) == COLUMNS
    assert {row["verdict"] for row in rows} == {"matched"}


def test_a_transfer_of_which_nobody_knew_the_end_is_read_at_once(till: Till) -> None:
    payout_id = till.approved(till.person())
    till.bank.script("send", "lost-after")
    till.drive()
    till.wait(hours=9)
    till.bank.reading_fails = 1
    till.drive()
    till.wait(minutes=1)
    assert till.drive() == 0
    assert compared(till).counts["matched"] == 1
    till.drive()
    assert till.state(payout_id) == "paid"


def test_every_hour_and_every_night_is_compared_once_and_missed_ones_are_made_up_for(till: Till) -> None:
    reconciling = till.payouts.reconciling

    def work_off() -> int:
        done = 0
        while reconciling.run(till.now):
            done += 1
        return done

    assert work_off() == 2
    assert work_off() == 0
    till.wait(hours=5)
    assert work_off() == 5
    till.wait(days=9)
    assert work_off() == 48 + 1

    periods = till.database.read(lambda session: list(session.scalars(select(ReconciliationRun.period))))
    assert len(periods) == len(set(periods)) == 56


def test_a_book_that_cannot_be_read_to_its_end_is_compared_later(till: Till) -> None:
    till.bank.reading_fails = 1
    with pytest.raises(ProviderUnsure):
        till.payouts.reconciling.run(till.now)
    assert till.payouts.reconciling.run(till.now) == 1


def test_a_transfer_by_hand_for_a_payout_that_is_over_is_extra(till: Till) -> None:
    person = till.person()
    payout_id = till.approved(person)
    till.bank.script("send", "account_closed")
    till.drive()
    assert till.state(payout_id) == "failed"
    till.bank.transfers["tr_hand"] = (payout_id, Sent("tr_hand", person.account, 1_000, "USD"))
    at = int(till.now.timestamp())
    till.bank.book.append(Movement("txn_h", "transfer", "tr_hand", str(payout_id), -1_000, 0, "USD", at))
    till.wait(hours=3)

    assert compared(till).counts["extra"] == 1
    assert till.cases() == ["extra"]
