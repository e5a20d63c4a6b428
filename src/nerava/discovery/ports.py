"""What discovery asks of the outside world about charging sites and places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from nerava.discovery.feeds import Attribution, Feed, Reject
    from nerava.discovery.records import SiteRecord
    from nerava.kernel.geography import Box
    from nerava.kernel.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class AreaRead:
    """What a provider knows of an area. What is absent may still be there: pages move while they are read."""

    sites: tuple[SiteRecord, ...]
    rejects: tuple[Reject, ...] = ()


class LocationDirectory(Protocol):
    """A provider of charging sites, asked about a box or about one of them; jobs ask, requests do not.

    Attributes:
        source: The name under which its rows are kept.
        attribution: Kept with every row.
    """

    @property
    def source(self) -> str: ...  # noqa: D102 - said above

    @property
    def attribution(self) -> Attribution: ...  # noqa: D102 - said above

    def within(self, box: Box) -> Outcome[AreaRead]:
        """Return the sites in a box, each once; it may cross the 180th meridian."""
        ...

    def one(self, reference: str) -> Outcome[SiteRecord | None]:
        """Return a site by the provider's own name, None if there is none."""
        ...

    def everything(self, now: datetime) -> Outcome[Feed]:
        """Return all its sites as a feed not read yet; its fingerprint says whether anything moved."""
        ...
