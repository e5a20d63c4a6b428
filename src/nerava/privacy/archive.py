"""The copy of somebody's data: every table that knows them, as JSON and as CSV, in one zip file."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from nerava.identity.people import own_contacts
from nerava.platform.db import Base
from nerava.privacy.csv_cells import csv_text
from nerava.privacy.holdings import HOLDINGS
from nerava.privacy.subjects import subject_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.platform.vault import Vault
    from nerava.privacy.holdings import Holding
    from nerava.privacy.subjects import Subject

FORMAT: Final = "nerava-export-1"
CONTACTS: Final = "contacts"
"""The one part that is no table: phone numbers and addresses in clear."""

Row = dict[str, Any]


def collect(session: Session, vault: Vault, user_id: UUID) -> dict[str, list[Row]]:
    """Return every row about a user by table, as values of JSON, and their contacts in clear.

    Raises:
        KeyDestroyed: The user was erased (410).
    """
    who = subject_of(session, vault, user_id)
    found = {one.table: rows_of(session, one, who) for one in HOLDINGS}
    found[CONTACTS] = [
        {"id": str(one.id), "kind": one.kind.value, "value": one.value}
        for one in own_contacts(session, vault, user_id)
    ]
    return found


def rows_of(session: Session, holding: Holding, who: Subject) -> list[Row]:
    """Return what one table shows of a subject, in the order of its primary key."""
    table = Base.metadata.tables[holding.table]
    wanted = select(*(table.c[name] for name in holding.columns)).where(holding.mine(table.c, who))
    rows = session.execute(wanted.order_by(*table.primary_key.columns)).mappings()
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def packed(found: Mapping[str, Sequence[Row]], user_id: UUID, now: datetime) -> bytes:
    """Return the zip file: `manifest.json`, `data.json`, and `csv/<table>.csv` for each."""
    manifest = {
        "format": FORMAT,
        "subject": str(user_id),
        "made_at": now.isoformat(),
        "rows": {name: len(rows) for name, rows in found.items()},
    }
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in (
            ("manifest.json", json.dumps(manifest, indent=2)),
            ("data.json", json.dumps(found, indent=1, ensure_ascii=False)),
            *((f"csv/{table}.csv", _as_csv(rows)) for table, rows in found.items()),
        ):
            file.writestr(zipfile.ZipInfo(name, now.timetuple()[:6]), text)
    return body.getvalue()


def _as_csv(rows: Sequence[Row]) -> str:
    columns = list(rows[0]) if rows else []
    return csv_text(columns, ([_cell(row[name]) for name in columns] for row in rows))


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
