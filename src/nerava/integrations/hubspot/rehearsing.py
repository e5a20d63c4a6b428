"""A dry run: everything is done but the call, and the log says how much would have been sent."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from nerava.integrations.hubspot.api import BATCH_MAX
from nerava.kernel.outcomes import RetryLater

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nerava.crm.ports import Happening, Person

log = logging.getLogger(__name__)

AGAIN: Final = timedelta(minutes=30)


class Rehearsal:
    """A `Crm` that tells nobody anything. What waits goes on waiting, and goes out when the run is real."""

    people_max = BATCH_MAX
    happenings_max = BATCH_MAX

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now

    def keep(self, people: Sequence[Person]) -> RetryLater:
        """Say how many people would be written, and with which fields."""
        fields = sorted({name for one in people for name in one.properties})
        return self._said("%d people would be written with %s", len(people), ", ".join(["email", *fields]))

    def tell(self, happenings: Sequence[Happening]) -> RetryLater:
        """Say how many events would be told."""
        names = sorted({one.name for one in happenings})
        return self._said("%d events would be told: %s", len(happenings), ", ".join(names))

    def forget(self, remote_id: str | None, email: str | None, *, for_good: bool) -> RetryLater:  # noqa: ARG002 - the port's
        """Say that somebody would be removed."""
        return self._said("somebody would be %s", "erased" if for_good else "removed")

    def close(self) -> None:
        """Close nothing."""

    def _said(self, message: str, *facts: object) -> RetryLater:
        log.info("HubSpot, dry run: " + message, *facts)  # noqa: G003 - both are ours
        return RetryLater("dry-run", self._now() + AGAIN)
