"""Says which column of a recording holds what, in which unit, for our own format and for others.

A mapping for another export is a small TOML or JSON document:

    name = "Depot export"

    [columns]                            # headings, as they are written in the file
    reference = "Transaction ID"         # or ["Charge point", "Transaction ID"]
    station = "Charge point"
    started_at = "Start"
    ended_at = "Stop"
    energy = "Energy (kWh)"
    user = "Card"                        # optional
    power_max = "Connector (kW)"         # optional
    price = "Total"                      # optional, 12.34 for 12 dollars and 34 cents; needs a currency

    [constants]                          # the same value in every row, instead of a column
    site = "Depot North"
    currency = "USD"
    timezone = "America/Chicago"

    [units]                              # each is optional; these are the defaults
    energy = "kWh"                       # or "Wh", or the watt-hours of one unit: "0.1"
    power = "kW"                         # or "W"
    times = "iso"                        # or "epoch_s", "epoch_ms", "%d.%m.%Y %H:%M"
    decimal = "."                        # or ","
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Final

from nerava.charging.recording_cells import (
    EPOCH_MILLISECONDS,
    EPOCH_SECONDS,
    ISO,
    CellRefused,
    currency_of,
    decimal_of,
    shown,
    text_of,
    zone_named,
)
from nerava.kernel.errors import NeravaError

_COLUMNS: Final = (
    "reference",
    "site",
    "station",
    "timezone",
    "started_at",
    "ended_at",
    "energy",
    "user",
    "power_max",
    "price",
    "currency",
)
_OPTIONAL: Final = frozenset({"user", "power_max", "price", "currency"})
_CONSTANTS: Final = ("site", "station", "timezone", "power_max", "currency")
_SECTIONS: Final = ("name", "columns", "constants", "units")
# The last of each is what a mapping means that says nothing.
_WH_EACH: Final[Mapping[str, Decimal]] = {"Wh": Decimal(1), "kWh": Decimal(1000)}
_W_EACH: Final[Mapping[str, Decimal]] = {"W": Decimal(1), "kW": Decimal(1000)}
_UNIT_MAX: Final = 1_000_000_000
_COLUMNS_LISTED_MAX: Final = 20
_UNITS: Final = ("energy", "power", "times", "decimal")
_ANY_INSTANT: Final = datetime(2024, 2, 29, 13, 45, tzinfo=UTC)


class MappingInvalid(NeravaError):
    """A column mapping contradicts itself, lacks a field or names one that does not exist."""

    code = "mapping-invalid"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The column mapping is not usable"


class ColumnsMissing(NeravaError):
    """The source lacks columns that the mapping names, or fits no mapping at all."""

    code = "columns-missing"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The source lacks needed columns"


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that every row of a source shares and that no column holds."""

    value: str


def _usable(unit: Decimal) -> bool:
    return 0 < unit <= _UNIT_MAX


