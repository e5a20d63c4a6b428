"""Opens a file of recorded sessions within bounds and says plainly why one cannot be read."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from nerava.charging.recordings import Reason, RefusedRow, Row
from nerava.kernel.errors import NeravaError

LINE_BYTES_MAX: Final = 1 << 20
WHOLE_FILE_BYTES_MAX: Final = 256 << 20
STREAM_BYTES_MAX: Final = 4 << 30

# What a compressed stream raises when it was cut off or tampered with.
_DAMAGED: Final = (EOFError, gzip.BadGzipFile, zlib.error)


class SessionFileMissing(NeravaError):
    """There is no file at that path."""

    code = "session-file-missing"
    status = HTTPStatus.NOT_FOUND
    title = "There is no such file"


class SessionFileUnknown(NeravaError):
    """The name of the file does not say what is in it."""

    code = "session-file-unknown"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    title = "The format of the file is not known"


class SessionFileUnreadable(NeravaError):
    """The file as a whole cannot be read: a folder, no permission, damaged, or another format."""

    code = "session-file-unreadable"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The file cannot be read"


class SessionFileEmpty(NeravaError):
    """The file holds no session: no bytes, only blanks, or only a heading."""

    code = "session-file-empty"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The file holds no sessions"


class SessionFileTooLarge(NeravaError):
    """The file is larger, packed or unpacked, than is read at once."""

    code = "session-file-too-large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    title = "The file is too large"


@dataclass(frozen=True, slots=True)
class Heading:
    """The names of the columns; what every reader yields before its first row."""

    columns: tuple[str, ...]


Reading = Generator[Heading | Row | RefusedRow, None, None]


class RowStream(Iterator[Row | RefusedRow]):
    """The rows of one file, read while they are taken. `columns` are known from the start.

    Closes the file at its end, on `close()`, at the end of a `with`, or when it is forgotten.

    Raises:
        SessionFileEmpty: There is not a single row (422).
    """

    def __init__(self, reading: Reading, *, name: str) -> None:
        heading, first = next(reading, None), next(reading, None)
        if not isinstance(heading, Heading) or first is None:
            raise SessionFileEmpty(f"{name} has no rows below its heading")
        self.columns = heading.columns
        self._reading = reading
        self._rows = chain([first], reading)

    def __next__(self) -> Row | RefusedRow:
        row = next(self._rows)
        if isinstance(row, Heading):
            raise AssertionError("a reader yields one heading")
        return row

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Safe to repeat; there are no more rows afterwards."""
        self._reading.close()
        self._rows = chain([])


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a text file for reading, unpacked if it is packed with gzip, whatever its name says.

    Raises:
        SessionFileMissing: No such file (404).
        SessionFileUnreadable: A folder, no permission, a workbook, or UTF-16 text (422).
        SessionFileEmpty: Not one byte (422).
    """
    with raw(path) as file:
        magic = file.peek(4)[:4]
        if magic.startswith(b"PK\x03\x04"):
            raise SessionFileUnreadable(f"{path.name} is a workbook or a zip file; workbooks end in .xlsx")
        if not magic.startswith(b"\x1f\x8b"):
            _refuse_utf16(magic, path)
            yield file
            return
        with gzip.GzipFile(fileobj=file) as packed, io.BufferedReader(packed) as unpacked:
            try:
                magic = unpacked.peek(4)[:4]
            except _DAMAGED as error:
                raise SessionFileUnreadable(f"{path.name} is damaged: {error}") from None
            if not magic:
                raise SessionFileEmpty(f"{path.name} is empty")
            _refuse_utf16(magic, path)
            yield unpacked


@contextmanager
def raw(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file that is there and not empty.

    Raises:
        SessionFileMissing: No such file (404).
        SessionFileUnreadable: A folder or no permission (422).
        SessionFileEmpty: Not one byte (422).
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise SessionFileMissing(f"there is no file {path}") from None
    except IsADirectoryError:
        raise SessionFileUnreadable(f"{path} is a folder; name a file in it") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SessionFileUnreadable(f"{path} cannot be opened: {reason}") from None
    with file:
        if not file.peek(1):
            raise SessionFileEmpty(f"{path.name} is empty")
        yield file


def _refuse_utf16(magic: bytes, path: Path) -> None:
    if magic[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise SessionFileUnreadable(f"{path.name} is UTF-16 text; save it as UTF-8")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a text file. `refusal` says why its text is not to be trusted."""

    number: int
    text: str
    refusal: Reason | None = None


def lines(file: BinaryIO) -> Iterator[Line]:
    """Yield the lines of UTF-8 text, numbered from 1, line ends included.

    A line with broken bytes, or one longer than 1 MiB, comes with its refusal and does not touch its
    neighbours. A stream that breaks off ends with one line that says so.
    """
    number = bytes_read = 0
    try:
        while data := file.readline(LINE_BYTES_MAX):
            number += 1
            bytes_read += len(data)
            if number == 1:
                data = data.removeprefix(b"\xef\xbb\xbf")
            if len(data) >= LINE_BYTES_MAX and not data.endswith(b"\n"):
                bytes_read += _skip_line(file)
                yield Line(number, "", Reason.TOO_LARGE)
            else:
                try:
                    yield Line(number, data.decode())
                except UnicodeDecodeError:
                    yield Line(number, data.decode(errors="replace"), Reason.BAD_ENCODING)
            if bytes_read > STREAM_BYTES_MAX:
                yield Line(number + 1, "", Reason.TOO_LARGE)
                return
    except _DAMAGED:
        yield Line(number + 1, "", Reason.CUT_OFF)


def _skip_line(file: BinaryIO) -> int:
    skipped = 0
    while (data := file.readline(LINE_BYTES_MAX)) and skipped <= STREAM_BYTES_MAX:
        skipped += len(data)
        if data.endswith(b"\n"):
            break
    return skipped


def refusal_of(line: Line) -> RefusedRow:
    """Return the refused row that a line with a refusal makes."""
    details = {
        Reason.BAD_ENCODING: "the row is not valid UTF-8; save the file as UTF-8",
        Reason.TOO_LARGE: f"longer than {LINE_BYTES_MAX >> 20} MiB in one line, "
        f"or {STREAM_BYTES_MAX >> 30} GiB in all",
        Reason.CUT_OFF: "the packed file breaks off here; what follows is lost",
    }
    if line.refusal is None:
        raise AssertionError("only a line with a refusal can be refused")
    return RefusedRow(line.number, None, line.refusal, details[line.refusal])
