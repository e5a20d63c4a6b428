"""Links between drivers and cars: made, looked at, broken, mended, decided about, ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import delete, func, select, update

from nerava.kernel.ids import new_id
from nerava.vehicles.errors import LinkNotInReview, UnknownVehicleLink
from nerava.vehicles.model import (
    Vehicle,
    VehicleConnect,
    VehicleFarewell,
    VehicleLink,
    VehicleSignal,
    VehicleToken,
)
from nerava.vehicles.notices import broken_text, ended_text, mended_text, name_of
from nerava.vehicles.states import HOLDING, LinkEnd, LinkState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from nerava.identity.factors import Tell

UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class SignalView:
    """One thing that a car said last; `at` is the maker's time, aware UTC."""

    code: str
    value: Any
    trouble: str | None
    at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True)
class LinkView:
    """A link as its driver or ops sees it."""

    id: UUID
    driver_id: UUID
    make: str
    model: str
    year: int | None
    provider: str
    mode: str
    state: LinkState
    trouble: str | None
    consented_at: datetime
    heard_at: datetime | None
    signals: tuple[SignalView, ...] = ()


def links_of(session: Session, driver_id: UUID) -> list[LinkView]:
    """Return a driver's links that are not over, the oldest first, with what the cars said last."""
    query = _viewed().where(VehicleLink.driver_id == driver_id, VehicleLink.state != LinkState.ENDED.value)
    rows = [(row[0], row[1]) for row in session.execute(query.order_by(VehicleLink.id))]
    told: dict[UUID, list[SignalView]] = {}
    ids = [link.id for link, _ in rows]
    signals = select(VehicleSignal).where(VehicleSignal.link_id.in_(ids)).order_by(VehicleSignal.code)
    for one in session.scalars(signals):
        shown = SignalView(one.code, one.body.get("value"), one.trouble, one.at, one.received_at)
        told.setdefault(one.link_id, []).append(shown)
    return [_view(link, car, tuple(told.get(link.id, ()))) for link, car in rows]


def links_in_review(session: Session, limit: int) -> list[LinkView]:
    """Return links that wait for a person, the oldest first."""
    query = _viewed().where(VehicleLink.state == LinkState.REVIEW.value).order_by(VehicleLink.id)
    return [_view(row[0], row[1]) for row in session.execute(query.limit(limit))]


def locked(session: Session, link_id: UUID) -> VehicleLink:
    """Return a link, locked.

    Raises:
        UnknownVehicleLink: There is none (404).
    """
    query = select(VehicleLink).where(VehicleLink.id == link_id).with_for_update(key_share=True)
    link = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if link is None:
        raise UnknownVehicleLink
    return link


def end_own(session: Session, driver_id: UUID, link_id: UUID, now: datetime) -> None:
    """End a driver's link; the provider is told by a job. Repeats safely.

    Raises:
        UnknownVehicleLink: The driver has no such link (404).
    """
    link = locked(session, link_id)
    if link.driver_id != driver_id:
        raise UnknownVehicleLink
    end(session, link, LinkEnd.BY_DRIVER, now)


def end(session: Session, link: VehicleLink, because: LinkEnd, now: datetime) -> None:
    """End a link and forget what its car said. Repeats safely."""
    if link.state == LinkState.ENDED:
        return
    link.state, link.ended_at, link.ended_because = LinkState.ENDED.value, now, because.value
    link.next_at = link.leased_until = None
    session.execute(delete(VehicleSignal).where(VehicleSignal.link_id == link.id))
    session.flush()
    others = select(VehicleLink.id).where(
        VehicleLink.provider == link.provider,
        VehicleLink.account == link.account,
        VehicleLink.state != LinkState.ENDED.value,
    )
    same_car = others.where(VehicleLink.external_id == link.external_id)
    if because is not LinkEnd.AT_PROVIDER and session.scalar(same_car.limit(1)) is None:
        session.add(
            VehicleFarewell(
                id=new_id(),
                provider=link.provider,
                account=link.account,
                external_id=link.external_id,
                next_at=now,
                created_at=now,
            )
        )


def break_off(session: Session, link: VehicleLink, trouble: str, tell: Tell, now: datetime) -> None:
    """Note that a car cannot be read until its driver connects it again; tells them once."""
    if link.state not in {LinkState.ACTIVE, LinkState.REVIEW}:
        return
    if link.state == LinkState.ACTIVE:
        link.state = LinkState.BROKEN.value
        tell(session, link.user_id, broken_text(_name(session, link), trouble), now)
    link.trouble, link.next_at, link.leased_until = trouble[:80], None, None


