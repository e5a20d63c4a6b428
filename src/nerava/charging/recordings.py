"""Judges the rows of a recording one by one: each is a charging session or is refused with a reason.

What is refused here cannot be a session at all. Whether a session is *believable* (a connector
that is too weak for it, a driver in two places, one of two minutes) is decided later with findings,
because that needs other sessions and the location.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from nerava.charging.evidence import PRICE_MINOR_MAX, SessionPrice
from nerava.charging.recording_cells import (
    CellRefused,
    Reason,
    Row,
    currency_of,
    decimal_of,
    instant_of,
    is_nothing,
    shown,
    text_of,
    time_of,
    whole_units,
    zone_named,
)
from nerava.charging.recording_columns import (
    ACN,
    EPFL,
    NERAVA,
    READY_MAPPINGS,
    ColumnMapping,
    ColumnsMissing,
    Constant,
    MappingInvalid,
    mapping_for,
    mapping_from,
)
from nerava.kernel.currencies import minor_digits

__all__ = [
    "ACN",
    "EPFL",
    "NERAVA",
    "READY_MAPPINGS",
    "ColumnMapping",
    "ColumnsMissing",
    "Constant",
    "Limits",
    "MappingInvalid",
    "Reason",
    "RecordedSession",
    "RefusedRow",
    "Row",
    "mapping_for",
    "mapping_from",
    "parse",
]

_SECOND_US: Final = 1_000_000
_CONNECTOR_W_BELOW: Final = 10_000_000
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class RecordedSession:
    """A charging session as another system recorded it.

    `row` is where a person finds it in the source. `reference`, `site`, `station` and `user` are
    the source's own names; `user` is None where the source knows none. `timezone` is the IANA zone
    of the location. Instants are aware UTC.
    """

    row: int
    reference: str
    site: str
    station: str
    started_at: datetime
    ended_at: datetime
    energy_wh: int
    timezone: str
    user: str | None
    power_w_max: int | None
    price: SessionPrice | None = None


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that cannot be a charging session. `detail` is one line for people, without drivers' ids."""

    row: int
    reference: str | None
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds outside which a row cannot be a session, whatever charged.

    They are wide on purpose: 73 of the 27,407 real sessions in California took more than a day,
    the longest 150 hours, because the car stayed plugged in. 400 kW as the *mean* power of a whole
    session is more than any car takes; a weaker connector is known later and judged there.
    """

    now: datetime
    year_min: int = 2010
    future_max: timedelta = timedelta(days=1)
    duration_max: timedelta = timedelta(hours=168)
    mean_power_w_max: int = 400_000


def parse(
    rows: Iterable[Row | RefusedRow], mapping: ColumnMapping, limits: Limits
) -> Iterator[RecordedSession | RefusedRow]:
    """Yield exactly one outcome for each row, in order, while the rows are still being read.

    Never raises for what a row holds. Rows the reader refused already pass through. A row is refused
    for one reason, the first of: a needed column or cell is absent, a cell cannot be read, the
    times, the energy, the power, a reference that an accepted row had before. Only accepted rows
    count for that, so a fragment does not bar the complete row behind it.

    Energy is rounded half to even to whole watt-hours, prices to minor units. Memory grows by one
    reference per session.
    """
    judge = _Judge(mapping, limits)
    first_rows: dict[str, int] = {}
    for row in rows:
        if isinstance(row, RefusedRow):
            yield row
            continue
        try:
            session = judge.session(row)
        except CellRefused as refused:
            yield RefusedRow(row.number, judge.reference_if_readable(row), refused.reason, refused.detail)
            continue
        if session.reference in first_rows:
            detail = f"the same reference stands in row {first_rows[session.reference]}"
            yield RefusedRow(session.row, session.reference, Reason.DUPLICATE_REFERENCE, detail)
            continue
        first_rows[session.reference] = session.row
        yield session


class _Judge:
    """Reads rows by one mapping within one set of limits."""

    def __init__(self, mapping: ColumnMapping, limits: Limits) -> None:
        self._mapping = mapping
        self._limits = limits
        self._earliest = datetime(limits.year_min, 1, 1, tzinfo=UTC)
        self._latest = limits.now + limits.future_max

    def session(self, row: Row) -> RecordedSession:
        """Return the session in a row.

        Raises:
            CellRefused: The row cannot be one (422).
        """
        mapping, cells = self._mapping, row.cells
        reference = self._reference(cells)
        site = _text(cells, mapping.site, Reason.NO_SITE)
        station = _text(cells, mapping.station, Reason.NO_STATION)
        timezone = _text(cells, mapping.timezone, Reason.NO_TIMEZONE)
        started_at, ended_at = self._period(cells, timezone)
        energy_wh = self._energy_wh(cells, ended_at - started_at)
        return RecordedSession(
            row.number,
            reference,
            site,
            station,
            started_at,
            ended_at,
            energy_wh,
            timezone,
            self._user(cells),
            self._power_w_max(cells),
            self._price(cells),
        )

    def reference_if_readable(self, row: Row) -> str | None:
        """Return the reference of a refused row, so that its owner finds it in their own system."""
        try:
            return self._reference(row.cells)
        except CellRefused:
            return None

    def _reference(self, cells: Mapping[str, object]) -> str:
        columns = self._mapping.reference
        if len(columns) == 1:
            return _text(cells, columns[0], Reason.NO_REFERENCE)
        return text_of("/".join(_text(cells, column, Reason.NO_REFERENCE) for column in columns), columns[0])

    def _period(self, cells: Mapping[str, object], timezone: str) -> tuple[datetime, datetime]:
        mapping, limits = self._mapping, self._limits
        zone = zone_named(timezone)
        if zone is None:
            raise CellRefused(Reason.BAD_TIMEZONE, f"no IANA time zone {shown(timezone)}")
        start = time_of(
            _present(cells, mapping.started_at, Reason.NO_START), mapping.started_at, times=mapping.times
        )
        end = time_of(_present(cells, mapping.ended_at, Reason.NO_END), mapping.ended_at, times=mapping.times)
        started_at = instant_of(start, zone, mapping.started_at)
        ended_at = instant_of(end, zone, mapping.ended_at)
        if ended_at < started_at and end.tzinfo is None:
            # Plugged in at 01:50 and out at 01:20, in the night the clocks showed that hour twice:
            # only the second pass makes it a session, and it is the one that happened.
            ended_at = instant_of(end, zone, mapping.ended_at, second_pass=True)
        if started_at < self._earliest or started_at > self._latest:
            raise CellRefused(Reason.WRONG_YEAR, self._outside(mapping.started_at, started_at))
        if ended_at > self._latest:
            raise CellRefused(Reason.WRONG_YEAR, self._outside(mapping.ended_at, ended_at))
        duration = ended_at - started_at
        if duration < timedelta():
            raise CellRefused(Reason.NEGATIVE_DURATION, f"ends {-duration} before it starts")
        if not duration:
            raise CellRefused(Reason.ZERO_DURATION, "starts and ends at the same instant")
        if duration > limits.duration_max:
            raise CellRefused(Reason.ABSURD_DURATION, f"lasts {duration}, at most {limits.duration_max}")
        return started_at, ended_at

    def _outside(self, column: str, instant: datetime) -> str:
        return (
            f"{column} is {instant:%Y-%m-%d %H:%M} UTC, outside {self._earliest:%Y-%m-%d} "
            f"to {self._latest:%Y-%m-%d %H:%M} UTC"
        )

    def _energy_wh(self, cells: Mapping[str, object], duration: timedelta) -> int:
        mapping, limits = self._mapping, self._limits
        amount = decimal_of(
            _present(cells, mapping.energy, Reason.NO_ENERGY),
            mapping.energy,
            decimal_comma=mapping.decimal_comma,
        )
        if amount < 0:
            raise CellRefused(Reason.NEGATIVE_ENERGY, f"{mapping.energy} is {amount}")
        energy_wh = whole_units(amount, mapping.energy_wh_each)
        if energy_wh == 0:
            raise CellRefused(Reason.ZERO_ENERGY, f"{mapping.energy} is {amount}, which rounds to 0 Wh")
        duration_us = duration // _MICROSECOND
        if energy_wh * 3600 * _SECOND_US > limits.mean_power_w_max * duration_us:
            mean_power_w = energy_wh * 3600 * _SECOND_US // duration_us
            raise CellRefused(
                Reason.IMPOSSIBLE_POWER,
                f"{energy_wh} Wh in {duration} is a mean of {mean_power_w} W, "
                f"at most {limits.mean_power_w_max} W",
            )
        return energy_wh

    def _user(self, cells: Mapping[str, object]) -> str | None:
        column = self._mapping.user
        if column is None or is_nothing(cells.get(column)):
            return None
        try:
            return text_of(cells[column], column)
        except CellRefused as refused:
            # The usual detail shows what the cell holds; who charged is nobody's business in a log.
            raise CellRefused(refused.reason, f"{column} cannot be read") from None

    def _power_w_max(self, cells: Mapping[str, object]) -> int | None:
        mapping = self._mapping
        column, comma = "power_max", False
        cell: object = None
        if isinstance(mapping.power_max, Constant):
            cell = mapping.power_max.value
        elif mapping.power_max is not None:
            column, comma = mapping.power_max, mapping.decimal_comma
            cell = cells.get(column)
        if is_nothing(cell):
            return None
        amount = decimal_of(cell, column, decimal_comma=comma)
        power_w = whole_units(amount, mapping.power_w_each)
        if not 0 < power_w < _CONNECTOR_W_BELOW:
            raise CellRefused(Reason.BAD_NUMBER, f"{column} is {amount}, not the power of a connector")
        return power_w

    def _price(self, cells: Mapping[str, object]) -> SessionPrice | None:
        column, named = self._mapping.price, self._mapping.currency
        if column is None or named is None or is_nothing(cells.get(column)):
            return None
        amount = decimal_of(cells[column], column, decimal_comma=self._mapping.decimal_comma)
        currency = currency_of(_text(cells, named, Reason.BAD_CURRENCY), "currency")
        minor = whole_units(amount, Decimal(10 ** minor_digits(currency)))
        if amount < 0 or minor > PRICE_MINOR_MAX:
            raise CellRefused(Reason.BAD_NUMBER, f"{column} is {amount}, not the price of a session")
        return SessionPrice(minor, currency)


def _present(cells: Mapping[str, object], column: str, absent: Reason) -> object:
    try:
        cell = cells[column]
    except KeyError:
        raise CellRefused(Reason.MISSING_COLUMN, f"there is no {column!r}") from None
    if is_nothing(cell):
        raise CellRefused(absent, f"{column} is empty")
    return cell


def _text(cells: Mapping[str, object], field: str | Constant, absent: Reason) -> str:
    if isinstance(field, Constant):
        return field.value
    return text_of(_present(cells, field, absent), field)
