"""What the provider tells is a hint: in any order, any number of times, it only hurries the reading."""

from __future__ import annotations

import itertools
from uuid import UUID

import pytest

from nerava.inbound.events import Handled, ProviderEvent
from nerava.kernel.ids import new_id
from nerava.payouts.events import payout_handlers
from nerava.payouts.methods import methods_of
from nerava.payouts.ports import BankState
from nerava.payouts.states import OwnerKind
from tests.payouts.till import Person, Till


def tell(till: Till, kind: str, object_id: str, account: str = "", group: UUID | None = None) -> Handled:
    """Tell of an event as the inbound work does: by the longest beginning that fits."""
    handlers = payout_handlers(till.database)
    fitting = max((prefix for prefix in handlers if kind.startswith(prefix)), key=len)
    body = {"data": {"object": {"id": object_id, "transfer_group": None if group is None else str(group)}}}
    event = ProviderEvent("stripe", account, f"evt_{new_id()}", kind, object_id, 0, body)
    return handlers[fitting](event, till.now)


def pending(till: Till) -> tuple[Person, UUID, str]:
    """Return a payout that the bank has, and its name there."""
    till.bank.pays_at_once = False
    person = till.person()
    payout_id = till.approved(person)
    till.drive()
    return person, payout_id, till.payout(payout_id).bank_payout_id or ""


def test_a_payout_that_the_bank_has_paid_is_read_when_it_is_told(till: Till) -> None:
    person, payout_id, name = pending(till)
    till.bank.bank_says(payout_id, BankState.PAID)
    assert till.drive() == 0

    assert tell(till, "payout.paid", name, person.account) is Handled.DONE
    till.drive()
    assert till.state(payout_id) == "paid"


def test_an_event_alone_pays_nothing(till: Till) -> None:
    person, payout_id, name = pending(till)
    tell(till, "payout.paid", name, person.account)
    till.drive()
    assert till.state(payout_id) == "submitted"


def test_failed_after_paid_is_found_by_its_event_days_later(till: Till) -> None:
    person, payout_id, name = pending(till)
    till.bank.bank_says(payout_id, BankState.PAID)
    tell(till, "payout.paid", name, person.account)
    till.drive()
    till.wait(days=4)
    till.drive()
    till.bank.bank_says(payout_id, BankState.FAILED, "account_closed")
    tell(till, "payout.failed", name, person.account)
    till.drive()
    assert till.state(payout_id) == "returned"


@pytest.mark.parametrize("order", list(itertools.permutations(["created", "updated", "paid", "paid"]))[:12])
def test_any_order_and_any_number_of_events_comes_to_one_end(till: Till, order: tuple[str, ...]) -> None:
    person, payout_id, name = pending(till)
    till.bank.bank_says(payout_id, BankState.PAID)
    for word in order:
        tell(till, f"payout.{word}", name, person.account)
        till.drive()
    assert till.state(payout_id) == "paid"
    assert till.money(person) == (10_000 - 1_025, 0, 0, 1_000)


def test_an_event_that_was_faster_than_the_answer_hurries_the_account(till: Till) -> None:
    person = till.person()
    payout_id = till.approved(person)
    till.bank.script("pay_out", "lost-after")
    till.drive()
    assert till.state(payout_id) == "unknown"
    assert tell(till, "payout.paid", "po_1", person.account) is Handled.DONE
    till.drive()
    assert till.state(payout_id) == "paid"


def test_our_own_payouts_and_strangers_groups_are_nobodys_here(till: Till) -> None:
    assert tell(till, "payout.paid", "po_own") is Handled.IGNORED
    assert tell(till, "transfer.created", "tr_x") is Handled.IGNORED
    assert tell(till, "transfer.created", "tr_x", group=new_id()) is Handled.LATER
    assert tell(till, "payout.paid", "po_x", "acct_nobody") is Handled.LATER
    assert tell(till, "account.updated", "acct_nobody", "acct_nobody") is Handled.LATER


def test_a_transfer_whose_answer_was_lost_is_read_when_it_is_told(till: Till) -> None:
    payout_id = till.approved(till.person())
    till.bank.script("send", "lost-after")
    till.drive()
    assert tell(till, "transfer.created", "tr_1", group=payout_id) is Handled.DONE
    till.drive()
    assert till.state(payout_id) == "paid"


def test_an_account_is_read_when_it_changes_and_blocked_when_it_leaves(till: Till) -> None:
    owner_id = new_id()
    link = till.payouts.methods.open(OwnerKind.DRIVER, owner_id, return_url="https://nerava.example/back")
    account = link.method.account or ""
    till.bank.may_pay(account, yes=True, last4="4242")
    assert tell(till, "account.updated", account, account) is Handled.DONE
    assert till.payouts.methods.look(till.now) == 1
    assert method_state(till, owner_id) == ["ready"]

    assert tell(till, "account.application.deauthorized", "ca_1", account) is Handled.DONE
    assert method_state(till, owner_id) == ["blocked"]
    till.bank.may_pay(account, yes=False)
    till.payouts.methods.look(till.now)
    assert method_state(till, owner_id) == ["blocked"]
    till.bank.may_pay(account, yes=True)
    assert tell(till, "capability.updated", "transfers", account) is Handled.DONE
    till.payouts.methods.look(till.now)
    assert method_state(till, owner_id) == ["ready"]


def test_without_a_hint_a_good_account_and_a_paid_payout_are_read_once_a_day(till: Till) -> None:
    person = till.person()
    payout_id = till.approved(person)
    till.drive()
    assert till.state(payout_id) == "paid"
    account = till.bank.recipients[person.account]
    looks = drives = 0
    till.payouts.methods.look(till.now)
    for _ in range(3 * 8):
        till.wait(hours=3)
        looks += till.payouts.methods.look(till.now)
        drives += till.drive()

    assert (looks, drives) == (3, 3)
    assert account.may_be_paid
    assert tell(till, "account.updated", person.account, person.account) is Handled.DONE
    assert till.payouts.methods.look(till.now) == 1


def method_state(till: Till, owner_id: UUID) -> list[str]:
    """Return the states of somebody's methods."""
    return till.database.read(
        lambda session: [one.state for one in methods_of(session, OwnerKind.DRIVER, owner_id)]
    )