def _is_pattern(times: str) -> bool:
    """Return whether a pattern survives a round trip and keeps the day and the time of day."""
    try:
        read = datetime.strptime(_ANY_INSTANT.strftime(times), times)  # noqa: DTZ007 - a pattern is tried out
    except ValueError:
        return False
    return read.replace(tzinfo=UTC) == _ANY_INSTANT


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMapping:
    """Which column holds what. Headings are compared exactly, after blanks around them are cut off.

    `reference` names one or more columns that identify a session together. `energy_wh_each` and
    `power_w_each` are the watt-hours and watts of one unit. `price` is an amount with decimals, of
    `currency`. `times` is `iso`, `epoch_s`,
    `epoch_ms` or a pattern for `strptime`; a time without offset is wall time in `timezone`.

    Raises:
        MappingInvalid: The mapping contradicts itself (422).
    """

    name: str
    reference: tuple[str, ...]
    site: str | Constant
    station: str | Constant
    timezone: str | Constant
    started_at: str
    ended_at: str
    energy: str
    user: str | None = None
    power_max: str | Constant | None = None
    price: str | None = None
    currency: str | Constant | None = None
    energy_wh_each: Decimal = Decimal(1000)
    power_w_each: Decimal = Decimal(1000)
    times: str = ISO
    decimal_comma: bool = False

    def __post_init__(self) -> None:
        """Refuse what could only fail later, row by row."""
        if not self.reference or not all(self.required_columns):
            raise MappingInvalid(f"mapping {self.name!r}: every needed field takes a column")
        if (self.price is None) != (self.currency is None):
            raise MappingInvalid(f"mapping {self.name!r}: a price has its currency, and a currency its price")
        self._check_constants()
        if isinstance(self.timezone, Constant) and zone_named(self.timezone.value) is None:
            raise MappingInvalid(f"mapping {self.name!r}: no IANA time zone {shown(self.timezone.value)}")
        if not (_usable(self.energy_wh_each) and _usable(self.power_w_each)):
            raise MappingInvalid(f"mapping {self.name!r}: a unit is a number between 0 and a billion")
        if self.times not in (ISO, EPOCH_SECONDS, EPOCH_MILLISECONDS) and not _is_pattern(self.times):
            raise MappingInvalid(
                f"mapping {self.name!r}: times are {ISO}, {EPOCH_SECONDS}, {EPOCH_MILLISECONDS} or a "
                f"pattern with day and time such as '%d.%m.%Y %H:%M', not {shown(self.times)}"
            )

    def _check_constants(self) -> None:
        try:
            for field in (self.site, self.station):
                if isinstance(field, Constant):
                    text_of(field.value, "a constant")
            if isinstance(self.currency, Constant):
                currency_of(self.currency.value, "currency")
            if isinstance(self.power_max, Constant):
                decimal_of(self.power_max.value, "power_max")
        except CellRefused as refused:
            raise MappingInvalid(f"mapping {self.name!r}: {refused.detail}") from None

    @property
    def required_columns(self) -> tuple[str, ...]:
        """Return the columns without which no row can be read, in the order of the fields."""
        fields = (self.site, self.station, self.timezone, self.started_at, self.ended_at, self.energy)
        return self.reference + tuple(field for field in fields if isinstance(field, str))

    @property
    def columns(self) -> tuple[str, ...]:
        """Return every column the mapping names, the optional ones last."""
        optional = (self.user, self.power_max, self.price, self.currency)
        return self.required_columns + tuple(field for field in optional if isinstance(field, str))

    def check(self, columns: Collection[str]) -> None:
        """Refuse a source whose heading lacks a column this mapping names.

        Raises:
            ColumnsMissing: With the missing ones and the closest that are there (422).
        """
        missing = [column for column in self.columns if column not in columns]
        if missing:
            raise ColumnsMissing(
                f"mapping {self.name!r} needs {'; '.join(_with_closest(one, columns) for one in missing)}; "
                f"the source has {_listed(columns)}",
                missing=tuple(missing),
            )

    def without_absent_options(self, columns: Collection[str]) -> ColumnMapping:
        """Return the mapping for a source without the driver, the connector's power or the price."""
        is_priced = self.price in columns and (
            isinstance(self.currency, Constant) or self.currency in columns
        )
        return replace(
            self,
            price=self.price if is_priced else None,
            currency=self.currency if is_priced else None,
            user=self.user if self.user in columns else None,
            power_max=None
            if isinstance(self.power_max, str) and self.power_max not in columns
            else self.power_max,
        )


NERAVA: Final = ColumnMapping(
    name="nerava",
    reference=("reference",),
    site="site",
    station="station",
    timezone="timezone",
    started_at="started_at",
    ended_at="ended_at",
    energy="energy_wh",
    user="user",
    power_max="power_w_max",
    price="price",
    currency="currency",
    energy_wh_each=Decimal(1),
    power_w_each=Decimal(1),
)
"""Our own format: columns named like the fields they fill, energy in Wh, power in W, ISO times.

`price` and `currency` are there both or not at all."""

ACN: Final = ColumnMapping(
    name="acn",
    reference=("session_id",),
    site="site",
    station="station_id",
    timezone=Constant("America/Los_Angeles"),
    started_at="arrival",
    ended_at="departure",
    energy="delivered_energy",
)
"""Caltech and JPL, as `integrations.datasets` stores them: kWh, times with offset, no drivers."""

EPFL: Final = ColumnMapping(
    name="epfl",
    reference=("Session",),
    site=Constant("EPFL"),
    station="CCS",
    timezone=Constant("Europe/Zurich"),
    started_at="Arrival",
    ended_at="Departure",
    energy="Energy (Wh)",
    energy_wh_each=Decimal(1),
)
"""The fast chargers of EPFL's DESL: Wh, local wall times. `Pmax (W)` is the session's own maximum,
not what the plug is built for, and is therefore left out."""

READY_MAPPINGS: Final = {mapping.name: mapping for mapping in (NERAVA, ACN, EPFL)}


