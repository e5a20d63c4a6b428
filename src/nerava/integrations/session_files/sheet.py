"""Reads recorded sessions from the first sheet of an xlsx workbook."""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path
from typing import IO, Final

from python_calamine import CalamineError, CalamineWorkbook

from nerava.charging.recordings import Row
from nerava.integrations.session_files.source import (
    WHOLE_FILE_BYTES_MAX,
    Heading,
    Reading,
    SessionFileEmpty,
    SessionFileTooLarge,
    SessionFileUnreadable,
    raw,
)

_CELLS_MAX: Final = 20_000_000
# Wider than the standard allows, because the reader of sheets takes what it finds: A99999999999.
_PLACE: Final = re.compile(rb"""(?<![\w:])r\s*=\s*["']\s*([A-Za-z]{0,9})([0-9]{0,40})""")
_CHUNK_BYTES: Final = 1 << 20
_ROW_DIGITS_MAX: Final = 7
_PLACE_BYTES_MAX: Final = 100


def read_sheet(path: Path) -> Reading:
    """Yield the heading and the rows of the first sheet that has any.

    A row's number is the one the sheet shows. The heading is the first row that is not blank; blank
    rows below it are no rows. Dates come as `datetime` without zone.

    Raises:
        SessionFileMissing: No such file (404).
        SessionFileTooLarge: Unpacks to more than 256 MiB or spans more than 20 million cells (413).
        SessionFileUnreadable: Not a workbook, damaged, or locked with a password (422).
        SessionFileEmpty: No sheet has a row (422).
    """
    with raw(path):
        _refuse_bombs(path)
        try:
            with CalamineWorkbook.from_path(path) as workbook:
                sheets = map(workbook.get_sheet_by_index, range(len(workbook.sheet_names)))
                sheet = next((sheet for sheet in sheets if sheet.height), None)
                cells = sheet.to_python(skip_empty_area=False) if sheet else []
        except CalamineError as error:
            raise SessionFileUnreadable(f"{path.name} cannot be read as xlsx: {error}") from None
    numbered = ((number, row) for number, row in enumerate(cells, start=1) if any(cell != "" for cell in row))
    found = next(numbered, None)
    if found is None:
        raise SessionFileEmpty(f"{path.name} has no sheet with rows")
    columns = tuple(str(cell).strip() for cell in found[1])
    twice = {column for column in columns if column and columns.count(column) > 1}
    if twice:
        raise SessionFileUnreadable(f"{path.name} has two columns called {', '.join(sorted(twice))}")
    yield Heading(columns)
    for number, row in numbered:
        yield Row(number, dict(zip(columns, row, strict=True)))


def _refuse_bombs(path: Path) -> None:
    """Measure a workbook before the reader of sheets allocates what it claims to hold.

    That reader keeps every cell between the outermost ones, so one cell in the last row and column
    of a file of a few hundred bytes would ask for half a terabyte.
    """
    left_bytes = WHOLE_FILE_BYTES_MAX
    try:
        with zipfile.ZipFile(path) as members:
            for name in members.namelist():
                with members.open(name) as member:
                    left_bytes -= _measured(member, left_bytes, path)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, zlib.error) as error:
        raise SessionFileUnreadable(f"{path.name} is not a readable workbook: {error}") from None


def _measured(member: IO[bytes], left_bytes: int, path: Path) -> int:
    """Return how many bytes a part of a workbook unpacks to; the part may be a sheet or anything."""
    unpacked_bytes, columns, rows = 0, 1, 1
    tail = b""
    while chunk := member.read(_CHUNK_BYTES):
        unpacked_bytes += len(chunk)
        for column, row in _PLACE.findall(tail + chunk):
            columns = max(columns, _column_number(column))
            rows = max(rows, int(row or 1) if len(row) <= _ROW_DIGITS_MAX else _CELLS_MAX + 1)
        if unpacked_bytes > left_bytes or columns * rows > _CELLS_MAX:
            raise SessionFileTooLarge(
                f"{path.name} unpacks to more than {WHOLE_FILE_BYTES_MAX >> 20} MiB "
                f"or spans more than {_CELLS_MAX} cells; save it as CSV"
            )
        tail = chunk[-_PLACE_BYTES_MAX:]
    return unpacked_bytes


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - ord("A") + 1
    return number
