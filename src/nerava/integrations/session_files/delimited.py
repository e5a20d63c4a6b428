"""Reads recorded sessions from CSV text, one damaged record at a time."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from nerava.charging.recordings import Reason, RefusedRow, Row
from nerava.integrations.session_files.source import (
    Heading,
    Line,
    Reading,
    SessionFileEmpty,
    SessionFileUnreadable,
    lines,
    opened,
    refusal_of,
)

# In this order where they split the heading alike: names hold commas far more often than the others.
_DELIMITERS: Final = ("\t", ";", ",")
# A cell may hold line breaks (an address, a remark). More lines than this is a quote nobody closed,
# and without a bound the next stray quote, however far, would swallow every session in between.
_RECORD_LINES_MAX: Final = 20


class _RecordTooLong(Exception):
    """A record goes on for more lines than any cell has."""


class _Feed(Iterator[str]):
    """Hands lines to the CSV reader, remembers those of the present record, and takes lines back."""

    def __init__(self, source: Iterator[Line]) -> None:
        self._source = source
        self._returned: deque[Line] = deque()
        self.record: list[Line] = []

    def __next__(self) -> str:
        if len(self.record) >= _RECORD_LINES_MAX:
            raise _RecordTooLong
        line = self._returned.popleft() if self._returned else next(self._source)
        self.record.append(line)
        return line.text

    def take_back(self) -> None:
        """Give all lines of the present record but its first to the next records."""
        self._returned.extendleft(reversed(self.record[1:]))


def read_delimited(path: Path) -> Reading:
    """Yield the heading and the rows of a CSV file, packed with gzip or not.

    The delimiter is the one of `,`, `;` and tab that splits the heading into most columns. A row's
    number is the line it begins in. Blank lines are no rows. A record that is malformed is refused
    alone: if a quote was never closed, reading goes on in the very next line.

    Raises:
        SessionFileMissing: No such file (404).
        SessionFileUnreadable: Not text, or a heading that cannot be used (422).
        SessionFileEmpty: Nothing but blanks (422).
    """
    with opened(path) as file:
        source = lines(file)
        first = next((line for line in source if line.refusal or line.text.strip()), None)
        if first is None:
            raise SessionFileEmpty(f"{path.name} holds only blank lines")
        if first.refusal:
            raise SessionFileUnreadable(f"the heading of {path.name}: {refusal_of(first).detail}")
        delimiter, columns = _heading(first.text, path)
        yield Heading(columns)
        yield from _rows(_Feed(source), delimiter, columns)


def _heading(text: str, path: Path) -> tuple[str, tuple[str, ...]]:
    try:
        splits = {mark: next(csv.reader([text], delimiter=mark, strict=True)) for mark in _DELIMITERS}
    except (csv.Error, StopIteration):
        raise SessionFileUnreadable(
            f"the heading of {path.name} is not a line of column names; is it CSV with ordinary line ends?"
        ) from None
    delimiter = max(_DELIMITERS, key=lambda mark: len(splits[mark]))
    columns = tuple(column.strip() for column in splits[delimiter])
    twice = {column for column in columns if column and columns.count(column) > 1}
    if twice:
        raise SessionFileUnreadable(f"{path.name} has two columns called {', '.join(sorted(twice))}")
    return delimiter, columns


def _rows(feed: _Feed, delimiter: str, columns: tuple[str, ...]) -> Iterator[Row | RefusedRow]:
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    width = len(columns)
    while True:
        feed.record.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, _RecordTooLong) as error:
            feed.take_back()
            what = str(error) or "a quote that is never closed"
            yield _refused(feed.record, f"not a line of cells: {what}")
            continue
        blank = not "".join(cells).strip()
        broken = next((line for line in feed.record if line.refusal), None)
        if not blank and (len(cells) < width or "".join(cells[width:]).strip()):
            feed.take_back()
            yield _refused(feed.record, f"{len(cells)} cells, but the heading has {width}")
        elif broken:
            yield replace(refusal_of(broken), row=feed.record[0].number)
        elif not blank:
            yield Row(feed.record[0].number, dict(zip(columns, cells, strict=False)))


def _refused(record: list[Line], detail: str) -> RefusedRow:
    """Refuse the first line of a malformed record, for its own fault if it has one."""
    first = record[0]
    return refusal_of(first) if first.refusal else RefusedRow(first.number, None, Reason.NOT_A_ROW, detail)
