"""What sources of carbon and tariffs are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from nerava.grid.carbon import Interval, Signal
    from nerava.grid.tariffs import Tariff
    from nerava.kernel.geography import Point
    from nerava.kernel.outcomes import Outcome


class CarbonSource(Protocol):
    """Knows what the grid of its regions emits. Calls have a deadline and never raise for answers."""

    @property
    def source(self) -> str:
        """The word before the colon in names of regions."""

    @property
    def signal(self) -> Signal:
        """What its numbers mean."""

    @property
    def every(self) -> timedelta:
        """How often a region is worth reading."""

    @property
    def corrects_within(self) -> timedelta:
        """For how long a value that was told may still be corrected; it is read again until then."""

    def region_at(self, place: Point | None) -> Outcome[str]:
        """Return the region of a place; `Refused` where there is none, or where the place is not known."""

    def series(self, region: str, since: datetime, until: datetime) -> Outcome[Sequence[Interval]]:
        """Return what is known between two instants: settled values, and forecasts where there are none."""


class TariffSource(Protocol):
    """Knows tariffs of utilities."""

    @property
    def source(self) -> str:
        """The word before the colon in names of regions."""

    @property
    def every(self) -> timedelta:
        """How often a region is worth reading."""

    def region_at(self, place: Point | None) -> Outcome[str]:
        """Return the name under which tariffs at a place are read; `Refused` where that is not known."""

    def tariffs(self, region: str, changed_since: datetime | None) -> Outcome[Sequence[Tariff]]:
        """Return the tariffs of a region, all versions that are known, or those changed since an instant."""