def mend(session: Session, link: VehicleLink, tell: Tell, now: datetime) -> None:
    """Note that a car can be read again; tells its driver once."""
    if link.state == LinkState.BROKEN:
        link.state, link.trouble, link.next_at, link.attempts = LinkState.ACTIVE.value, None, now, 0
        tell(session, link.user_id, mended_text(_name(session, link)), now)


def end_at_provider(session: Session, link: VehicleLink, tell: Tell, now: datetime) -> None:
    """Note that the connection is over at the provider; tells the driver once."""
    if link.state != LinkState.ENDED:
        tell(session, link.user_id, ended_text(_name(session, link)), now)
        end(session, link, LinkEnd.AT_PROVIDER, now)


def decide(session: Session, link_id: UUID, *, accepted: bool, now: datetime) -> None:
    """Record a person's decision about a link in review: it gets the car, or it ends.

    Who had the car until now loses it, so that no two accounts earn by one.

    Raises:
        UnknownVehicleLink: There is no such link (404).
        LinkNotInReview: It is decided already (409).
    """
    link = locked(session, link_id)
    if link.state != LinkState.REVIEW:
        raise LinkNotInReview(state=link.state)
    if not accepted:
        end(session, link, LinkEnd.BY_OPS, now)
        return
    for holder in holders(session, link.vehicle_id):
        end(session, holder, LinkEnd.BY_OPS, now)
    link.state, link.trouble, link.next_at = LinkState.ACTIVE.value, None, now


def holders(session: Session, vehicle_id: UUID) -> Sequence[VehicleLink]:
    """Return the link that holds a car, locked; none or one."""
    query = select(VehicleLink).where(VehicleLink.vehicle_id == vehicle_id, VehicleLink.state.in_(HOLDING))
    return session.scalars(query.with_for_update(key_share=True)).all()


def let_go(session: Session, driver_ids: Sequence[UUID], now: datetime) -> None:
    """End every link of people who are being erased, and make their cars nobody's.

    The rows themselves are the caller's to delete. Tokens go; the provider is told by a job.
    """
    # Their keys, too, as they are deleted next.
    mine = select(VehicleLink).where(VehicleLink.driver_id.in_(driver_ids)).with_for_update()
    links = session.scalars(mine.order_by(VehicleLink.id)).all()
    for link in links:
        end(session, link, LinkEnd.BY_DRIVER, now)
    cars = {link.vehicle_id for link in links}
    others = select(VehicleLink.vehicle_id).where(
        VehicleLink.vehicle_id.in_(cars), VehicleLink.driver_id.not_in(driver_ids)
    )
    blank = {"vin_ix": None, "make": UNKNOWN, "model": UNKNOWN, "year": None}
    session.execute(
        update(Vehicle).where(Vehicle.id.in_(cars), Vehicle.id.not_in(others)).values(**blank),
        execution_options={"synchronize_session": False},
    )
    users = {link.user_id for link in links}
    session.execute(delete(VehicleToken).where(VehicleToken.user_id.in_(users)))


def is_on_the_way(session: Session, provider: str, account: str) -> bool:
    """Whether somebody has come back from this account and is not looked at yet."""
    waiting = select(func.count()).where(
        VehicleConnect.provider == provider,
        VehicleConnect.account == account,
        VehicleConnect.next_at.is_not(None),
    )
    return bool(session.scalar(waiting))


def _name(session: Session, link: VehicleLink) -> str:
    car = session.get(Vehicle, link.vehicle_id)
    return "car" if car is None else name_of(car.make, car.model)


def _viewed() -> Any:  # noqa: ANN401 - a query of two mapped classes
    return select(VehicleLink, Vehicle).join(Vehicle, Vehicle.id == VehicleLink.vehicle_id)


def _view(link: VehicleLink, car: Vehicle, signals: tuple[SignalView, ...] = ()) -> LinkView:
    return LinkView(
        link.id,
        link.driver_id,
        car.make,
        car.model,
        car.year,
        link.provider,
        link.mode,
        LinkState(link.state),
        link.trouble,
        link.consented_at,
        link.heard_at,
        signals,
    )
