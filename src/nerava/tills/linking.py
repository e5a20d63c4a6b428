"""Linking a point of sale: out to the provider's consent page and back, bound to one sign-in, good once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import update

from nerava.identity.one_time import digest, new_token
from nerava.kernel.ids import new_id
from nerava.kernel.outcomes import Ok, Outcome
from nerava.merchants.service import merchant
from nerava.tills.errors import TillStateInvalid
from nerava.tills.links import link_of, seal
from nerava.tills.model import TillLink, TillWay
from nerava.tills.states import TillState, WayState

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.audit import AuditLog
    from nerava.identity.acting import Actor
    from nerava.platform.db import Database
    from nerava.platform.vault import Vault
    from nerava.tills.ports import PointOfSale, TillTokens

LIFE: Final = timedelta(minutes=10)
"""How long one may be away on the provider's page."""

DENIED: Final = "access_denied"
REFUSED: Final = "refused"
ANOTHERS: Final = "another-merchants"


@dataclass(frozen=True, slots=True)
class Begun:
    """Where to send somebody; the address carries the state."""

    way: TillWay
    url: str


@dataclass(frozen=True, slots=True)
class Returned:
    """What the provider's page sent back."""

    state: str
    code: str | None = None
    error: str | None = None


class Linking:
    """Sends people to the provider and takes them back. Safe to share between threads and processes."""

    def __init__(self, database: Database, vault: Vault, audit: AuditLog, till: PointOfSale) -> None:
        self._database = database
        self._vault = vault
        self._audit = audit
        self._till = till

    def begin(self, actor: Actor, merchant_id: UUID, now: datetime) -> Begun:
        """Return the provider's page for one way there and back, within 10 minutes, on this sign-in.

        Raises:
            TillStateInvalid: Only somebody who is signed in can come back (409).
            UnknownMerchant: No merchant has this id (404).
        """
        if actor.session_id is None:
            raise TillStateInvalid("only somebody who is signed in can come back")
        state = new_token()
        row = TillWay(
            id=new_id(),
            state_hash=digest(state),
            merchant_id=merchant_id,
            user_id=actor.subject,
            session_id=actor.session_id,
            provider=self._till.name,
            state=WayState.ASKED.value,
            created_at=now,
            expires_at=now + LIFE,
        )

        def unit(session: Session) -> None:
            merchant(session, merchant_id)
            session.add(row)
            self._audit.record(session, actor.entry("till.link", "till_way", row.id), now)

        self._database.run(unit)
        return Begun(row, self._till.consent_url(state))

    def finish(self, actor: Actor, merchant_id: UUID, returned: Returned, now: datetime) -> TillWay:
        """Take somebody back, and link what they let us see.

        The state is used up by it, whatever came back; the code is given away once and never again.

        Raises:
            TillStateInvalid: Unknown, used, older than 10 minutes, or of another sign-in (409).
        """
        row = self._database.run(lambda session: self._taken_back(session, actor, merchant_id, returned, now))
        if row.state != WayState.RETURNED or returned.code is None:
            return row
        exchanged = self._till.exchange(returned.code)
        return self._database.run(lambda session: self._linked(session, actor, row.id, exchanged, now))

    def _taken_back(
        self, session: Session, actor: Actor, merchant_id: UUID, returned: Returned, now: datetime
    ) -> TillWay:
        came = returned.error is None and returned.code is not None
        # Words that are not the provider's own are somebody's text, and text of strangers is not kept.
        trouble = DENIED if returned.error == DENIED else REFUSED
        values: dict[str, object] = {"state": WayState.RETURNED.value}
        if not came:
            values = {"state": WayState.FAILED.value, "trouble": trouble, "done_at": now}
        mine = (
            update(TillWay)
            .where(
                TillWay.state_hash == digest(returned.state),
                TillWay.state == WayState.ASKED.value,
                TillWay.session_id == actor.session_id,
                TillWay.user_id == actor.subject,
                TillWay.merchant_id == merchant_id,
                TillWay.expires_at > now,
            )
            .values(values)
            .returning(TillWay.id)
        )
        used = session.scalar(mine)
        if used is None:
            raise TillStateInvalid
        entry = actor.entry("till.returned", "till_way", used, reason=None if came else trouble)
        self._audit.record(session, entry, now)
        return session.get_one(TillWay, used, populate_existing=True)

    def _linked(
        self, session: Session, actor: Actor, way_id: UUID, exchanged: Outcome[TillTokens], now: datetime
    ) -> TillWay:
        row = session.get_one(TillWay, way_id, with_for_update=True)
        row.done_at = now
        if not isinstance(exchanged, Ok):
            row.state, row.trouble = WayState.FAILED.value, getattr(exchanged, "code", REFUSED)[:80]
            return row
        tokens = exchanged.value
        link = link_of(session, row.provider, tokens.account)
        if link is not None and link.merchant_id != row.merchant_id:
            row.state, row.trouble = WayState.FAILED.value, ANOTHERS
            return row
        if link is None:
            link = self._new_link(session, row, tokens.account, now)
        link.user_id, link.state, link.trouble, link.attempts = row.user_id, TillState.ACTIVE.value, None, 0
        link.linked_at, link.next_at, link.leased_until = now, now, None
        seal(session, self._vault, link, tokens, now)
        session.add(link)
        row.state = WayState.DONE.value
        told = actor.entry("till.linked", "till_link", link.id, after={"provider": row.provider})
        self._audit.record(session, told, now)
        return row

    def _new_link(self, session: Session, row: TillWay, account: str, now: datetime) -> TillLink:
        # The provider must not be told that an earlier link is over: that would end this one.
        earlier = update(TillLink).where(
            TillLink.provider == row.provider, TillLink.account == account, TillLink.next_at.is_not(None)
        )
        session.execute(earlier.values(next_at=None, leased_until=None))
        return TillLink(
            id=new_id(),
            merchant_id=row.merchant_id,
            provider=row.provider,
            account=account,
            generation=0,
            tokens_at=now,
            read_until=now,
            created_at=now,
        )
