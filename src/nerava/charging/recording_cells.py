"""Turns single cells of a recording into exact values: names, watt-hours, watts and instants."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from functools import lru_cache
from http import HTTPStatus
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from nerava.charging.errors import LocationInvalid
from nerava.charging.zones import zone
from nerava.kernel.errors import NeravaError

TEXT_LENGTH_MAX: Final = 200
ISO: Final = "iso"
EPOCH_SECONDS: Final = "epoch_s"
EPOCH_MILLISECONDS: Final = "epoch_ms"

# What exports write where they mean "nothing". Without this, every anonymous session of such a
# file would belong to one driver called "null".
_NOTHING: Final = frozenset({"", "-", "n/a", "nan", "nat", "none", "null", "\\n"})
_NOTHING_LENGTH_MAX: Final = max(map(len, _NOTHING))
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?", re.ASCII)
_NUMBER_LENGTH_MAX: Final = 40
_INTEGER_BITS_MAX: Final = 128
_SHOWN_LENGTH_MAX: Final = 40
_CURRENCY: Final = re.compile(r"[A-Z]{3}", re.ASCII)
_ZONE: Final = re.compile(r"UTC|[A-Z][A-Za-z_]*(?:/[A-Z][A-Za-z0-9_+\-]*){1,2}", re.ASCII)
# 40 digits with an exponent of two more places, times a factor: 200 digits make every product exact.
_EXACT: Final = Context(prec=200)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_SHORTEST_TIME: Final = len("20190501T0118")


class Reason(StrEnum):
    """Why a row cannot be a charging session. Stable codes: they are stored, counted and translated."""

    NOT_A_ROW = "not-a-row"
    CUT_OFF = "cut-off"
    TOO_LARGE = "too-large"
    BAD_ENCODING = "bad-encoding"
    MISSING_COLUMN = "missing-column"
    NO_REFERENCE = "no-reference"
    NO_SITE = "no-site"
    NO_STATION = "no-station"
    NO_TIMEZONE = "no-timezone"
    NO_START = "no-start"
    NO_END = "no-end"
    NO_ENERGY = "no-energy"
    BAD_TEXT = "bad-text"
    BAD_NUMBER = "bad-number"
    BAD_TIME = "bad-time"
    BAD_TIMEZONE = "bad-timezone"
    BAD_CURRENCY = "bad-currency"
    WRONG_YEAR = "wrong-year"
    ZERO_DURATION = "zero-duration"
    NEGATIVE_DURATION = "negative-duration"
    ABSURD_DURATION = "absurd-duration"
    ZERO_ENERGY = "zero-energy"
    NEGATIVE_ENERGY = "negative-energy"
    IMPOSSIBLE_POWER = "impossible-power"
    DUPLICATE_REFERENCE = "duplicate-reference"


class Row(NamedTuple):
    """One record of a source as a reader found it, before anybody judged it.

    `number` is what a person sees in the source: the line of a text file, the row of a sheet (the
    heading is 1), the position in a list (the first is 1). Cells are text, numbers, `datetime`s
    or None; anything else is refused when it is read.
    """

    number: int
    cells: Mapping[str, object]


class CellRefused(NeravaError):
    """A cell cannot be read; `reason` and `detail` become the refusal of its row."""

    code = "row-refused"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The row cannot be read"

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def shown(value: object) -> str:
    """Return a cell as one short line that is safe in a terminal: escaped, at most 40 characters."""
    text = ascii(value if isinstance(value, str | int | float | datetime | date | Decimal) else type(value))
    return text if len(text) <= _SHOWN_LENGTH_MAX else f"{text[: _SHOWN_LENGTH_MAX - 3]}..."


def is_nothing(value: object) -> bool:
    """Return whether a cell is empty: None, blank, or a word that exports write for it (null, NaT, -)."""
    if value is None:
        return True
    if type(value) is not str:
        return False
    text = value.strip()
    return len(text) <= _NOTHING_LENGTH_MAX and text.lower() in _NOTHING


def text_of(value: object, column: str) -> str:
    """Return a name or id, trimmed and in composed Unicode form; whole numbers lose their `.0`.

    Raises:
        CellRefused: Not text, longer than 200 characters, with control characters, or with the
            traces of a broken encoding (422).
    """
    if type(value) is str:
        text = value.strip()
    elif isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise CellRefused(Reason.BAD_TEXT, f"{column} is not text: {shown(value)}")
    else:
        # Sheets hold every number as a float: session 278 comes as 278.0.
        number = decimal_of(value, column)
        text = str(int(number)) if number == number.to_integral_value() else str(value)
    if len(text) > TEXT_LENGTH_MAX:
        raise CellRefused(
            Reason.BAD_TEXT, f"{column} has {len(text)} characters, at most {TEXT_LENGTH_MAX} are read"
        )
    return text if text.isascii() and text.isprintable() else _composed(text, column)


def _composed(text: str, column: str) -> str:
    kinds = {unicodedata.category(character) for character in text}
    if "Cs" in kinds or "\ufffd" in text:
        raise CellRefused(Reason.BAD_ENCODING, f"{column} is not valid UTF-8: {shown(text)}")
    if "Cc" in kinds:
        raise CellRefused(Reason.BAD_TEXT, f"{column} has control characters: {shown(text)}")
    return unicodedata.normalize("NFC", text)


def decimal_of(value: object, column: str, *, decimal_comma: bool = False) -> Decimal:
    """Return the exact number in a cell. A float becomes the shortest decimal that names it.

    Raises:
        CellRefused: Not a number, not finite, or absurdly long (422).
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise CellRefused(Reason.BAD_NUMBER, f"{column} is not a number: {shown(value)}")
    if isinstance(value, int) and value.bit_length() > _INTEGER_BITS_MAX:
        raise CellRefused(Reason.BAD_NUMBER, f"{column} is not a plausible number")
    text = value.strip() if isinstance(value, str) else str(value)
    if decimal_comma and isinstance(value, str):
        # A point would be a thousands mark here; the reader does not guess how many it groups.
        text = text.replace(".", "?").replace(",", ".")
    if len(text) > _NUMBER_LENGTH_MAX or _NUMBER.fullmatch(text) is None:
        raise CellRefused(Reason.BAD_NUMBER, f"{column} is not a number: {shown(value)}")
    return Decimal(text)


