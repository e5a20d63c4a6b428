"""Reads recorded sessions from JSON: a list of objects, or one object in each line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Final

from nerava.charging.recordings import Reason, RefusedRow, Row
from nerava.integrations.session_files.source import (
    WHOLE_FILE_BYTES_MAX,
    Heading,
    Line,
    Reading,
    SessionFileEmpty,
    SessionFileTooLarge,
    SessionFileUnreadable,
    lines,
    opened,
    refusal_of,
)

_LIST: Final = "sessions"
_INTEGER_LENGTH_MAX: Final = 18
# Objects of one export may leave out what they do not know, so the first alone is no heading.
_ROWS_THAT_MAKE_A_HEADING: Final = 100


def read_list(path: Path) -> Reading:
    """Yield the keys and the objects of a JSON file: a list, or a list under `sessions`.

    A row's number is its position in the list, the first is 1. The file is held in memory.

    Raises:
        SessionFileMissing: No such file (404).
        SessionFileTooLarge: More than 256 MiB, unpacked (413).
        SessionFileUnreadable: Not JSON, or no list (422).
        SessionFileEmpty: An empty file or list (422).
    """
    with opened(path) as file:
        try:
            body = file.read(WHOLE_FILE_BYTES_MAX + 1)
        except (EOFError, OSError) as error:
            raise SessionFileUnreadable(f"{path.name} is damaged: {error}") from None
    if len(body) > WHOLE_FILE_BYTES_MAX:
        raise SessionFileTooLarge(
            f"{path.name} has more than {WHOLE_FILE_BYTES_MAX >> 20} MiB; "
            "write one object in each line (.jsonl), which is read piece by piece"
        )
    try:
        # Broken bytes become U+FFFD, and the session whose cell holds one is refused, not the file.
        document = _parsed(body.decode("utf-8-sig", errors="replace"))
    except (ValueError, RecursionError) as error:
        raise SessionFileUnreadable(f"{path.name} is not JSON: {error}") from None
    sessions = document.get(_LIST) if isinstance(document, dict) else document
    if not isinstance(sessions, list):
        raise SessionFileUnreadable(f"{path.name} is neither a list nor an object with a list {_LIST!r}")
    if not sessions:
        raise SessionFileEmpty(f"{path.name} holds an empty list")
    rows = [_row(number, record) for number, record in enumerate(sessions, start=1)]
    yield Heading(_columns(rows))
    yield from rows


def read_lines(path: Path) -> Reading:
    """Yield the keys and the objects of a file with one JSON object in each line.

    A row's number is its line. Blank lines are no rows; a line that is no object is refused alone.

    Raises:
        SessionFileMissing: No such file (404).
        SessionFileUnreadable: A folder, no permission, or damaged (422).
        SessionFileEmpty: An empty file (422).
    """
    with opened(path) as file:
        rows = (_row_of_line(line) for line in lines(file) if line.refusal or line.text.strip())
        first_rows = list(islice(rows, _ROWS_THAT_MAKE_A_HEADING))
        yield Heading(_columns(first_rows))
        yield from chain(first_rows, rows)


def _columns(rows: Sequence[Row | RefusedRow]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for row in rows if isinstance(row, Row) for key in row.cells))


def _row_of_line(line: Line) -> Row | RefusedRow:
    if line.refusal:
        return refusal_of(line)
    try:
        record = _parsed(line.text)
    except (ValueError, RecursionError) as error:
        return RefusedRow(line.number, None, Reason.NOT_A_ROW, f"not JSON: {error}")
    return _row(line.number, record)


def _row(number: int, record: object) -> Row | RefusedRow:
    if isinstance(record, dict):
        return Row(number, record)
    return RefusedRow(number, None, Reason.NOT_A_ROW, f"not an object but {type(record).__name__}")


def _parsed(text: str) -> object:
    """Return the parsed document; fractions stay text, so that no digit is lost to binary floats."""
    return json.loads(text, parse_float=str, parse_int=_integer)


def _integer(digits: str) -> int | str:
    # Turning thousands of digits into a number takes Python quadratic time, and it refuses to.
    return int(digits) if len(digits) <= _INTEGER_LENGTH_MAX else digits
