"""The Utility Rate Database of OpenEI: tariffs by time of use around a place."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from nerava.grid.tariffs import BadTariff, Tariff, TariffName, Tier, schedule_of
from nerava.integrations.grid.asking import NO_PLACE, drift, number_of, outcome_of
from nerava.kernel.outcomes import Ok, Outcome, Refused
from nerava.platform.outbound import Result, ask_with
from nerava.platform.outbound.keyed import KeyedApi
from nerava.platform.provider_calls import URDB_READ

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nerava.kernel.geography import Point

log = logging.getLogger(__name__)

BASE_URL: Final = "https://api.openei.org"
PROVIDER: Final = "urdb"
PAGE: Final = 100
"""A whole tariff has some kilobytes, and an answer two megabytes at most."""

PAGES_MAX: Final = 100
SECTOR: Final = "Commercial"
KWH: Final = frozenset({None, "kWh"})
"""Tiers that end by the day or by the demand are no tiers by the month's energy."""


class Urdb(KeyedApi):
    """`TariffSource` over the Utility Rate Database. Its key stands in the address, which is told nowhere.

    Sites within a tenth of a degree are one region: a utility's area is larger.
    """

    address = BASE_URL
    source = PROVIDER
    every = timedelta(days=1)

    def region_at(self, place: Point | None) -> Outcome[str]:
        """Return the name of the square in which a place lies; asks nobody."""
        if place is None:
            return Refused(NO_PLACE)
        return Ok(f"{place.latitude:.1f},{place.longitude:.1f}")

    def tariffs(self, region: str, changed_since: datetime | None) -> Outcome[Sequence[Tariff]]:
        """Return the approved tariffs there. One that does not say its price at every hour is left out."""
        latitude, _, longitude = region.partition(",")
        query = [
            ("version", "7"),
            ("format", "json"),
            ("lat", latitude),
            ("lon", longitude),
            ("sector", SECTOR),
            ("approved", "true"),
            ("detail", "full"),
            ("limit", str(PAGE)),
        ]
        if changed_since is not None:
            query.append(("modified_after", str(round(changed_since.timestamp()))))
        found: list[Tariff] = []
        for page in range(PAGES_MAX):
            told = self._page([*query, ("offset", str(page * PAGE))])
            if not isinstance(told, Ok):
                return told
            found += [one for one in map(_tariff, told.value) if one is not None]
            if len(told.value) < PAGE:
                return Ok(found)
        return Refused("too-many")

    def _page(self, query: Sequence[tuple[str, str]]) -> Outcome[list[Any]]:
        def ask(secret: str) -> Result:
            return self._outbound.ask(
                "GET",
                "/utility_rates",
                URDB_READ.call,
                query=[*query, ("api_key", secret)],
                headers={"accept": "application/json"},
            )

        told = outcome_of(ask_with(self._key, ask), PROVIDER)
        if not isinstance(told, Ok):
            return told
        items = told.value.get("items")
        return Ok(items) if isinstance(items, list) else drift(PROVIDER, "items")


def _tariff(told: object) -> Tariff | None:
    row = told if isinstance(told, dict) else {}
    try:
        return Tariff(
            source=PROVIDER,
            reference=str(row["label"]),
            called=TariffName(str(row["utility"])[:120], str(row["name"])[:200]),
            starts_on=_day(row.get("startdate")),
            ends_on=_day(row.get("enddate")),
            periods=tuple(tuple(map(_tier, tiers)) for tiers in row["energyratestructure"]),
            weekday=schedule_of(row["energyweekdayschedule"]),
            weekend=schedule_of(row["energyweekendschedule"]),
        )
    except (BadTariff, KeyError, TypeError) as error:
        log.info("a tariff of the Utility Rate Database is left out: %s", type(error).__name__)
        return None


def _tier(told: Any) -> Tier:  # noqa: ANN401 - JSON
    rate, adjustment, most = (number_of(told.get(name, 0)) for name in ("rate", "adj", "max"))
    if rate is None or adjustment is None or told.get("unit") not in KWH:
        message = "a tier without a price per kWh"
        raise BadTariff(message)
    return Tier(rate, adjustment, most if "max" in told else None)


def _day(told: object) -> date | None:
    """Return the day of seconds since 1970; dates of tariffs are days, whatever the hour."""
    return datetime.fromtimestamp(told, UTC).date() if type(told) is int else None
