"""Cells of CSV that no spreadsheet takes for a formula, and that read back as what they were."""

from __future__ import annotations

import csv
import io
from itertools import chain
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TRIGGERS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")
"""What a cell must not begin with: some spreadsheet would compute it."""

_GUARD: Final = "'"


def guarded(text: str) -> str:
    """Return a text as a cell; one that begins like a formula, or like a guard, gets a `'` before it."""
    return _GUARD + text if text.startswith((*TRIGGERS, _GUARD)) else text


def unguarded(cell: str) -> str:
    """Return the text that `guarded` made this cell of."""
    return cell.removeprefix(_GUARD)


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows as CSV (RFC 4180) with a head; every cell is guarded and in quotes."""
    out = io.StringIO(newline="")
    write_csv(out, columns, rows)
    return out.getvalue()


def write_csv(out: TextIO, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write what `csv_text` returns, row by row."""
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    for row in chain([columns], rows):
        writer.writerow([guarded(cell) for cell in row])
