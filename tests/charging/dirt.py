"""Soils clean recordings on purpose, by seed, each fault with the verdict that must follow.

The published session sets were cleaned by those who packed them, so the faults of real exports (a
session without an end, watt-hours in a column of kilowatt-hours, one driver in two places) have to
be made again. Rows are in the product's own format.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from nerava.charging.recordings import NERAVA, Reason, RecordedSession
from nerava.charging.verification import FindingCode

Cells = dict[str, str]

_COLUMNS = NERAVA.columns


@dataclass(frozen=True)
class Fault:
    """One kind of dirt.

    With `reason` the row is refused; with `finding` it is a session, and its verification must name it.
    """

    name: str
    soil: Callable[[Cells, random.Random], Cells | bytes | None]
    reason: Reason | None = None
    finding: FindingCode | None = None


@dataclass(frozen=True)
class Soiled:
    """A CSV file and what must become of every line of it: None where it is a clean session."""

    body: bytes
    faults: Mapping[int, Fault | None]

    def refusals(self) -> dict[int, Reason]:
        """Return the reason for each line that must be refused."""
        return {line: fault.reason for line, fault in self.faults.items() if fault and fault.reason}

    def sessions(self) -> list[int]:
        """Return the lines that must come out as sessions, the suspicious ones among them."""
        return [line for line, fault in self.faults.items() if fault is None or fault.reason is None]


def cells_of(session: RecordedSession, *, user: str | None = None) -> Cells:
    """Return a session as a row of our own format, with an invented driver where it knows none."""
    return {
        "reference": session.reference,
        "site": session.site,
        "station": session.station,
        "timezone": session.timezone,
        "started_at": session.started_at.isoformat(),
        "ended_at": session.ended_at.isoformat(),
        "energy_wh": str(session.energy_wh),
        "user": session.user or user or "",
        "power_w_max": str(session.power_w_max or ""),
        "price": "",
        "currency": "",
    }


def soiled(rows: Sequence[Cells], *, seed: int, each: int = 2) -> Soiled:
    """Return the rows as CSV with `each` dirty rows of every kind among them.

    A dirty row is a changed copy of a clean one, somewhere behind it, and the clean one stays. A kind
    that fits no row (watt-hours for kilowatt-hours need some power to be noticed) is an error.
    """
    rng = random.Random(seed)
    behind: dict[int, list[tuple[Fault, bytes]]] = {}
    for fault in FAULTS:
        made = 0
        for place in rng.sample(range(len(rows)), len(rows)):
            copy = dict(rows[place])
            if fault.reason is not Reason.DUPLICATE_REFERENCE:
                copy["reference"] += f" soiled {fault.name}"
            result = fault.soil(copy, rng)
            if result is not None:
                line = result if isinstance(result, bytes) else _line(result)
                behind.setdefault(rng.randrange(place, len(rows)), []).append((fault, line))
                made += 1
            if made == each:
                break
        if made < each:
            raise ValueError(f"{fault.name} fits only {made} of {len(rows)} rows")
    body = [_line(dict(zip(_COLUMNS, _COLUMNS, strict=True)))]
    verdicts: dict[int, Fault | None] = {}
    for place, clean in enumerate(rows):
        for verdict, line in [(None, _line(clean)), *behind.get(place, [])]:
            body.append(line)
            verdicts[len(body)] = verdict
    return Soiled(b"".join(body), verdicts)


def _line(cells: Cells) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells.values())
    return text.getvalue().encode()


def _set(**changes: str) -> Callable[[Cells, random.Random], Cells]:
    return lambda cells, _rng: cells | changes


def _moved(cells: Cells, column: str, by: timedelta) -> Cells:
    return cells | {column: (datetime.fromisoformat(cells[column]) + by).isoformat()}


def _duration(cells: Cells) -> timedelta:
    return datetime.fromisoformat(cells["ended_at"]) - datetime.fromisoformat(cells["started_at"])


def _backwards(cells: Cells, _rng: random.Random) -> Cells:
    return cells | {"started_at": cells["ended_at"], "ended_at": cells["started_at"]}


def _instantly(cells: Cells, _rng: random.Random) -> Cells:
    return cells | {"ended_at": cells["started_at"]}


def _never_closed(cells: Cells, rng: random.Random) -> Cells:
    return _moved(cells, "ended_at", timedelta(hours=rng.randrange(169, 5000)))


def _decades_off(cells: Cells, _rng: random.Random) -> Cells:
    back = timedelta(days=40 * 365)
    return _moved(_moved(cells, "started_at", -back), "ended_at", -back)


def _ahead(cells: Cells, _rng: random.Random) -> Cells:
    ahead = timedelta(days=300 * 365)
    return _moved(_moved(cells, "started_at", ahead), "ended_at", ahead)


def _thousandfold(cells: Cells, _rng: random.Random) -> Cells | None:
    """Return the row as an export writes it that puts watt-hours where kilowatt-hours belong."""
    energy_wh = int(cells["energy_wh"]) * 1000
    if energy_wh / (_duration(cells).total_seconds() / 3600) <= 400_000:
        return None
    return cells | {"energy_wh": str(energy_wh)}


def _broken_bytes(cells: Cells, _rng: random.Random) -> bytes:
    return _line(cells | {"site": "Z?rich"}).replace(b"Z?rich", "Zürich".encode("latin-1"))


def _cut_short(cells: Cells, rng: random.Random) -> bytes:
    line = _line(cells).rstrip()
    return line[: rng.randrange(1, line.rindex(b","))] + b"\n"


def _open_quote(cells: Cells, _rng: random.Random) -> bytes:
    return b'"' + _line(cells)


def _in_two_places(cells: Cells, rng: random.Random) -> Cells | None:
    if not cells["user"] or _duration(cells) < timedelta(minutes=20):
        return None
    elsewhere = cells | {"station": f"{cells['station']} elsewhere"}
    return _moved(elsewhere, "started_at", timedelta(minutes=rng.randrange(1, 10)))


def _cloned_card(cells: Cells, _rng: random.Random) -> Cells | None:
    """Return a session of the same card at the other end of the country, while the first still runs."""
    if not cells["user"] or _duration(cells) < timedelta(hours=1):
        return None
    far = {"site": "the other end of the country", "timezone": "America/New_York", "energy_wh": "5000"}
    return _moved(cells | far, "started_at", _duration(cells) / 2)


def _ninety_seconds(cells: Cells, _rng: random.Random) -> Cells:
    return _moved(
        cells | {"ended_at": cells["started_at"], "energy_wh": "40"}, "ended_at", timedelta(seconds=90)
    )


def _weak_connector(cells: Cells, _rng: random.Random) -> Cells:
    mean_power_w = int(cells["energy_wh"]) / (_duration(cells).total_seconds() / 3600)
    return cells | {"power_w_max": str(max(1, int(mean_power_w / 3)))}


FAULTS: tuple[Fault, ...] = (
    Fault("no end", _set(ended_at=""), Reason.NO_END),
    Fault("null end", _set(ended_at="NULL"), Reason.NO_END),
    Fault("no start", _set(started_at="  "), Reason.NO_START),
    Fault("no energy", _set(energy_wh=""), Reason.NO_ENERGY),
    Fault("no id", _set(reference=""), Reason.NO_REFERENCE),
    Fault("zero energy", _set(energy_wh="0"), Reason.ZERO_ENERGY),
    Fault("less than half a watt-hour", _set(energy_wh="0.4"), Reason.ZERO_ENERGY),
    Fault("negative energy", _set(energy_wh="-1200"), Reason.NEGATIVE_ENERGY),
    Fault("endless energy", _set(energy_wh="inf"), Reason.BAD_NUMBER),
    Fault("energy in words", _set(energy_wh="twelve"), Reason.BAD_NUMBER),
    Fault("ends before it starts", _backwards, Reason.NEGATIVE_DURATION),
    Fault("ends as it starts", _instantly, Reason.ZERO_DURATION),
    Fault("never closed", _never_closed, Reason.ABSURD_DURATION),
    Fault("decades ago", _decades_off, Reason.WRONG_YEAR),
    Fault("in the far future", _ahead, Reason.WRONG_YEAR),
    Fault("no such day", _set(started_at="2025-02-30T10:00:00+00:00"), Reason.BAD_TIME),
    Fault("a day without time", _set(ended_at="2025-02-28"), Reason.BAD_TIME),
    Fault("a sign for a currency", _set(price="12.34", currency="$"), Reason.BAD_CURRENCY),
    Fault("no such zone", _set(timezone="Mars/Olympus"), Reason.BAD_TIMEZONE),
    Fault("watt-hours for kilowatt-hours", _thousandfold, Reason.IMPOSSIBLE_POWER),
    Fault("seen before", lambda cells, _rng: cells, Reason.DUPLICATE_REFERENCE),
    Fault("control characters", _set(station="CA\x00305"), Reason.BAD_TEXT),
    Fault("repaired in vain", _set(site="Z\ufffdrich"), Reason.BAD_ENCODING),
    Fault("broken bytes", _broken_bytes, Reason.BAD_ENCODING),
    Fault("cut short", _cut_short, Reason.NOT_A_ROW),
    Fault("one cell too many", lambda cells, _rng: _line(cells)[:-1] + b",more\n", Reason.NOT_A_ROW),
    Fault("a quote never closed", _open_quote, Reason.NOT_A_ROW),
    Fault("one driver in two places", _in_two_places, finding=FindingCode.DRIVER_OVERLAP),
    Fault("a cloned card", _cloned_card, finding=FindingCode.DRIVER_OVERLAP),
    Fault("a test site", _set(site="TEST SITE - do not bill"), finding=FindingCode.TEST_SITE),
    Fault("ninety seconds", _ninety_seconds, finding=FindingCode.TOO_SHORT),
    Fault("more than the connector has", _weak_connector, finding=FindingCode.ENERGY_ABOVE_CONNECTOR),
)
"""Every kind of dirt. Row faults carry the reason of the refusal, the others what verification finds."""
