"""The copy of somebody's data: every table that knows them, as JSON and as CSV, in one zip file."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from http import HTTPStatus
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TextIO

from sqlalchemy import select

from nerava.identity.people import own_contacts
from nerava.kernel.errors import NeravaError
from nerava.platform.db import Base
from nerava.privacy.csv_cells import write_csv
from nerava.privacy.holdings import HOLDINGS
from nerava.privacy.subjects import subject_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sqlalchemy.orm import Session
    from typing_extensions import Buffer

    from nerava.platform.vault import Vault
    from nerava.privacy.holdings import Holding
    from nerava.privacy.subjects import Subject

FORMAT: Final = "nerava-export-1"
CONTACTS: Final = "contacts"
"""The one part that is no table: phone numbers and addresses in clear."""

COPY_MAX: Final = 256 * 2**20
"""How many bytes a copy may have: it is sealed in memory, and the database keeps it as one value."""

_PAGE: Final = 1_000

Row = dict[str, Any]
Reading = Callable[[], Iterator[Row]]


class CopyTooLarge(NeravaError):
    """There is more about somebody than one copy may hold; people have to hand it over."""

    code = "copy-too-large"
    status = HTTPStatus.INSUFFICIENT_STORAGE
    title = "There is more than one copy may hold"


def copy_of(session: Session, vault: Vault, user_id: UUID, now: datetime) -> bytes:
    """Return the zip file: `data.json`, `csv/<table>.csv` for each, and `manifest.json`.

    Every row about a user is in it, by table, as values of JSON, and their contacts in clear. Rows are
    read as they are written, so no more than the file itself is in memory.

    Args:
        session: A reading session; one snapshot.
        vault: Opens the contacts.
        user_id: Whose data.
        now: Aware UTC; stands in the manifest.

    Raises:
        KeyDestroyed: The user was erased (410).
        CopyTooLarge: The file would have more than `COPY_MAX` bytes (507).
    """
    who = subject_of(session, vault, user_id)
    parts: dict[str, Reading] = {one.table: partial(rows_of, session, one, who) for one in HOLDINGS}
    contacts = [
        {"id": str(one.id), "kind": one.kind.value, "value": one.value}
        for one in own_contacts(session, vault, user_id)
    ]
    parts[CONTACTS] = lambda: iter(contacts)
    body = _BoundedBytes()
    with zipfile.ZipFile(body, "w") as file:
        with _text_in(file, "data.json", now) as out:
            rows = _write_json(out, parts)
        for name, read in parts.items():
            with _text_in(file, f"csv/{name}.csv", now) as out:
                _write_csv(out, read())
        manifest = {"format": FORMAT, "subject": str(user_id), "made_at": now.isoformat(), "rows": rows}
        with _text_in(file, "manifest.json", now) as out:
            json.dump(manifest, out, indent=2)
    return body.getvalue()


def rows_of(session: Session, holding: Holding, who: Subject) -> Iterator[Row]:
    """Yield what one table shows of a subject, in the order of its primary key."""
    table = Base.metadata.tables[holding.table]
    wanted = select(*(table.c[name] for name in holding.columns)).where(holding.mine(table.c, who))
    ordered = wanted.order_by(*table.primary_key.columns).execution_options(yield_per=_PAGE)
    for row in session.execute(ordered).mappings():
        yield {name: _plain(value) for name, value in row.items()}


class _BoundedBytes(io.BytesIO):
    def write(self, data: Buffer, /) -> int:
        written = super().write(data)
        if self.tell() > COPY_MAX:
            raise CopyTooLarge
        return written


@contextmanager
def _text_in(file: zipfile.ZipFile, name: str, now: datetime) -> Iterator[TextIO]:
    entry = zipfile.ZipInfo(name, now.timetuple()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    with file.open(entry, "w") as raw, io.TextIOWrapper(raw, "utf-8", newline="") as out:
        yield out


def _write_json(out: TextIO, parts: Mapping[str, Reading]) -> dict[str, int]:
    """Write an object of lists, a row a line, and return how many rows each of them has."""
    counts = dict.fromkeys(parts, 0)
    for number, (name, read) in enumerate(parts.items()):
        out.write(f"{',' if number else '{'}\n {json.dumps(name)}: [")
        for row in read():
            out.write(f"{',' if counts[name] else ''}\n  {json.dumps(row, ensure_ascii=False)}")
            counts[name] += 1
        out.write("]")
    out.write("\n}\n")
    return counts


def _write_csv(out: TextIO, rows: Iterator[Row]) -> None:
    first = next(rows, {})
    cells = ([_cell(value) for value in row.values()] for row in chain([first] if first else [], rows))
    write_csv(out, list(first), cells)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _plain(value: object) -> Any:  # noqa: ANN401 - a value of JSON
    match value:
        case datetime():
            return value.isoformat()
        case bytes():
            return value.hex()
        case None | bool() | int() | float() | str() | dict() | list():
            return value
        case _:
            return str(value)
