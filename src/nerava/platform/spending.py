"""A cap on what the calls to a provider may cost in a day, over all processes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError

from nerava.kernel.errors import NeravaError
from nerava.platform.db.bulk import BulkInsert
from nerava.platform.spending_store import ProviderCostDay

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.platform.db import Database

log = logging.getLogger(__name__)

MILLICENTS_IN_CENT: Final = 1_000
_TABLE: Final[Any] = ProviderCostDay.__table__
_NEW: Final = BulkInsert(_TABLE, ("provider", "day", "cost_millicents", "calls"), if_new=True)


class DailyCap:
    """Counts costs before they arise, and says no when the day has had enough. Safe to share between threads.

    Args:
        cap_minor: Minor units of the provider's currency that all calls of a day (UTC) may cost.
    """

    def __init__(self, database: Database, cap_minor: int) -> None:
        self._database = database
        self._cap_millicents = cap_minor * MILLICENTS_IN_CENT
        self._told_on = ""

    def take(self, provider: str, cost_millicents: int, now: datetime) -> bool:
        """Count a call; False, and nothing counted, when it would go over the cap, or nobody can tell.

        A call without costs is not counted.
        """
        if not cost_millicents:
            return True
        day = now.date().isoformat()
        try:
            taken = self._database.run(
                lambda session: self._take(session, provider, day, cost_millicents), repeatable=False
            )
        except (NeravaError, SQLAlchemyError) as error:
            log.warning("what calls to %s cost cannot be counted: %s", provider, type(error).__name__)
            return False
        if not taken and self._told_on != day:
            log.error("calls to %s have cost what they may cost in a day; no more are made", provider)
            self._told_on = day
        return taken

    def _take(self, session: Session, provider: str, day: str, cost: int) -> bool:
        _NEW.run(session, [(provider, day, 0, 0)])
        counted = (
            update(_TABLE)
            .where(_TABLE.c.provider == provider, _TABLE.c.day == day)
            .where(_TABLE.c.cost_millicents + cost <= self._cap_millicents)
            .values(cost_millicents=_TABLE.c.cost_millicents + cost, calls=_TABLE.c.calls + 1)
        )
        return bool(session.execute(counted).rowcount == 1)  # type: ignore[attr-defined]
