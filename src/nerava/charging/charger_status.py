"""What operators say of their chargers, and whether it agrees with a car that says it charges there."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from nerava.charging.model import Connector, Evse
from nerava.charging.telemetry_store import ChargerStatus
from nerava.kernel.ids import new_id

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

TOLERANCE: Final = timedelta(minutes=10)
"""Two clocks, and two ways to us, may differ by so much about one plug."""

KNOWN_FOR: Final = timedelta(hours=24)
"""What was said longer ago says nothing about now."""


class Agreement(StrEnum):
    """What the chargers of a place say to a car's word."""

    AGREES = "agrees"
    IDLE = "idle"
    """All that is known says that none was in use."""
    UNKNOWN = "unknown"


class Witness(NamedTuple):
    """The answer, and the only connector of the only charger that it can have been, where there is one."""

    agreement: Agreement
    connector_id: UUID | None = None


def note_status(session: Session, evse_id: UUID, *, in_use: bool, at: datetime, source: str) -> None:
    """Keep what an operator says of an EVSE from an instant on. The same instant again changes nothing."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    row = {"id": new_id(), "evse_id": evse_id, "at": at, "in_use": in_use, "source": source}
    session.execute(dialect.insert(ChargerStatus).values(row).on_conflict_do_nothing())


def witness(session: Session, location_id: UUID, started_at: datetime, ended_at: datetime) -> Witness:
    """Return whether a charger of the place came into use when a car began, and stayed so until it ended.

    One that was in use long before belongs to somebody else, and one that is free before the car
    has ended as well.
    """
    query = (
        select(ChargerStatus.evse_id, ChargerStatus.at, ChargerStatus.in_use)
        .join(Evse, Evse.id == ChargerStatus.evse_id)
        .where(
            Evse.location_id == location_id,
            ChargerStatus.at >= started_at - KNOWN_FOR,
            ChargerStatus.at <= ended_at + TOLERANCE,
        )
        .order_by(ChargerStatus.evse_id, ChargerStatus.at)
    )
    said: dict[UUID, list[tuple[datetime, bool]]] = {}
    for row in session.execute(query):
        said.setdefault(row.evse_id, []).append((row.at, row.in_use))
    if not said:
        return Witness(Agreement.UNKNOWN)
    agreeing = [evse_id for evse_id, states in said.items() if _covers(states, started_at, ended_at)]
    if agreeing:
        connectors = session.scalars(select(Connector.id).where(Connector.evse_id.in_(agreeing))).all()
        return Witness(Agreement.AGREES, connectors[0] if len(connectors) == 1 else None)
    used = any(_used_within(states, started_at, ended_at) for states in said.values())
    return Witness(Agreement.UNKNOWN if used else Agreement.IDLE)


def _covers(states: list[tuple[datetime, bool]], started_at: datetime, ended_at: datetime) -> bool:
    for number, (at, in_use) in enumerate(states):
        if not in_use or abs(at - started_at) > TOLERANCE:
            continue
        freed = next((later for later, used in states[number + 1 :] if not used), None)
        if freed is None or freed >= ended_at - TOLERANCE:
            return True
    return False


def _used_within(states: list[tuple[datetime, bool]], started_at: datetime, ended_at: datetime) -> bool:
    before = [in_use for at, in_use in states if at <= started_at]
    return bool(before and before[-1]) or any(
        in_use for at, in_use in states if started_at - TOLERANCE <= at <= ended_at
    )
