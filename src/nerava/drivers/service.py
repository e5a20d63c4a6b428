"""What may be done with drivers: make them known, and take turns with each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from nerava.drivers.errors import UnknownDriver
from nerava.drivers.model import Driver
from nerava.kernel.ids import new_id
from nerava.ledger.chart import driver_nova_account
from nerava.platform.db.bulk import BulkInsert

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import Session

    from nerava.ledger import Ledger

_TABLE: Any = Driver.__table__
_INSERT = BulkInsert(_TABLE, ("id", "reference", "created_at"), if_new=True)


def register(session: Session, ledger: Ledger, references: Iterable[str], now: datetime) -> dict[str, UUID]:
    """Make drivers known, with an account for their points, and return their ids by reference.

    A reference is the opaque name by which a source knows a person, at most 200 characters. Set
    based and safe to repeat: a driver who is known keeps the id.
    """
    # In one order, so that two callers with the same people wait for each other and never in a ring.
    wanted = sorted(set(references))
    known = find(session, wanted)
    fresh = {reference: new_id() for reference in wanted if reference not in known}
    if not fresh:
        return known
    _INSERT.run(session, [(driver_id, reference, now) for reference, driver_id in fresh.items()])
    # Another one may have been faster with some of them; what the table says counts.
    known |= find(session, list(fresh))
    ledger.open(session, [driver_nova_account(known[reference]) for reference in fresh])
    return known


def find(session: Session, references: list[str]) -> dict[str, UUID]:
    """Return the ids of the drivers who are known by these references."""
    query = select(_TABLE.c.reference, _TABLE.c.id).where(_TABLE.c.reference.in_(references))
    return {row.reference: row.id for row in session.execute(query)}


def require(session: Session, driver_id: UUID) -> None:
    """Make sure that a driver is known.

    Raises:
        UnknownDriver: No driver has this id (404).
    """
    if session.scalar(select(_TABLE.c.id).where(_TABLE.c.id == driver_id)) is None:
        raise UnknownDriver(f"no driver {driver_id}")


def taking_turns(claim: Select[Any], driver_id: ColumnElement[UUID], *locked: Any) -> Select[Any]:  # noqa: ANN401 - tables or mapped classes
    """Return a claiming query that also locks the driver of each row, and waits for nobody.

    Rows whose driver another worker is busy with are left out, so what one driver was granted
    before is read and added to by one worker at a time. Nobody ever waits for a driver's lock,
    so it cannot be part of a deadlock, whatever is locked after it.
    """
    joined = claim.join(Driver, Driver.id == driver_id)
    return joined.with_for_update(of=[*locked, Driver], skip_locked=True, key_share=True)
