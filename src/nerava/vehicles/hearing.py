"""What a provider tells by itself about cars: what they say, and that they cannot be read any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from nerava.inbound.events import Handled
from nerava.vehicles.links import break_off, is_on_the_way, mend
from nerava.vehicles.model import VehicleLink
from nerava.vehicles.ports import Signal  # noqa: TC001 - read by dataclasses
from nerava.vehicles.signals import take_in
from nerava.vehicles.states import LinkState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.identity.factors import Tell
    from nerava.platform.db import Database
    from nerava.vehicles.ports import Sink


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a car cannot be read, or no longer why.

    Attributes:
        code: As in a refusal of a reading.
        is_over: It could not, and now it can.
    """

    code: str
    is_over: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """One message about one car.

    Attributes:
        is_live: False for what is only tried out; it changes nothing.
    """

    provider: str
    account: str
    external_id: str
    is_live: bool
    signals: Sequence[Signal] = ()
    troubles: Sequence[Trouble] = ()


class Hearing:
    """Works on what a provider tells. Safe to share between threads and processes."""

    def __init__(self, database: Database, sink: Sink, tell: Tell) -> None:
        self._database = database
        self._sink = sink
        self._tell = tell

    def take(self, notice: Notice, now: datetime) -> Handled:
        """Work on a message; safe in any order and any number of times."""
        if not notice.is_live:
            return Handled.IGNORED
        return self._database.run(lambda session: self._take(session, notice, now))

    def _take(self, session: Session, notice: Notice, now: datetime) -> Handled:
        query = (
            select(VehicleLink)
            .where(
                VehicleLink.provider == notice.provider,
                VehicleLink.account == notice.account,
                VehicleLink.external_id == notice.external_id,
                VehicleLink.state != LinkState.ENDED.value,
            )
            .order_by(VehicleLink.id)
            .with_for_update(key_share=True)
        )
        links = session.scalars(query.execution_options(populate_existing=True)).all()
        if not links:
            faster = is_on_the_way(session, notice.provider, notice.account)
            return Handled.LATER if faster else Handled.IGNORED
        for link in links:
            for trouble in notice.troubles:
                if trouble.is_over:
                    mend(session, link, self._tell, now)
                else:
                    break_off(session, link, trouble.code, self._tell, now)
            if notice.signals:
                take_in(session, link, notice.signals, self._sink, now)
        return Handled.DONE
