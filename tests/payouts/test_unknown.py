"""What nobody knows is found out by reading the provider, on a schedule, and is never guessed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from nerava.identity.approvals import AllowanceSpent
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.switches import SelfApproval, switches_on, turn_on
from nerava.payouts import approving
from nerava.payouts.errors import NotGoneYet
from nerava.payouts.ports import BankState, Sent
from tests.payouts.till import FEE, Till


def sends(till: Till) -> list[str]:
    """Return the keys under which money was sent, in order."""
    return [one.key for one in till.bank.asked if one.operation == "send"]


def test_a_lost_answer_is_unknown_and_the_money_rests_in_clearing(till: Till) -> None:
    person = till.person()
    payout_id = till.approved(person)
    till.bank.script("send", "lost-after")

    till.drive()
    assert till.state(payout_id) == "unknown"
    assert till.money(person)[1:] == (0, 1_000, 0)
    assert till.drive() == 0

    till.wait(minutes=1)
    till.drive()
    assert till.state(payout_id) == "paid"
    assert len(sends(till)) == 1, "it was found by reading, not by sending again"
    assert till.evidence(payout_id)[:2] == [("reply", "unsure"), ("read", "transfer")]


def test_what_never_arrived_is_sent_again_under_the_same_key_with_the_same_body(till: Till) -> None:
    payout_id = till.approved(till.person())
    till.bank.script("send", "lost-before", "lost-before")

    till.drive()
    till.wait(minutes=1)
    till.drive()
    assert till.state(payout_id) == "unknown"
    till.wait(minutes=4)
    till.drive()

    assert till.state(payout_id) == "paid"
    asked = [one for one in till.bank.asked if one.operation == "send"]
    assert len(asked) == 3
    assert len({(one.key, one.body) for one in asked}) == 1


def test_the_provider_is_read_after_1_5_30_minutes_2_hours_and_then_every_6(till: Till) -> None:
    payout_id = till.approved(till.person())
    till.bank.script("send", *["lost-before"] * 8)
    till.drive()
    first = till.payout(payout_id).first_sent_at
    assert first is not None
    reads = []
    while till.now < first + timedelta(hours=15):
        due = till.payout(payout_id).next_at
        assert due is not None
        till.clock.move_to(due)
        till.drive()
        reads.append(due - first)

    hours, minutes = timedelta(hours=1), timedelta(minutes=1)
    assert reads == [1 * minutes, 5 * minutes, 30 * minutes, 2 * hours, 8 * hours, 14 * hours, 20 * hours]


def test_an_error_that_the_key_keeps_for_ever_gets_a_new_try_after_reading_shows_nothing(till: Till) -> None:
    payout_id = till.approved(till.person())
    till.bank.script("send", "stored-error")

    till.drive()
    assert till.state(payout_id) == "unknown"
    for minutes in (5, 120):
        till.wait(minutes=minutes)
        till.drive()

    assert till.state(payout_id) == "paid"
    assert sends(till) == [f"send:{payout_id}:1", f"send:{payout_id}:1", f"send:{payout_id}:2"]
    assert len(till.bank.effective(payout_id)) == 1


def test_nothing_is_sent_under_a_key_of_23_hours_and_two_people_end_what_is_proven_gone(till: Till) -> None:
    person = till.person()
    payout_id = till.approved(person)
    till.bank.script("send", *["lost-before"] * 20)
    till.drive()
    first = till.now
    while till.now < first + timedelta(hours=23):
        till.wait(hours=1)
        till.drive()
    before = len(sends(till))
    last = till.payout(payout_id).last_sent_at
    assert last is not None
    while till.payout(payout_id).gone_at is None:
        with pytest.raises(NotGoneYet):
            till.database.run(
                lambda session: approving.require_gone(approving.find_payout(session, payout_id))
            )
        till.wait(hours=1)
        till.drive()

    assert len(sends(till)) == before
    payout = till.payout(payout_id)
    assert payout.none_since is not None
    assert payout.none_since >= last + timedelta(hours=25)
    assert payout.gone_at is not None
    assert payout.gone_at >= payout.none_since + timedelta(hours=1)
    assert payout.state == "unknown", "nobody but people ends it"
    assert till.cases() == ["stalled"]

    till.database.run(lambda session: approving.set_failed(session, till.books.ledger, payout_id, till.now))
    assert till.state(payout_id) == "failed"
    assert till.money(person) == (10_000, 0, 0, 0)


def test_a_transfer_that_appears_late_ends_the_proof_that_it_was_gone(till: Till) -> None:
    person = till.person()
    payout_id = till.approved(person)
    till.bank.script("send", *["lost-before"] * 30)
    till.drive()
    while till.payout(payout_id).none_since is None:
        till.wait(hours=1)
        till.drive()
    till.bank.transfers["tr_late"] = (payout_id, Sent("tr_late", person.account, 1_000, "USD"))
    till.wait(hours=6)
    till.drive()

    assert till.state(payout_id) == "paid"
    assert till.payout(payout_id).gone_at is None


def test_two_transfers_of_one_payout_stop_all_payouts(till: Till) -> None:
    person = till.person()
    payout_id = till.approved(person)
    till.bank.script("send", "lost-after")
    till.drive()
    till.bank.transfers["tr_twin"] = (payout_id, Sent("tr_twin", person.account, 1_000, "USD"))
    till.wait(minutes=1)
    till.drive()

    assert till.state(payout_id) == "unknown"
    assert till.payout(payout_id).stalled_because == "several-transfers"
    assert till.database.read(switches_on) == {"payout"}
    other = till.person()
    with pytest.raises(SwitchedOff):
        till.ask(other)


@pytest.mark.parametrize("change", ["account", "amount", "currency"])
def test_a_transfer_that_is_another_one_than_was_asked_for_waits_for_people(till: Till, change: str) -> None:
    person = till.person()
    payout_id = till.approved(person)
    till.bank.script("send", "lost-before")
    till.drive()
    other = {
        "account": Sent("tr_x", "acct_other", 1_000, "USD"),
        "amount": Sent("tr_x", person.account, 999, "USD"),
        "currency": Sent("tr_x", person.account, 1_000, "EUR"),
    }
    till.bank.transfers["tr_x"] = (payout_id, other[change])
    till.wait(minutes=1)
    till.drive()

    assert till.state(payout_id) == "unknown"
    assert till.payout(payout_id).stalled_because == "transfer-differs"
    assert till.cases() == ["stalled"]
    assert till.money(person)[2] == 1_000


def test_a_refusal_is_definite_and_gives_everything_back_fee_included(till: Till) -> None:
    person = till.person()
    payout_id = till.approved(person)
    till.bank.script("send", "account_closed")

    till.drive()

    assert (till.state(payout_id), till.payout(payout_id).reason) == ("failed", "account_closed")
    assert till.money(person) == (10_000, 0, 0, 0)
    assert till.books.posted("platform:fees") == [0]


def test_a_refusal_after_an_unknown_call_waits_for_a_listing(till: Till) -> None:
    person = till.person()
    payout_id = till.approved(person)
    till.bank.script("send", "lost-before", "account_closed")
    till.drive()
    till.wait(minutes=1)
    till.drive()
    assert till.state(payout_id) == "unknown"
    till.wait(minutes=1)
    till.drive()
    assert till.state(payout_id) == "failed"
    assert till.money(person) == (10_000, 0, 0, 0)


def test_too_little_at_the_provider_keeps_it_approved_and_says_so(till: Till) -> None:
    person = till.person()
    payout_id = till.approved(person)
    till.bank.money = 999

    till.drive()
    assert till.state(payout_id) == "approved"
    assert till.money(person)[1:3] == (1_000 + FEE, 0)
    assert till.cases() == ["low_balance"]
    till.bank.money = 1_000
    till.wait(minutes=30)
    till.drive()
    assert till.state(payout_id) == "paid"


def test_a_balance_that_went_while_it_was_sent_waits_for_funds_with_a_new_try(till: Till) -> None:
    payout_id = till.approved(till.person())
    till.bank.script("send", "balance_insufficient")

    till.drive()
    assert till.state(payout_id) == "submitted"
    till.wait(minutes=30)
    till.drive()
    assert till.state(payout_id) == "paid"
    assert sends(till) == [f"send:{payout_id}:1", f"send:{payout_id}:2"]


def test_a_recipient_who_may_not_be_paid_any_more_is_not_paid(till: Till) -> None:
    person = till.person()
    payout_id = till.approved(person)
    till.bank.may_pay(person.account, yes=False)

    till.drive()
    assert till.state(payout_id) == "approved"
    assert till.payout(payout_id).reason == "recipient-not-payable"
    assert sends(till) == []
    till.bank.may_pay(person.account, yes=True)
    till.wait(minutes=31)
    till.drive()
    assert till.state(payout_id) == "paid"


def test_busy_is_not_unknown_and_our_own_mistakes_call_people(till: Till) -> None:
    payout_id = till.approved(till.person())
    till.bank.script("send", "busy", "misconfigured")

    till.drive()
    assert till.state(payout_id) == "submitted"
    till.wait(minutes=1)
    till.drive()
    assert (till.state(payout_id), till.cases()) == ("submitted", ["stalled"])
    till.wait(minutes=31)
    till.drive()
    assert till.state(payout_id) == "paid"
    assert len(till.bank.effective(payout_id)) == 1


def test_a_provider_that_cannot_be_read_is_never_sent_to_again_blindly(till: Till) -> None:
    payout_id = till.approved(till.person())
    till.bank.script("send", "lost-after")
    till.drive()
    till.bank.reading_fails = 3
    for _ in range(3):
        till.wait(hours=7)
        till.drive()
    assert (till.state(payout_id), len(sends(till))) == ("unknown", 1)
    till.wait(hours=7)
    till.drive()
    assert (till.state(payout_id), len(sends(till))) == ("paid", 1)


def test_a_bank_that_refuses_gives_the_transfer_back_before_the_driver_gets_anything(till: Till) -> None:
    till.bank.pays_at_once = False
    person = till.person()
    payout_id = till.approved(person)
    till.drive()
    till.bank.bank_says(payout_id, BankState.FAILED, "no_account")
    till.bank.script("take_back", "insufficient_balance")
    till.wait(minutes=2)
    till.drive()
    assert till.state(payout_id) == "unknown"
    assert till.payout(payout_id).stalled_because == "take-back-refused"
    assert till.money(person)[2] == 1_000, "it is not back yet, so nobody has it"

    till.wait(hours=6)
    till.drive()
    assert (till.state(payout_id), till.payout(payout_id).reason) == ("failed", "no_account")
    assert till.money(person) == (10_000, 0, 0, 0)


def test_a_bank_has_five_days_and_then_it_is_a_case(till: Till) -> None:
    till.bank.pays_at_once = False
    till.approved(till.person())
    till.drive()
    till.wait(days=4, hours=23)
    assert till.payouts.driving.find_stuck(till.now) == 0
    till.wait(hours=2)
    assert till.payouts.driving.find_stuck(till.now) == 1
    assert till.payouts.driving.find_stuck(till.now) == 0
    assert till.cases() == ["stuck"]


def test_more_than_a_day_before_the_bank_has_it_is_a_case(till: Till) -> None:
    till.approved(till.person())
    till.bank.script("send", "lost-after")
    till.drive()
    till.wait(hours=23)
    assert till.payouts.driving.find_stuck(till.now) == 0
    till.wait(hours=2)
    assert till.payouts.driving.find_stuck(till.now) == 1
    assert till.cases() == ["stuck"]


def test_while_payouts_are_stopped_nothing_is_sent_and_what_was_sent_is_still_read(till: Till) -> None:
    person, other = till.person(), till.person()
    unknown, waiting, again = till.approved(person), till.approved(other), till.approved(other)
    till.bank.script("send", "lost-after", "lost-before")
    till.payouts.driving.run(till.now)
    stopped = till.now
    till.database.run(lambda session: turn_on(session, "payout", by="x", reason="test", now=stopped))
    before = len(sends(till))
    for _ in range(3):
        till.wait(minutes=5)
        till.drive()

    assert len(sends(till)) == before
    assert {till.state(one) for one in (unknown, waiting, again)} <= {
        "unknown",
        "submitted",
        "approved",
        "paid",
    }
    assert till.findings() == []


def test_the_one_who_proposed_a_batch_cannot_let_it_go(till: Till) -> None:
    payout_id = till.ask(till.person())
    batch_id, rules, (maker, _) = till.propose(payout_id), till.payouts.rules, till.finance
    with pytest.raises(SelfApproval):
        till.database.run(
            lambda session: approving.approve(session, batch_id, rules, checker=maker, now=till.now)
        )
    assert till.state(payout_id) == "requested"


def test_a_day_has_a_most_that_all_together_may_get(till: Till) -> None:
    object.__setattr__(till.payouts.rules, "day_max_minor", 1_500)
    first, second = till.ask(till.person()), till.ask(till.person())
    till.approve(first)
    batch_id = till.propose(second)
    with pytest.raises(AllowanceSpent):
        till.agree(batch_id)
    assert till.state(second) == "requested"
    till.wait(hours=25)
    till.agree(batch_id)
    assert till.state(second) == "approved"