def whole_units(amount: Decimal, units_each: Decimal) -> int:
    """Return `amount` times `units_each` as a whole number; halves go to the even neighbour.

    The product is exact before it is rounded, so nothing is rounded twice.
    """
    return int(_EXACT.multiply(amount, units_each).to_integral_value(rounding=ROUND_HALF_EVEN))


def currency_of(value: object, column: str) -> str:
    """Return the ISO 4217 code in a cell, in capitals.

    Raises:
        CellRefused: It is not three letters (422).
    """
    text = text_of(value, column).upper()
    if _CURRENCY.fullmatch(text) is None:
        raise CellRefused(Reason.BAD_CURRENCY, f"{column} is not the code of a currency: {shown(value)}")
    return text


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo | None:
    """Return the IANA time zone, or None where there is none of that name.

    Only `UTC` and `Area/Place` are names of zones. Abbreviations such as `EST` hide whether they
    know daylight saving, and `localtime` would mean whatever the machine is set to.
    """
    if _ZONE.fullmatch(name) is None:
        return None
    try:
        return zone(name)
    except LocationInvalid:
        return None


def time_of(value: object, column: str, *, times: str) -> datetime:
    """Return the time in a cell: aware where the cell says so, otherwise the wall time as written.

    `times` is `iso`, `epoch_s`, `epoch_ms`, or a pattern for `strptime`. Date cells of a sheet are
    taken as they are; a sheet keeps midnight as a bare date, so a bare date there is midnight. In
    text a bare date is refused: it says nothing about when.

    Raises:
        CellRefused: The cell is no time of that form (422).
    """
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time.min)
    try:
        if times in (EPOCH_SECONDS, EPOCH_MILLISECONDS):
            unit_us = Decimal(1_000_000 if times == EPOCH_SECONDS else 1_000)
            return _EPOCH + timedelta(microseconds=whole_units(decimal_of(value, column), unit_us))
        if type(value) is str:
            text = value.strip()
            if times != ISO:
                return datetime.strptime(text, times)  # noqa: DTZ007 - the caller knows the zone
            if len(text) >= _SHORTEST_TIME:
                return datetime.fromisoformat(text)
    except (ValueError, OverflowError, CellRefused):
        pass
    raise CellRefused(Reason.BAD_TIME, f"{column} is not a time ({times}): {shown(value)}")


def instant_of(when: datetime, zone: ZoneInfo, column: str, *, second_pass: bool = False) -> datetime:
    """Return the instant of an aware time, or of a wall time in `zone`. Aware UTC.

    A wall time that the clocks skipped means the first instant after the gap. One that they showed
    twice means the first pass, unless `second_pass` asks for the other.

    Raises:
        CellRefused: The instant lies outside the years 1 to 9999 (422).
    """
    try:
        if when.tzinfo is not None:
            return when.astimezone(UTC)
        instant = when.replace(tzinfo=zone, fold=int(second_pass)).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) == when.replace(fold=0):
            return instant
        return _end_of_gap(when, zone)
    except (ValueError, OverflowError):
        raise CellRefused(Reason.BAD_TIME, f"{column} is out of range: {shown(when.isoformat())}") from None


def _end_of_gap(when: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant at which the clocks of `zone` jumped over the wall time `when`."""
    # Read with the offset after the jump the time lies before it, and the other way round.
    before = when.replace(tzinfo=zone, fold=1, microsecond=0).astimezone(UTC) - _SECOND
    after = when.replace(tzinfo=zone, fold=0, microsecond=0).astimezone(UTC) + _SECOND
    offset_before = before.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // 2 // _SECOND * _SECOND
        if middle.astimezone(zone).utcoffset() == offset_before:
            before = middle
        else:
            after = middle
    return after