def mapping_for(columns: Collection[str]) -> ColumnMapping:
    """Return the ready mapping that a heading fits; optional columns may be absent.

    Raises:
        ColumnsMissing: None fits; says what is there and what our own format has (422).
    """
    for mapping in READY_MAPPINGS.values():
        if all(column in columns for column in mapping.required_columns):
            return mapping.without_absent_options(columns)
    raise ColumnsMissing(
        f"the source has {_listed(columns)}, which fits no known format; name the columns in a mapping file, "
        f"or use ours: {_listed(NERAVA.columns)}"
    )


def mapping_from(document: object, *, name: str) -> ColumnMapping:
    """Return the mapping that a parsed TOML or JSON document describes; `name` where it has none.

    Raises:
        MappingInvalid: With everything that is wrong with it, not just the first (422).
    """
    if not isinstance(document, Mapping):
        raise MappingInvalid("a mapping is a table with [columns], [constants] and [units]")
    faults = [_unknown(key, _SECTIONS, "section") for key in document if key not in _SECTIONS]
    columns = _section(document, "columns", _COLUMNS, faults)
    constants = _section(document, "constants", _CONSTANTS, faults)
    units = _section(document, "units", _UNITS, faults)
    reference = columns.pop("reference", [])
    references = reference if isinstance(reference, list) else [reference]
    texts = [document.get("name", name), *references, *columns.values()]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        faults.append("names and headings are text and not empty")
    if not all(isinstance(value, str | int) and str(value).strip() for value in constants.values()):
        faults.append("constants are text or whole numbers and not empty")
    for field in _COLUMNS:
        is_column = field in columns or (field == "reference" and bool(references))
        is_constant = field in constants
        if not (is_column or is_constant or field in _OPTIONAL):
            faults.append(f"{field} is missing")
        if is_column and is_constant:
            faults.append(f"{field} is both a column and a constant")
    energy_wh_each = _unit(units, "energy", _WH_EACH, faults)
    power_w_each = _unit(units, "power", _W_EACH, faults)
    if units.get("decimal", ".") not in (".", ","):
        faults.append('units.decimal is "." or ","')
    if faults:
        raise MappingInvalid(f"mapping {shown(texts[0])}: {'; '.join(faults)}")
    headings = {field: str(column).strip() for field, column in columns.items()}
    shared = {field: Constant(str(value).strip()) for field, value in constants.items()}
    either: dict[str, str | Constant] = {**headings, **shared}
    return ColumnMapping(
        name=str(texts[0]),
        reference=tuple(str(column).strip() for column in references),
        site=either["site"],
        station=either["station"],
        timezone=either["timezone"],
        started_at=headings["started_at"],
        ended_at=headings["ended_at"],
        energy=headings["energy"],
        user=headings.get("user"),
        power_max=either.get("power_max"),
        price=headings.get("price"),
        currency=either.get("currency"),
        energy_wh_each=energy_wh_each,
        power_w_each=power_w_each,
        times=str(units.get("times", ISO)),
        decimal_comma=units.get("decimal") == ",",
    )


def _section(
    document: Mapping[object, object], section: str, allowed: tuple[str, ...], faults: list[str]
) -> dict[str, object]:
    content = document.get(section, {})
    if not isinstance(content, Mapping):
        faults.append(f"[{section}] is not a table")
        return {}
    faults += [_unknown(key, allowed, f"field in [{section}]") for key in content if key not in allowed]
    return {key: value for key, value in content.items() if key in allowed}


def _unit(
    units: Mapping[str, object], field: str, known: Mapping[str, Decimal], faults: list[str]
) -> Decimal:
    given = units.get(field, list(known)[-1])
    if isinstance(given, str) and given in known:
        return known[given]
    try:
        return decimal_of(given, field)
    except CellRefused:
        faults.append(f"units.{field} is {' or '.join(known)} or a number, not {shown(given)}")
        return Decimal(1)


def _unknown(key: object, allowed: tuple[str, ...], what: str) -> str:
    return f"{shown(key)} is no {what}; there is {', '.join(allowed)}"


def _with_closest(column: str, columns: Collection[str]) -> str:
    closest = difflib.get_close_matches(column, columns, n=1)
    return f"{column!r} (did you mean {closest[0]!r}?)" if closest else repr(column)


def _listed(columns: Collection[str]) -> str:
    names = [repr(column) for column in columns]
    more = len(names) - _COLUMNS_LISTED_MAX
    shortened = names[:_COLUMNS_LISTED_MAX] + ([f"and {more} more"] if more > 0 else [])
    return ", ".join(shortened) or "no columns"
