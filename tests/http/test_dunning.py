"""What an unpaid invoice comes to is sent to the merchant's owner, each step once, and to nobody else."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from nerava.identity.contacts import Contact, ContactKind
from nerava.identity.messages import contact_index
from nerava.identity.user_store import AppUser, UserContact, UserState, owner_of
from nerava.installation import jobs_of
from nerava.kernel.clock import SystemClock
from nerava.kernel.ids import new_id
from nerava.platform.vault import Place
from nerava.simulators.inbox import Inbox
from tests.http.settlement_examples import settled_shop

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tests.http.conftest import Caller, House

OWNER, MANAGER = "owner@example.org", "manager@example.org"


def reach_at(house: House, person: Caller, address: str) -> None:
    """Let somebody have a verified address."""
    installation, contact_id = house.installation, new_id()
    contact, now = Contact(ContactKind.EMAIL, address), installation.clock.now()

    def work(session: Session) -> None:
        session.add(AppUser(id=person.subject, created_at=now, state=UserState.ACTIVE.value))
        session.flush()
        place, owner = Place("user_contact", "sealed", contact_id), owner_of(person.subject)
        row = UserContact(
            id=contact_id,
            user_id=person.subject,
            kind=contact.kind.value,
            contact_ix=contact_index(installation.vault, contact),
            sealed=installation.vault.encrypt(session, owner, place, address.encode(), now),
            verified_at=now,
        )
        session.add(row)

    installation.database.run(work)


def test_each_step_of_dunning_is_written_to_the_owner_once(house: House) -> None:
    installation = house.installation
    shop, inbox = settled_shop(house), Inbox(installation.settings.inbox_file, SystemClock())
    reach_at(house, shop.owner, OWNER)
    reach_at(house, shop.manager, MANAGER)
    (remind,) = [one for one in jobs_of(installation) if one.name == "remind merchants of invoices"]
    arrived, later = [], installation.clock.now() + timedelta(days=100)

    for _ in range(5):
        remind.run(later)
        while installation.desk.messages.deliver(later):
            pass
        arrived.append([one.text for one in inbox.messages(OWNER)])

    counts = [len(texts) for texts in arrived]
    assert counts == [1, 2, 3, 4, 4]
    words = ("is overdue", "a week overdue", "two weeks overdue", "Your offers have stopped")
    assert all(said in text for said, text in zip(words, arrived[-1], strict=True))
    assert list(inbox.messages(MANAGER)) == []
    assert house.findings() == []
