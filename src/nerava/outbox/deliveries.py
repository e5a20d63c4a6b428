"""What endpoints are to be told: queued from the events, looked up, sent again, and forgotten."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import and_, delete, or_, select, update

from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id
from nerava.outbox.catalogue import TOLD, EndpointEvent
from nerava.outbox.consumers import events_after, move_on, take_turn
from nerava.outbox.endpoints import EndpointDisabled, find, look_up
from nerava.outbox.webhook_store import (
    DeliveryState,
    EndpointState,
    OwnerKind,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
)
from nerava.platform.db.bulk import BulkInsert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from nerava.outbox.consumers import Told
    from nerava.outbox.endpoints import Owner

READER: Final = "webhooks"
AT_ONCE: Final = 500
KEPT: Final = timedelta(days=30)
REMOVED_AT_ONCE: Final = 5_000
REPLAYED_AT_ONCE: Final = 10_000
_OVER: Final = (DeliveryState.FAILED.value, DeliveryState.STOPPED.value)
_LEAVES: Final = frozenset(TOLD)
_COLUMNS: Final = (
    "id",
    "endpoint_id",
    "event_id",
    "position",
    "type",
    "body",
    "state",
    "attempts",
    "since",
    "next_at",
    "made_at",
    "ended_at",
    "traceparent",
)
_TABLE: Final[Any] = WebhookDelivery.__table__
_NEW: Final = BulkInsert(_TABLE, _COLUMNS, if_new=True)


class UnknownDelivery(NeravaError):
    """Nothing was to be told to this endpoint under this id, or it is older than 30 days."""

    code = "unknown-webhook-delivery"
    status = HTTPStatus.NOT_FOUND
    title = "No such delivery"


def fan_out(session: Session, now: datetime) -> int:
    """Queue the next events for the endpoints that want them; return how many events were looked at.

    In one transaction with the reader's position, so each event is queued once for each endpoint.
    """
    reading = take_turn(session, READER, now)
    if reading is None:
        return 0
    events = events_after(session, reading.position, AT_ONCE)
    told = [one for one in events if one.type in _LEAVES]
    queued = list(_pairs(told, _endpoints_of(session, told)))
    _NEW.run(session, [_row(event, endpoint, now) for event, endpoint in queued])
    awake = {one.id for _, one in queued if one.state == EndpointState.ENABLED.value}
    wake(session, awake, now)
    move_on(session, reading, events[-1].position if events else reading.position, now)
    return len(events)


def wake(session: Session, endpoint_ids: Iterable[UUID], now: datetime, *, at_once: bool = False) -> None:
    """Have endpoints looked at; one that fails is left its pause, unless its owner wants it `at_once`."""
    ids = list(endpoint_ids)
    if not ids:
        return
    idle = or_(WebhookEndpoint.next_at.is_(None), WebhookEndpoint.next_at > now)
    waiting = update(WebhookEndpoint).where(WebhookEndpoint.id.in_(ids), idle)
    if not at_once:
        # A new event must not make a failing endpoint busier than an old one.
        waiting = waiting.where(or_(WebhookEndpoint.next_at.is_(None), WebhookEndpoint.failures == 0))
    session.execute(waiting.values(next_at=now), execution_options={"synchronize_session": False})


def send_test(session: Session, owner: Owner, endpoint_id: UUID, now: datetime) -> WebhookDelivery:
    """Queue a test for an endpoint and return it.

    Raises:
        UnknownEndpoint: The owner has no such endpoint (404).
        EndpointDisabled: Nothing is sent there (409).
    """
    _enabled(session, owner, endpoint_id)
    event = EndpointEvent(state="tested", endpoint_id=endpoint_id)
    delivery = WebhookDelivery(
        id=new_id(),
        endpoint_id=endpoint_id,
        event_id=new_id(),
        position=0,
        type=event.type,
        body=body_of(event.type, event.version, 0, event.model_dump(mode="json"), now),
        state=DeliveryState.WAITING.value,
        attempts=0,
        since=now,
        next_at=now,
        made_at=now,
    )
    session.add(delivery)
    wake(session, [endpoint_id], now, at_once=True)
    session.flush()
    return delivery


def replay_one(
    session: Session, owner: Owner, endpoint_id: UUID, delivery_id: UUID, now: datetime
) -> WebhookDelivery:
    """Send something again from the beginning of the schedule, under the same id. Repeats safely.

    Raises:
        UnknownEndpoint, UnknownDelivery: The owner has no such thing (404).
        EndpointDisabled: Nothing is sent there (409).
    """
    delivery = delivery_of(session, owner, endpoint_id, delivery_id)
    _enabled(session, owner, endpoint_id)
    _again(session, now, WebhookDelivery.id == delivery_id)
    wake(session, [endpoint_id], now, at_once=True)
    session.refresh(delivery)
    return delivery


def replay_since(session: Session, owner: Owner, endpoint_id: UUID, since: datetime, now: datetime) -> int:
    """Send again what an endpoint missed since an instant; return how much it is, 10,000 at most.

    Missed is what had every attempt and what happened while it was disabled.

    Raises:
        UnknownEndpoint: The owner has no such endpoint (404).
        EndpointDisabled: Nothing is sent there (409).
    """
    _enabled(session, owner, endpoint_id)
    missed = (
        select(WebhookDelivery.id)
        .where(
            WebhookDelivery.endpoint_id == endpoint_id,
            WebhookDelivery.state.in_(_OVER),
            WebhookDelivery.made_at >= since,
        )
        .order_by(WebhookDelivery.id)
        .limit(REPLAYED_AT_ONCE)
    )
    again = _again(session, now, WebhookDelivery.id.in_(missed))
    if again:
        wake(session, [endpoint_id], now, at_once=True)
    return again


def delivery_of(session: Session, owner: Owner, endpoint_id: UUID, delivery_id: UUID) -> WebhookDelivery:
    """Return a delivery of an owner's endpoint.

    Raises:
        UnknownEndpoint, UnknownDelivery: The owner has no such thing (404).
    """
    look_up(session, owner, endpoint_id)
    query = select(WebhookDelivery).where(
        WebhookDelivery.endpoint_id == endpoint_id, WebhookDelivery.id == delivery_id
    )
    found = session.scalars(query).one_or_none()
    if found is None:
        raise UnknownDelivery
    return found


def deliveries(
    session: Session,
    endpoint_id: UUID,
    *,
    state: DeliveryState | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> Sequence[WebhookDelivery]:
    """Return what an endpoint was to be told, the latest first."""
    query = select(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint_id)
    query = query if state is None else query.where(WebhookDelivery.state == state.value)
    query = query if before is None else query.where(WebhookDelivery.id < before)
    return session.scalars(query.order_by(WebhookDelivery.id.desc()).limit(limit)).all()


def attempts_of(session: Session, delivery_id: UUID) -> Sequence[WebhookAttempt]:
    """Return the attempts of a delivery, the first one first."""
    query = select(WebhookAttempt).where(WebhookAttempt.delivery_id == delivery_id)
    return session.scalars(query.order_by(WebhookAttempt.id)).all()


def forget_old(session: Session, now: datetime) -> int:
    """Remove deliveries that are over and older than 30 days, 5,000 at most, and endpoints nobody has."""
    old = (
        select(WebhookDelivery.id)
        .where(WebhookDelivery.made_at <= now - KEPT, WebhookDelivery.state != DeliveryState.WAITING.value)
        .order_by(WebhookDelivery.made_at)
        .limit(REMOVED_AT_ONCE)
    )
    unlogged = delete(WebhookAttempt).where(WebhookAttempt.delivery_id.in_(old))
    session.execute(unlogged, execution_options={"synchronize_session": False})
    gone = delete(WebhookDelivery).where(WebhookDelivery.id.in_(old)).returning(WebhookDelivery.id)
    removed = len(session.execute(gone, execution_options={"synchronize_session": False}).all())
    ended = delete(WebhookEndpoint).where(
        WebhookEndpoint.state == EndpointState.REMOVED.value,
        WebhookEndpoint.ended_at <= now - KEPT,
        ~select(WebhookDelivery.id).where(WebhookDelivery.endpoint_id == WebhookEndpoint.id).exists(),
    )
    session.execute(ended, execution_options={"synchronize_session": False})
    return removed


def body_of(kind: str, version: int, position: int, data: object, happened_at: datetime) -> str:
    """Return what is sent about an event: thin, ids and states; of two the greater sequence is newer."""
    told: dict[str, object] = {
        "type": kind,
        "timestamp": happened_at.isoformat(),
        "version": version,
        "sequence": position,
        "data": data,
    }
    return orjson.dumps(told).decode()


def _enabled(session: Session, owner: Owner, endpoint_id: UUID) -> None:
    if find(session, owner, endpoint_id).state != EndpointState.ENABLED.value:
        raise EndpointDisabled


def _again(session: Session, now: datetime, which: ColumnElement[bool]) -> int:
    renewed = {
        "state": DeliveryState.WAITING.value,
        "attempts": 0,
        "since": now,
        "next_at": now,
        "ended_at": None,
    }
    change = update(WebhookDelivery).where(which).values(renewed).returning(WebhookDelivery.id)
    return len(session.execute(change, execution_options={"synchronize_session": False}).all())


def _endpoints_of(session: Session, events: Iterable[Told]) -> Sequence[WebhookEndpoint]:
    owners: dict[OwnerKind, set[UUID]] = {kind: set() for kind in OwnerKind}
    for one in events:
        for kind in OwnerKind:
            owner_id = _party(one, kind)
            if owner_id is not None:
                owners[kind].add(owner_id)
    wanted = [
        and_(WebhookEndpoint.owner_kind == kind.value, WebhookEndpoint.owner_id.in_(ids))
        for kind, ids in owners.items()
        if ids
    ]
    if not wanted:
        return ()
    query = select(WebhookEndpoint).where(or_(*wanted), WebhookEndpoint.state != EndpointState.REMOVED.value)
    # One that is being removed is waited for, so that nothing is queued which nobody would ever bring.
    return session.scalars(
        query.order_by(WebhookEndpoint.id).with_for_update(read=True, key_share=True)
    ).all()


def _party(event: Told, kind: OwnerKind) -> UUID | None:
    return {
        OwnerKind.PARTNER: event.partner_id,
        OwnerKind.MERCHANT: event.merchant_id,
        OwnerKind.SPONSOR: event.sponsor_id,
    }[kind]


def _pairs(
    events: Iterable[Told], endpoints: Sequence[WebhookEndpoint]
) -> Iterator[tuple[Told, WebhookEndpoint]]:
    for event in events:
        for endpoint in endpoints:
            is_theirs = _party(event, OwnerKind(endpoint.owner_kind)) == endpoint.owner_id
            if is_theirs and (not endpoint.types or event.type in endpoint.types):
                yield event, endpoint


def _row(event: Told, endpoint: WebhookEndpoint, now: datetime) -> tuple[Any, ...]:
    waits = endpoint.state == EndpointState.ENABLED.value
    state = DeliveryState.WAITING if waits else DeliveryState.STOPPED
    return (
        new_id(),
        endpoint.id,
        event.id,
        event.position,
        event.type,
        body_of(event.type, event.version, event.position, event.data, event.happened_at),
        state.value,
        0,
        now,
        now if waits else None,
        now,
        None if waits else now,
        event.traceparent,
    )
