"""Keeping links: tokens renewed by one worker, places and missed orders read, and farewells said."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import select

from nerava.kernel.ids import new_id
from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater
from nerava.merchants.model import MerchantSite
from nerava.tills.hearing import follow_order, follow_refund, is_newer
from nerava.tills.links import UNREADABLE, break_off, locked, opened, seal, told_by_itself
from nerava.tills.model import TillLink, TillLocation
from nerava.tills.ports import TOKEN_REFUSED, Seller
from nerava.tills.states import TillState
from nerava.tills.turns import GAPS, LEASE, is_due, tell_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from nerava.audit import AuditLog
    from nerava.identity.factors import Tell
    from nerava.platform.db import Database
    from nerava.platform.vault import Vault
    from nerava.tills.ports import Place, PointOfSale, Sale, TillTokens

log = logging.getLogger(__name__)

KEPT_EVERY: Final = timedelta(hours=1)
RENEWED_AFTER: Final = timedelta(days=7)
"""The provider's own advice; a token lives for 30 days."""

LINKS_AT_ONCE: Final = 5
PAGES_MAX: Final = 20
OVERLAP: Final = timedelta(minutes=2)
"""Looked back at beyond what was read: clocks differ, and changes come late."""

FAREWELLS_MAX: Final = 20
BROKEN_TEXT: Final = (
    "Your point of sale is not connected to Nerava any more: it does not let us in. Link it again under "
    "your merchant's points of sale. Codes are taken as before."
)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A link whose turn it is, with the tokens of its present generation; none for one that is over."""

    link_id: UUID
    account: str
    until: datetime
    read_until: datetime
    seller: Seller | None = None
    refresh: str = ""
    is_renewed: bool = False
    was_refused: bool = False


class TillKeeping:
    """Looks after links. Safe to share between threads and processes, to repeat and to kill.

    A link is worked on by one worker at a time: whoever leases it fetches the tokens, and stores
    them before anybody uses them.
    """

    def __init__(
        self, database: Database, vault: Vault, audit: AuditLog, till: PointOfSale, tell: Tell
    ) -> None:
        self._database = database
        self._vault = vault
        self._audit = audit
        self._till = till
        self._tell = tell

    def run(self, now: datetime) -> int:
        """Look after links that are due, 5 at most, and return how many."""
        taken = self._database.run(lambda session: self._leased(session, now))
        for one in taken:
            if one.seller is None:
                said = self._till.revoke(one.account)
                self._database.run(lambda session: self._part(session, one, said, now))  # noqa: B023 - called at once
            else:
                self._keep(one, one.seller, now)
        return len(taken)

    def _leased(self, session: Session, now: datetime) -> list[_Kept]:
        due = (
            select(TillLink)
            .where(is_due(TillLink, now), TillLink.provider == self._till.name)
            .order_by(TillLink.next_at, TillLink.id)
            .limit(LINKS_AT_ONCE)
            .with_for_update(skip_locked=True, key_share=True)
            .execution_options(populate_existing=True)
        )
        taken = []
        for link in session.scalars(due).all():
            until = now + LEASE
            link.leased_until, link.attempts = until, link.attempts + 1
            if link.state == TillState.ENDED:
                taken.append(_Kept(link.id, link.account, until, link.read_until))
                continue
            access = opened(session, self._vault, link)
            if access is None:
                self._broken(session, link, UNREADABLE, now)
            else:
                refused = link.trouble == TOKEN_REFUSED
                taken.append(
                    _Kept(
                        link.id,
                        link.account,
                        until,
                        link.read_until,
                        access[0],
                        access[1],
                        is_renewed=refused or _is_old(link, now),
                        was_refused=refused,
                    )
                )
        return taken

    def _keep(self, one: _Kept, seller: Seller, now: datetime) -> None:
        if one.is_renewed:
            fetched = self._till.renew(one.account, one.refresh)
            renewed = self._database.run(lambda session: self._renewed(session, one, fetched, now))
            if renewed is None:
                return
            seller = renewed
        places = self._till.places(seller)
        if not isinstance(places, Ok):
            self._database.run(lambda session: self._late(session, one, places, now))
            return
        self._database.run(lambda session: _take_in_places(session, one.link_id, places.value, now))
        self._read_missed(one, seller, [place.external_id for place in places.value], now)

    def _renewed(
        self, session: Session, one: _Kept, fetched: Outcome[TillTokens], now: datetime
    ) -> Seller | None:
        link = _mine(session, one)
        if link is None:
            return None
        if isinstance(fetched, Ok):
            seal(session, self._vault, link, fetched.value, now)
            link.trouble = None
            return Seller(link.account, fetched.value.access)
        is_useless = one.was_refused or link.good_until is None or link.good_until <= now
        if isinstance(fetched, Refused) and is_useless and link.attempts > len(GAPS):
            # What reads is refused, and so is what renews it, for an hour: only the merchant can mend that.
            self._broken(session, link, fetched.code, now)
            return None
        self._put_off(link, fetched, now)
        return None

    def _broken(self, session: Session, link: TillLink, trouble: str, now: datetime) -> None:
        break_off(session, link, trouble)
        self._tell(session, link.user_id, BROKEN_TEXT, now)
        self._audit.record(session, told_by_itself(link, "till.broken", trouble), now)

    def _late(self, session: Session, one: _Kept, answer: Outcome[list[Place]], now: datetime) -> None:
        link = _mine(session, one)
        if link is not None:
            self._put_off(link, answer, now)

    def _put_off(self, link: TillLink, answer: Outcome[object], now: datetime) -> None:
        if isinstance(answer, Misconfigured | Refused):
            log.error("%s refuses a link: %s", self._till.name, answer.code)
        again = now + GAPS[min(link.attempts, len(GAPS)) - 1]
        told = answer.not_before if isinstance(answer, RetryLater) else None
        link.trouble, link.leased_until = getattr(answer, "code", "unknown")[:80], None
        link.next_at = max(again, told or again)

    def _read_missed(self, one: _Kept, seller: Seller, places: Sequence[str], now: datetime) -> None:
        """Let be read what changed and was not told; events are lost in the end."""
        cursor, until = None, now
        for _ in range(PAGES_MAX if places else 0):
            page = self._till.changed(seller, places, one.read_until - OVERLAP, cursor)
            if not isinstance(page, Ok):
                self._database.run(lambda session: self._late(session, one, page, now))  # noqa: B023 - called at once
                return
            orders, cursor = page.value.orders, page.value.cursor
            self._database.run(lambda session: _take_in_missed(session, one, orders, now))  # noqa: B023 - called at once
            if cursor is None:
                break
            until = orders[-1].changed_at if orders else until
        self._database.run(lambda session: _kept(session, one, min(until, now), now))

    def _part(self, session: Session, one: _Kept, said: Outcome[None], now: datetime) -> None:
        link = locked(session, one.link_id)
        if link.leased_until != one.until:
            return
        if isinstance(said, Ok) or link.attempts >= FAREWELLS_MAX:
            link.next_at = link.leased_until = None
            return
        self._put_off(link, said, now)


def _mine(session: Session, one: _Kept) -> TillLink | None:
    """Return a link as long as it is active and the turn is ours."""
    link = locked(session, one.link_id)
    return link if link.state == TillState.ACTIVE and link.leased_until == one.until else None


def _is_old(link: TillLink, now: datetime) -> bool:
    """Whether a token is to be renewed: halfway through its life, and after a week at the latest."""
    life = (link.good_until or link.tokens_at) - link.tokens_at
    return now >= link.tokens_at + min(life / 2, RENEWED_AFTER)


def _take_in_places(session: Session, link_id: UUID, places: Sequence[Place], now: datetime) -> None:
    """Note the locations of a seller; where there is one of each, it is the merchant's only place."""
    link = locked(session, link_id)
    mine = (
        TillLocation.merchant_id == link.merchant_id,
        TillLocation.provider == link.provider,
        TillLocation.account == link.account,
    )
    known = {one.external_id: one for one in session.scalars(select(TillLocation).where(*mine))}
    sites = session.scalars(
        select(MerchantSite.id).where(MerchantSite.merchant_id == link.merchant_id).limit(2)
    ).all()
    only = sites[0] if len(sites) == len(places) == 1 else None
    for place in places:
        row = known.get(place.external_id)
        if row is None:
            row = TillLocation(
                id=new_id(),
                merchant_id=link.merchant_id,
                provider=link.provider,
                account=link.account,
                external_id=place.external_id,
                site_id=only,
            )
            session.add(row)
        row.name, row.seen_at = place.name, now


def _take_in_missed(session: Session, one: _Kept, orders: Sequence[Sale], now: datetime) -> None:
    link = _mine(session, one)
    if link is None:
        return
    for sale in orders:
        row = follow_order(session, link, sale.external_id, now)
        if row is None:
            continue
        is_other = row.version != sale.version or row.changed_at != sale.changed_at
        if is_other and is_newer(row, sale.version, sale.changed_at):
            tell_of(row, now)
        for name in sale.refunds:
            follow_refund(session, row.id, name, now)


def _kept(session: Session, one: _Kept, read_until: datetime, now: datetime) -> None:
    link = _mine(session, one)
    if link is not None:
        link.read_until, link.next_at = max(link.read_until, read_until), now + KEPT_EVERY
        link.trouble, link.attempts, link.leased_until = None, 0, None
