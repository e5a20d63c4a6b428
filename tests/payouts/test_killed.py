"""R17: a process that ends between any two steps of a payout leaves one transfer, one end, and whole books."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from nerava.payouts.interruptions import Interruptions
from nerava.payouts.model import Payout
from nerava.payouts.ports import BankState
from tests.helpers.killing import Killed, KilledAt
from tests.payouts.till import FEE, Person, Till

AMOUNT = 1_000
POINTS = 5_000


def payouts_of(till: Till, person: Person) -> list[Payout]:
    """Return everything that a driver ever asked for."""
    query = select(Payout).where(Payout.owner_id == person.driver_id)
    return till.database.read(lambda session: list(session.scalars(query)))


def live(till: Till, person: Person, interruptions: Interruptions, *, bank_fails: bool) -> Payout:
    """Let a driver cash out, whatever happens; after a kill go on with a new process that nothing kills."""
    till.restarted(interruptions)
    deadline = 60
    for _ in range(deadline):
        try:
            _carry_on(till, person, bank_fails=bank_fails)
        except Killed:
            till.restarted()
        (payout,) = payouts_of(till, person) or [None]
        if payout is not None and payout.state in {"paid", "failed", "returned", "canceled"}:
            return payout
        till.wait(minutes=7)
    raise AssertionError(f"still {payout and payout.state} after {deadline} rounds")


def _carry_on(till: Till, person: Person, *, bank_fails: bool) -> None:
    """Do what is to be done next: the driver asks, finance agrees, the worker drives, the bank speaks."""
    known = payouts_of(till, person)
    payout_id = known[0].id if known else till.ask(person, AMOUNT)
    if till.state(payout_id) == "requested":
        till.approve(payout_id)
    till.drive()
    if bank_fails and any(group == payout_id for group, _ in till.bank.bank_payouts.values()):
        till.bank.bank_says(payout_id, BankState.FAILED, "account_closed")


FAULTS = {
    "every reply arrives": (),
    "the transfer is done and its answer lost": ("send", "lost-after"),
    "the transfer times out before it arrives": ("send", "lost-before"),
    "the transfer breaks inside for ever": ("send", "stored-error"),
    "the bank payout is done and its answer lost": ("pay_out", "lost-after"),
    "the bank payout times out before it arrives": ("pay_out", "lost-before"),
    "the bank will not have it": (),
    "the bank will not have it and fetching it back times out": ("take_back", "lost-before"),
    "the bank will not have it and the answer to fetching it back is lost": ("take_back", "lost-after"),
}


@pytest.mark.in_turn
@pytest.mark.parametrize("name", FAULTS)
def test_killed_anywhere_it_ends_once_with_one_effective_transfer(till: Till, name: str) -> None:
    fault, bank_fails = FAULTS[name], "will not" in name
    till.bank.pays_at_once = not bank_fails

    def once(number: int) -> list[str]:
        person = till.person(POINTS)
        if fault:
            till.bank.script(*fault)
        interruptions = KilledAt(number)
        payout = live(till, person, interruptions, bank_fails=bank_fails)
        for waiting in till.bank.faults.values():
            waiting.clear()
        assert len(payouts_of(till, person)) == 1
        assert payout.state == ("failed" if bank_fails else "paid"), interruptions.places
        effective = till.bank.effective(payout.id)
        assert [(one.account, one.amount_minor) for one in effective] == (
            [] if bank_fails else [(person.account, AMOUNT)]
        )
        assert sum(group == payout.id for group, _ in till.bank.transfers.values()) == 1
        posted, held, clearing, _ = till.money(person)
        assert (posted, held, clearing) == (POINTS if bank_fails else POINTS - AMOUNT - FEE, 0, 0)
        return interruptions.places

    places = once(0)
    assert len(set(places)) >= 10
    for number in range(1, len(places) + 1):
        once(number)
    assert till.money(till.person(0))[3] == sum(
        sent.amount_minor - sent.reversed_minor for _, sent in till.bank.transfers.values()
    )
