"""Links between merchants and their points of sale: looked at, their tokens sealed, broken, ended."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import select, update

from nerava.audit import ActorKind, Entry
from nerava.kernel.errors import NeravaError
from nerava.merchants.service import site
from nerava.platform.vault import Place as SealedPlace
from nerava.tills.errors import UnknownTill, UnknownTillLocation
from nerava.tills.model import TillLink, TillLocation, TillOrder, TillProof, TillRefund
from nerava.tills.ports import Seller
from nerava.tills.states import ProofState, Reason, TillEnd, TillState

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.platform.vault import Vault
    from nerava.tills.ports import TillTokens

log = logging.getLogger(__name__)

UNREADABLE: Final = "tokens-unreadable"


@dataclass(frozen=True, slots=True)
class LocationView:
    """A location at a provider, and which place of the merchant it is."""

    id: UUID
    name: str
    site_id: UUID | None


@dataclass(frozen=True, slots=True)
class TillView:
    """A link as its merchant sees it."""

    id: UUID
    provider: str
    account: str
    state: TillState
    trouble: str | None
    linked_at: datetime
    locations: tuple[LocationView, ...]


def tills_of(session: Session, merchant_id: UUID) -> list[TillView]:
    """Return a merchant's links that are not over, the first linked first."""
    mine = TillLink.merchant_id == merchant_id, TillLink.state != TillState.ENDED.value
    links = session.scalars(select(TillLink).where(*mine).order_by(TillLink.id)).all()
    query = select(TillLocation).where(TillLocation.merchant_id == merchant_id).order_by(TillLocation.name)
    known = session.scalars(query).all()
    return [
        TillView(
            link.id,
            link.provider,
            link.account,
            TillState(link.state),
            link.trouble,
            link.linked_at,
            tuple(
                LocationView(one.id, one.name, one.site_id)
                for one in known
                if (one.provider, one.account) == (link.provider, link.account)
            ),
        )
        for link in links
    ]


def locate(session: Session, merchant_id: UUID, location_id: UUID, site_id: UUID | None) -> LocationView:
    """Say which place of the merchant a location is; None for none of them. Repeats safely.

    Raises:
        UnknownTillLocation: The merchant's points of sale have no such location (404).
        UnknownSite: The merchant has no such place (404).
    """
    if site_id is not None:
        site(session, merchant_id, site_id)
    mine = TillLocation.id == location_id, TillLocation.merchant_id == merchant_id
    row = session.scalars(select(TillLocation).where(*mine).with_for_update()).one_or_none()
    if row is None:
        raise UnknownTillLocation
    row.site_id = site_id
    return LocationView(row.id, row.name, row.site_id)


def locked(session: Session, link_id: UUID) -> TillLink:
    """Return a link, locked.

    Raises:
        UnknownTill: There is none (404).
    """
    query = select(TillLink).where(TillLink.id == link_id).with_for_update(key_share=True)
    link = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if link is None:
        raise UnknownTill
    return link


def link_of(session: Session, provider: str, account: str) -> TillLink | None:
    """Return the link of an account that is not over, locked; None where there is none."""
    query = select(TillLink).where(
        TillLink.provider == provider, TillLink.account == account, TillLink.state != TillState.ENDED.value
    )
    found = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    return session.scalars(found).one_or_none()


def seal(session: Session, vault: Vault, link: TillLink, tokens: TillTokens, now: datetime) -> None:
    """Keep the tokens of a link in place of older ones."""
    plain = json.dumps({"access": tokens.access, "refresh": tokens.refresh}).encode()
    link.sealed = vault.encrypt(session, _owner(link), _place(link), plain, now)
    link.generation, link.tokens_at, link.good_until = link.generation + 1, now, tokens.good_until


def opened(session: Session, vault: Vault, link: TillLink) -> tuple[Seller, str] | None:
    """Return whom to ask for with which token, and what gets the next; None when they do not open."""
    try:
        read = json.loads(vault.decrypt(session, _owner(link), _place(link), link.sealed or b""))
    except NeravaError as error:
        log.error("the tokens of a point of sale do not open: %s", error.code)  # noqa: TRY400 - the code says it all
        return None
    return Seller(link.account, read["access"]), read["refresh"]


def break_off(session: Session, link: TillLink, trouble: str) -> None:
    """Read nothing more until somebody links it again."""
    if link.state == TillState.ACTIVE:
        link.state, link.trouble = TillState.BROKEN.value, trouble[:80]
        link.next_at = link.leased_until = None
        _forget_what_is_due(session, link)


def end(session: Session, link: TillLink, because: TillEnd, now: datetime) -> None:
    """End a link at once: its tokens are gone, nothing of it is read any more. Repeats safely.

    Redemptions that wait for an order of it stand as they were taken by their code.
    """
    if link.state == TillState.ENDED:
        return
    link.state, link.ended_at, link.ended_because = TillState.ENDED.value, now, because.value
    link.sealed = link.good_until = link.leased_until = None
    link.next_at = now if because is TillEnd.BY_MERCHANT else None
    link.attempts = 0
    _forget_what_is_due(session, link)
    session.flush()
    if not is_linked(session, link.merchant_id):
        waiting = TillProof.merchant_id == link.merchant_id, TillProof.state == ProofState.WAITING.value
        over = {"state": ProofState.UNPROVED.value, "reason": Reason.LINK_ENDED.value, "next_at": None}
        session.execute(update(TillProof).where(*waiting).values(over))


def end_own(session: Session, merchant_id: UUID, link_id: UUID, now: datetime) -> bool:
    """End a merchant's link at once and return whether it was not over; the provider is told by a job.

    Repeats safely.

    Raises:
        UnknownTill: The merchant has no such link (404).
    """
    link = locked(session, link_id)
    if link.merchant_id != merchant_id:
        raise UnknownTill
    was_there = link.state != TillState.ENDED
    end(session, link, TillEnd.BY_MERCHANT, now)
    return was_there


def is_linked(session: Session, merchant_id: UUID) -> bool:
    """Whether a merchant has a link that is not over."""
    mine = TillLink.merchant_id == merchant_id, TillLink.state != TillState.ENDED.value
    return session.scalar(select(TillLink.id).where(*mine).limit(1)) is not None


def told_by_itself(link: TillLink, action: str, reason: str | None) -> Entry:
    """Return what the audit log says of something that nobody did here."""
    return Entry(
        actor_kind=ActorKind.SYSTEM,
        actor_id="tills",
        action=action,
        object_kind=TillLink.__tablename__,
        object_id=str(link.id),
        reason=reason,
        tenant_id=link.merchant_id,
    )


def _forget_what_is_due(session: Session, link: TillLink) -> None:
    """Read nothing of an account; once it is linked again, what changed since is looked up."""
    mine = TillOrder.provider == link.provider, TillOrder.account == link.account
    idle: dict[str, Any] = {"next_at": None, "leased_until": None}
    session.execute(update(TillOrder).where(*mine, TillOrder.next_at.is_not(None)).values(idle))
    orders = select(TillOrder.id).where(*mine)
    due = TillRefund.order_id.in_(orders), TillRefund.next_at.is_not(None)
    session.execute(update(TillRefund).where(*due).values(idle).execution_options(synchronize_session=False))


def _owner(link: TillLink) -> str:
    return f"merchant:{link.merchant_id}"


def _place(link: TillLink) -> SealedPlace:
    return SealedPlace(TillLink.__tablename__, "sealed", link.id)
