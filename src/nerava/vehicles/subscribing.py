"""Which cars a provider tells us of by itself: those that are connected, compared with its own list."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from nerava.kernel.outcomes import Misconfigured, Ok, Outcome
from nerava.vehicles.model import VehicleLink
from nerava.vehicles.states import LinkState

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from sqlalchemy.orm import Session

    from nerava.platform.db import Database
    from nerava.vehicles.ports import VehicleSubscriptions
    from nerava.vehicles.tokens import TokenStore

log = logging.getLogger(__name__)

COMPARED_EVERY: Final = timedelta(hours=1)
AGAIN_AFTER: Final = timedelta(minutes=5)
AT_ONCE: Final = 50


class Subscribing:
    """Keeps a provider's list of cars equal to ours. For one thread; several processes may do it at once.

    Nothing is remembered but in this process: the provider's own list says what is still to be done.
    """

    def __init__(self, database: Database, provider: VehicleSubscriptions, tokens: TokenStore) -> None:
        self._database = database
        self._provider = provider
        self._tokens = tokens
        self._known: AbstractSet[str] = frozenset()
        self._due_at: datetime | None = None

    def run(self, now: datetime) -> int:
        """Add cars that are new and take those away that are gone, 50 at most; return how many that was.

        Looks at the provider's list when one of ours is new or gone, and every hour. Safe to repeat and
        to kill.
        """
        wanted = self._database.read(self._connected)
        is_due = self._due_at is None or self._due_at <= now
        if not is_due and (wanted == self._known or self._failed_lately(now)):
            return 0
        access = self._tokens.access("", now)
        if not isinstance(access, Ok):
            return self._later(access, now)
        listed = self._provider.subscriptions(access.value)
        if not isinstance(listed, Ok):
            return self._later(listed, now)
        changes = [(one, True) for one in sorted(wanted - listed.value)]
        changes += [(one, False) for one in sorted(listed.value - wanted)]
        for external_id, is_new in changes[:AT_ONCE]:
            change = self._provider.subscribe if is_new else self._provider.unsubscribe
            done = change(access.value, external_id)
            if not isinstance(done, Ok):
                return self._later(done, now)
        if len(changes) <= AT_ONCE:
            self._known, self._due_at = wanted, now + COMPARED_EVERY
        return min(len(changes), AT_ONCE)

    def _connected(self, session: Session) -> frozenset[str]:
        query = select(VehicleLink.external_id).where(
            VehicleLink.provider == self._provider.name, VehicleLink.state != LinkState.ENDED.value
        )
        return frozenset(session.scalars(query))

    def _failed_lately(self, now: datetime) -> bool:
        return self._due_at is not None and self._due_at <= now + AGAIN_AFTER

    def _later(self, outcome: Outcome[object], now: datetime) -> int:
        if isinstance(outcome, Misconfigured):
            log.error("%s lets us subscribe to no car: %s", self._provider.name, outcome.code)
        self._due_at = now + AGAIN_AFTER
        return 0
