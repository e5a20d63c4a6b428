"""Reads the stations of a long answer one after the other, without holding all of it."""

from __future__ import annotations

import codecs
import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE: Final = 256 * 1_024
STATION_MAX: Final = 4 * 1_024 * 1_024
"""Characters: a station that is longer is none."""

_LIST: Final = re.compile(r'"fuel_stations"\s*:\s*\[')
_BETWEEN: Final = " \t\r\n,"


class NotStations(ValueError):
    """The answer is no list of stations, or ends before its end."""


def stations_in(file: BinaryIO) -> Iterator[Any]:
    """Yield the elements of `fuel_stations`, fractions as `Decimal`, from the beginning of a file.

    Raises:
        NotStations: There is no such list, or it is cut off.
    """
    file.seek(0)
    decode = codecs.getincrementaldecoder("utf-8")(errors="strict")
    decoder = json.JSONDecoder(parse_float=Decimal)
    text, inside = "", False
    while True:
        piece = file.read(PIECE)
        try:
            text += decode.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            message = "the answer is no UTF-8"
            raise NotStations(message) from error
        if not inside:
            begin = _LIST.search(text)
            if begin is not None:
                text, inside = text[begin.end() :], True
        if inside:
            found, text, is_over = _taken(decoder, text)
            yield from found
            if is_over:
                return
        if not piece or len(text) > STATION_MAX:
            message = "the list of stations has no end" if inside else "there is no list of stations"
            raise NotStations(message)


def _taken(decoder: json.JSONDecoder, text: str) -> tuple[list[Any], str, bool]:
    """Return the whole elements at the beginning of a text, the rest, and whether the list ends there."""
    found: list[Any] = []
    at = 0
    while True:
        while at < len(text) and text[at] in _BETWEEN:
            at += 1
        if at < len(text) and text[at] == "]":
            return found, "", True
        try:
            one, at = decoder.raw_decode(text, at)
        except ValueError:
            return found, text[at:], False
        found.append(one)
