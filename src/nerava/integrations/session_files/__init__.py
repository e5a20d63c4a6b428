"""Reads recorded charging sessions from CSV, JSON and xlsx files, whoever exported them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

from nerava.charging.recordings import (
    ColumnMapping,
    Limits,
    MappingInvalid,
    RecordedSession,
    RefusedRow,
    mapping_for,
    mapping_from,
    parse,
)
from nerava.integrations.session_files.delimited import read_delimited
from nerava.integrations.session_files.records import read_lines, read_list
from nerava.integrations.session_files.sheet import read_sheet
from nerava.integrations.session_files.source import (
    Reading,
    RowStream,
    SessionFileEmpty,
    SessionFileMissing,
    SessionFileTooLarge,
    SessionFileUnknown,
    SessionFileUnreadable,
    raw,
)

__all__ = [
    "FileFormat",
    "RowStream",
    "SessionFileEmpty",
    "SessionFileMissing",
    "SessionFileTooLarge",
    "SessionFileUnknown",
    "SessionFileUnreadable",
    "read_mapping",
    "read_rows",
    "read_sessions",
]

FileFormat = Literal["csv", "json", "jsonl", "xlsx"]

_FORMAT_OF: Final[Mapping[str, FileFormat]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".xlsx": "xlsx",
}
_READERS: Final[Mapping[FileFormat, Callable[[Path], Reading]]] = {
    "csv": read_delimited,
    "json": read_list,
    "jsonl": read_lines,
    "xlsx": read_sheet,
}
_MAPPING_BYTES_MAX: Final = 1 << 20


def read_rows(path: Path, format: FileFormat | None = None) -> RowStream:  # noqa: A002 - the field's word
    """Open a file and return its rows, read while they are taken, and its columns, known at once.

    The format follows from the end of the name (`.csv .tsv .txt .json .jsonl .ndjson .xlsx`, text
    also with `.gz`) unless it is given. A row that cannot be read comes as a `RefusedRow`.

    Raises:
        SessionFileMissing: No such file (404).
        SessionFileUnknown: The name does not say what it is (415).
        SessionFileUnreadable: A folder, no permission, damaged, or another format (422).
        SessionFileEmpty: Not a single row (422).
        SessionFileTooLarge: More than is read at once (413).
    """
    return RowStream(_READERS[format or _format_of(path)](path), name=path.name)


def read_sessions(
    path: Path,
    limits: Limits,
    *,
    mapping: ColumnMapping | None = None,
    format: FileFormat | None = None,  # noqa: A002 - what callers know it as
) -> Iterator[RecordedSession | RefusedRow]:
    """Open a file and return the outcome of each of its rows, one by one.

    Without a mapping the heading decides which of the ready ones fits. Everything that concerns the
    whole file is raised before this returns; what concerns a row is an outcome.

    Raises:
        ColumnsMissing: The heading lacks a column the mapping names, or fits no ready one (422).
        SessionFileMissing: And the others of `read_rows`.
    """
    stream = read_rows(path, format)
    if mapping is None:
        mapping = mapping_for(stream.columns)
    else:
        mapping.check(stream.columns)
    return parse(stream, mapping, limits)


def read_mapping(path: Path) -> ColumnMapping:
    """Read a column mapping from a TOML or JSON file; `recording_columns` shows one.

    Raises:
        MappingInvalid: Not TOML or JSON, or not a mapping; says everything that is wrong (422).
        SessionFileMissing: No such file (404).
        SessionFileUnreadable: A folder or no permission (422).
        SessionFileEmpty: An empty file (422).
    """
    with raw(path) as file:
        body = file.read(_MAPPING_BYTES_MAX + 1)
    if len(body) > _MAPPING_BYTES_MAX:
        raise MappingInvalid(f"{path.name} has more than {_MAPPING_BYTES_MAX >> 20} MiB")
    try:
        text = body.decode("utf-8-sig")
        document = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise MappingInvalid(f"{path.name} is neither TOML nor JSON: {error}") from None
    return mapping_from(document, name=path.stem)


def _format_of(path: Path) -> FileFormat:
    name = path.name.lower().removesuffix(".gz")
    found = _FORMAT_OF.get(Path(name).suffix)
    if found is None:
        raise SessionFileUnknown(f"{path.name}: name the format, or end the name in {' '.join(_FORMAT_OF)}")
    return found
