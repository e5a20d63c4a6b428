"""Who acts in the year: people with a role who sign in again whenever their token has run out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.identity.user_store import AppUser, UserContact, UserState
from nerava.kernel.ids import new_id
from tests.http.conftest import Caller

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from starlette.testclient import TestClient

    from nerava.installation import Installation

SIGNED_IN_FOR = timedelta(minutes=4)
"""Less than a token lives, and less than a passkey counts as just shown."""


@dataclass
class Person:
    """Somebody with one role. Every POST has a key of its own."""

    installation: Installation
    client: TestClient
    role: Role
    tenant_id: UUID
    subject: UUID = field(default_factory=new_id)
    _caller: Caller | None = None
    _until: datetime | None = None

    def __post_init__(self) -> None:
        """Give the person the role."""
        membership = Membership(self.role, self.tenant_id if self.role.has_tenant else None)
        now = self.installation.clock.now()
        self.installation.database.run(
            lambda session: grant_role(session, self.subject, membership, granted_by="year", now=now)
        )

    @property
    def caller(self) -> Caller:
        """The person, signed in."""
        now = self.installation.clock.now()
        if self._caller is None or self._until is None or now >= self._until:
            sessions = self.installation.sessions
            token = self.installation.database.run(
                lambda session: sessions.open_command(session, self.subject, self.role, now, as_passkey=True)
            )
            self._caller = Caller(self.client, token, self.tenant_id, self.subject)
            self._until = now + SIGNED_IN_FOR
        return self._caller

    def get(self, path: str, **params: object) -> Any:
        """Return what a page shows."""
        answer = self.caller.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def every(self, path: str, **params: object) -> list[Any]:
        """Return all entries of a list, over all of its pages."""
        found: list[Any] = []
        cursor = None
        while True:
            page = self.get(path, limit=200, **params | ({"cursor": cursor} if cursor else {}))
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def try_to(self, path: str, body: object = None) -> Any:
        """Post something and return the answer, whatever it is."""
        return self.caller.post(path, body, key=str(new_id()))

    def post(self, path: str, body: object = None) -> Any:
        """Post something that has to be accepted, and return what came of it."""
        answer = self.try_to(path, body)
        assert answer.status_code in {200, 201, 202}, f"{path}: {answer.text}"
        return answer.json()

    def settle_in(self) -> None:
        """Have an account with a contact, both a month old."""
        long_ago = self.installation.clock.now() - timedelta(days=30)

        def unit(session: Session) -> None:
            session.add(AppUser(id=self.subject, created_at=long_ago, state=UserState.ACTIVE.value))
            session.flush()
            session.add(
                UserContact(
                    id=new_id(),
                    user_id=self.subject,
                    kind="email",
                    contact_ix=self.subject.bytes * 2,
                    sealed=b"x",
                    verified_at=long_ago,
                )
            )

        self.installation.database.run(unit)
