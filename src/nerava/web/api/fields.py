"""What fields of requests may hold: amounts, instants, names."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from nerava.charging.evidence import PRICE_MINOR_MAX
from nerava.kernel.wording import readable
from nerava.ledger.values import AMOUNT_MAX

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def possible(at: datetime) -> datetime:
    """Return an instant in UTC if it lies between the years 2000 and 2200.

    Raises:
        ValueError: It does not; near the ends of the calendar it could not even be converted.
    """
    if at.tzinfo is None or not EARLIEST <= at < LATEST:
        message = "an instant must lie between the years 2000 and 2200"
        raise ValueError(message)
    return at.astimezone(UTC)


def possible_day(day: date) -> date:
    """Return a day if it lies between the years 2000 and 2200.

    Raises:
        ValueError: It does not.
    """
    if not EARLIEST.date() <= day < LATEST.date():
        message = "a day must lie between the years 2000 and 2200"
        raise ValueError(message)
    return day


def spelled(at: object) -> object:
    """Return what is to be an instant, unless it is a number, in which another one may have been meant.

    Raises:
        ValueError: It begins with no date.
    """
    if isinstance(at, datetime) or (isinstance(at, str) and _DATE.match(at)):
        return at
    message = "an instant looks like 2026-03-01T12:00:00Z"
    raise ValueError(message)


AmountMinor = Annotated[int, Field(strict=True, gt=0, le=AMOUNT_MAX)]
"""An amount of money in minor units; a string, a float, NaN, zero or less is 422."""

Day = Annotated[date, AfterValidator(possible_day)]
"""A day of the calendar, between the years 2000 and 2200."""

EnergyWh = Annotated[int, Field(strict=True, ge=0, le=10**9)]
"""Energy in watt-hours."""

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""A currency by its ISO 4217 code."""

PriceMinor = Annotated[int, Field(strict=True, ge=0, le=PRICE_MINOR_MAX)]
"""What a session cost in minor units; 0 where it was free."""

Instant = Annotated[AwareDatetime, BeforeValidator(spelled), AfterValidator(possible)]
"""An instant with its offset, between the years 2000 and 2200."""

Name = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=1,
        max_length=120,
        pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
    ),
    AfterValidator(readable),
]
"""One line for people, seen as it is written."""

Reference = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,99}$")]
"""How another system names a thing; opaque to us, and never personal data."""


class Body(BaseModel):
    """A request body: frozen, and a field nobody asked for is 422 (no mass assignment)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
