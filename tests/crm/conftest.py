"""Customer records at the simulated HubSpot, and people who agree to be there, or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, text
from sqlalchemy.orm import Session

from nerava.audit import AuditLog
from nerava.crm.leaving import FIELDS
from nerava.crm.work import CrmWork
from nerava.identity.acting import Actor
from nerava.identity.contacts import Contact, ContactKind
from nerava.identity.messages import contact_index
from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.identity.user_store import AppUser, UserContact, UserState, owner_of
from nerava.integrations.hubspot.api import HubSpot, HubSpotAccess
from nerava.kernel.clock import FixedClock, SystemClock
from nerava.kernel.ids import new_id
from nerava.outbox.catalogue import Event, RewardEvent, SessionEvent, UserEvent
from nerava.outbox.publishing import give_positions, publish
from nerava.platform.db import Database
from nerava.platform.outbound import PausesInDatabase, Surroundings
from nerava.platform.secrets import Secrets
from nerava.platform.vault import Place, Vault
from nerava.privacy.consents import TEXTS, Purpose, Wish, say
from nerava.simulators.handle import Simulators
from nerava.simulators.serving import running_simulators

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
CLOCK = FixedClock(NOON)


@dataclass
class Records:
    """Everything between the outbox and the portal."""

    database: Database
    vault: Vault
    simulators: Simulators
    crm: HubSpot
    work: CrmWork

    @property
    def portal(self) -> Any:
        """The simulated portal."""
        return self.simulators.hubspot

    def user(self, email: str | None = "ann@example.org", *, agrees: bool = True) -> UUID:
        """Return somebody new, who is a driver under the same id."""
        user_id, now = new_id(), CLOCK.now()

        def unit(session: Session) -> None:
            session.add(AppUser(id=user_id, created_at=now, state=UserState.ACTIVE.value))
            session.flush()
            grant_role(session, user_id, Membership(Role.DRIVER, user_id), granted_by="test", now=now)

        self.database.run(unit)
        if email is not None:
            self.reach(user_id, email)
        if agrees:
            self.say(user_id)
        return user_id

    def reach(self, user_id: UUID, email: str) -> None:
        """Let a user be reached at another address from now on."""

        def unit(session: Session) -> None:
            session.execute(delete(UserContact).where(UserContact.user_id == user_id))
            contact_id, now = new_id(), CLOCK.now()
            place = Place("user_contact", "sealed", contact_id)
            sealed = self.vault.encrypt(session, owner_of(user_id), place, email.encode(), now)
            ix = contact_index(self.vault, Contact(ContactKind.EMAIL, email))
            kind = ContactKind.EMAIL.value
            session.add(
                UserContact(
                    id=contact_id, user_id=user_id, kind=kind, contact_ix=ix, sealed=sealed, verified_at=now
                )
            )

        self.database.run(unit)
        self.happen(UserEvent(state="contacts_changed", user_id=user_id))

    def say(self, user_id: UUID, *, yes: bool = True) -> None:
        """Let a user agree, or take it back."""
        actor = Actor(user_id, Membership(Role.DRIVER, user_id))
        wish = Wish(Purpose.MARKETING, TEXTS[Purpose.MARKETING][-1], yes)
        self.database.run(lambda session: say(session, AuditLog(), actor, [wish], CLOCK.now()))

    def happen(self, *events: Event) -> None:
        """Let something happen."""
        self.database.run(lambda session: publish(session, events, CLOCK.now()))

    def charge(self, user_id: UUID, points: int | None = None) -> None:
        """Let a user charge, or be granted points."""
        if points is None:
            self.happen(SessionEvent(state="verified", session_id=new_id(), driver_id=user_id))
            return
        granted = RewardEvent(
            state="granted", session_id=new_id(), campaign_id=new_id(), points=points, driver_id=user_id
        )
        self.happen(granted)

    def queue(self) -> None:
        """Order what happened and queue it."""
        self.database.run(give_positions)
        while self.work.read(CLOCK.now()):
            pass

    def send(self, rounds: int = 3) -> None:
        """Queue and send."""
        self.queue()
        for _ in range(rounds):
            self.work.send(CLOCK.now())

    def later(self, **by: float) -> None:
        """Let time go by, for both sides."""
        CLOCK.move_to(CLOCK.now() + timedelta(**by))

    def calls(self, path: str = "") -> list[Any]:
        """Return the calls whose path ends like this."""
        return [one for one in self.simulators.requests("hubspot") if one.path.endswith(path)]

    def rows(self, statement: str) -> list[Any]:
        """Return what a query finds."""
        return self.database.read(lambda session: [tuple(row) for row in session.execute(text(statement))])


@pytest.fixture(scope="session")
def running() -> Iterator[Simulators]:
    """The simulators."""
    with running_simulators(seed=9, clock=CLOCK, by_hand=True) as simulators:
        yield simulators


@pytest.fixture
def records(database: Database, running: Simulators, tmp_path: Path) -> Iterator[Records]:
    """An empty portal, and nobody in it."""
    CLOCK.move_to(NOON)
    running.reset(9)
    vault = Vault(Secrets({}, SystemClock(), made_in=tmp_path))
    access = HubSpotAccess(running.hubspot.token, running.hubspot.portal, base_url=running.url_of("hubspot"))
    around = Surroundings(pauses=PausesInDatabase(database))
    crm = HubSpot(access, now=CLOCK.now, surroundings=around)
    yield Records(database, vault, running, crm, CrmWork(database, vault, crm, frozenset(FIELDS)))
    crm.close()
