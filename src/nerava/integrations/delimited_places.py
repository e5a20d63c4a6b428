"""Lists of charging sites and places in CSV, as an operator keeps them in a spreadsheet."""

from __future__ import annotations

import csv
import hashlib
from itertools import islice
from typing import TYPE_CHECKING, Final

from nerava.discovery.errors import FileUnreadable
from nerava.discovery.feeds import WHOLE_WORLD, Attribution, Batch, Reject
from nerava.discovery.records import (
    Access,
    Address,
    Category,
    PlaceRecord,
    Plug,
    PlugKind,
    SiteRecord,
    SiteStatus,
)
from nerava.kernel.geography import Point
from nerava.kernel.wording import readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from nerava.discovery.records import Record
    from nerava.kernel.geography import Box

BATCH: Final = 1_000
NEEDED: Final = ("thing", "reference", "name", "latitude", "longitude")
COLUMNS: Final = (
    *NEEDED, "category", "kind", "opening_hours", "website", "phone", "street", "house", "city", "postcode",
    "state", "country", "brand", "timezone", "operator", "network", "access", "status", "plugs", "price_text",
)  # fmt: skip
"""`thing` is `site` or `place`; `plugs` in OCPI's words: `2 x IEC_62196_T2 22000; CHADEMO 50000`."""


class ListFeed:
    """A CSV file of our own columns; unknown columns are refused, so that a typing error is not silence."""

    absences_max: Final = 1
    total: int | None = None

    def __init__(self, path: Path, name: str, attribution: Attribution) -> None:
        """Look at the head of a file.

        Raises:
            FileUnreadable: It has not the columns that it needs, or others that nobody reads (422).
        """
        self._path = path
        self.source = f"csv:{name}"
        self.attribution = attribution
        self.coverage: Box | None = WHOLE_WORLD
        with path.open("rb") as file:
            self.fingerprint = hashlib.file_digest(file, "sha256").hexdigest()
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                heading = next(csv.reader(file), [])
        except (UnicodeDecodeError, csv.Error) as error:
            raise FileUnreadable(f"{path.name} is not CSV in UTF-8: {error}") from None
        missing, unknown = set(NEEDED) - set(heading), set(heading) - set(COLUMNS)
        if missing or unknown:
            wrong = [f"{name} is missing" for name in sorted(missing)]
            wrong += [f"{name!r} is read by nobody" for name in sorted(unknown)]
            raise FileUnreadable(f"{path.name}: {'; '.join(wrong)}; columns: {', '.join(COLUMNS)}")

    def batches(self, resume_at: str | None) -> Iterator[Batch]:
        """Yield the rows; `position` counts them."""
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, restkey="too many")
            done = int(resume_at or 0)
            for _ in islice(rows, done):
                pass
            while part := list(islice(rows, BATCH)):
                found = [_read(row, number) for number, row in enumerate(part, start=done + 2)]
                done += len(part)
                yield Batch(
                    [one for one in found if not isinstance(one, Reject)],
                    str(done),
                    [one for one in found if isinstance(one, Reject)],
                )


def _read(row: Mapping[str, str | None], number: int) -> Record | Reject:
    reference = row.get("reference") or None
    if "too many" in row or None in row.values():
        return Reject(number, reference, "columns", "the row has more or fewer cells than the heading")
    told = {name: value.strip() for name, value in row.items() if value and value.strip()}
    try:
        if told.get("thing") == "site":
            return _site(told)
        if told.get("thing") == "place":
            return _place(told)
    except (KeyError, ValueError) as error:
        return Reject(number, reference, "value", f"cannot be read: {error}")
    return Reject(number, reference, "thing", "thing is neither site nor place")


def _site(told: Mapping[str, str]) -> SiteRecord:
    return SiteRecord(
        reference=told["reference"],
        name=readable(told["name"]),
        position=_position(told),
        timezone=told.get("timezone"),
        operator=told.get("operator"),
        network=told.get("network"),
        access=Access(told.get("access", Access.UNKNOWN)),
        status=SiteStatus(told.get("status", SiteStatus.UNKNOWN)),
        address=_address(told),
        opening_hours=told.get("opening_hours"),
        phone=told.get("phone"),
        website=told.get("website"),
        price_text=told.get("price_text"),
        plugs=tuple(_plug(text) for text in told.get("plugs", "").split(";") if text.strip()),
    )


def _place(told: Mapping[str, str]) -> PlaceRecord:
    return PlaceRecord(
        reference=told["reference"],
        name=readable(told["name"]),
        category=Category(told["category"]),
        position=_position(told),
        kind=told.get("kind"),
        opening_hours=told.get("opening_hours"),
        website=told.get("website"),
        phone=told.get("phone"),
        address=_address(told),
        brand=told.get("brand"),
    )


def _position(told: Mapping[str, str]) -> Point:
    return Point(float(told["latitude"]), float(told["longitude"]))


def _address(told: Mapping[str, str]) -> Address:
    names = ("street", "house", "city", "postcode", "state", "country")
    return Address(**{name: told.get(name) for name in names})


def _plug(text: str) -> Plug:
    count, _, rest = text.strip().rpartition(" x ")
    kind, _, power_w = rest.strip().partition(" ")
    return Plug(
        kind=PlugKind(kind),
        count=int(count) if count else 1,
        power_w_max=int(power_w) if power_w else None,
    )
