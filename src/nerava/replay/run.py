"""Takes recorded sessions in, in the order of time, and works them off as the product does live."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from nerava.charging import ingest
from nerava.charging import service as charging
from nerava.charging.evidence import EvidenceLevel, NewEvidence
from nerava.charging.ingest import NewConnector, NewLocation, NewSession
from nerava.charging.queries import ids_by_reference
from nerava.charging.recordings import RecordedSession, RefusedRow
from nerava.drivers import service as drivers
from nerava.rewards.service import evaluate_closed
from nerava.rewards.settlement import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.kernel.clock import Clock
    from nerava.ledger import Ledger
    from nerava.platform.db import Database

CHUNK: Final = 500
_PER_MILLE: Final = 1_000


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """How a recording is replayed. The same options over the same recording end the same.

    Attributes:
        source: Name under which the sessions are stored; with their own reference it is their key.
        seed: From it and the session's reference alone follows which simulated driver had it.
        drivers: How many simulated drivers there are, for recordings that name none.
        provisional_per_mille: Share of sessions of which the car's telemetry comes first and the
            charge record later, so that their reward is held before it is settled.
        overstated_per_mille: Share of those of which telemetry claimed 10 % more energy.
        unconfirmed_per_mille: Share of those of which the charge record never comes.
        crowd: Sets its drivers apart from those of another replay of the same source.
    """

    source: str
    seed: int = 7
    drivers: int = 2_000
    provisional_per_mille: int = 100
    overstated_per_mille: int = 100
    unconfirmed_per_mille: int = 20
    crowd: str = ""


@dataclass(slots=True)
class ReplayCounts:
    """What one run did. What is in the database after it, `tally` says."""

    rows: int = 0
    refused: list[RefusedRow] = field(default_factory=list)
    new: int = 0
    known: int = 0
    evaluated: int = 0
    settled: int = 0


class Sorted(NamedTuple):
    """A recording read to its end: sessions in the order of time, and the rows that are none."""

    sessions: list[RecordedSession]
    refused: list[RefusedRow]


def read_all(outcomes: Iterable[RecordedSession | RefusedRow]) -> Sorted:
    """Read every outcome and return the sessions by start, end and reference."""
    sessions: list[RecordedSession] = []
    refused: list[RefusedRow] = []
    for one in outcomes:
        if isinstance(one, RefusedRow):
            refused.append(one)
        else:
            sessions.append(one)
    sessions.sort(key=lambda one: (one.started_at, one.ended_at, one.reference))
    return Sorted(sessions, refused)


class Replay:
    """One recording on its way through the product.

    Every step is a transaction of its own that may be repeated: an interrupted run is continued
    by running it again, and a complete one run again changes nothing.
    """

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        clock: Clock,
        options: ReplayOptions,
        *,
        places: Mapping[str, UUID] | None = None,
    ) -> None:
        """Prepare a replay; sites that are in `places` are these locations, others get one of their own."""
        self._database = database
        self._ledger = ledger
        self._clock = clock
        self._options = options
        self._drivers: dict[str, UUID] = {}
        self._locations: dict[str, UUID] = dict(places or {})
        self._connectors: dict[tuple[str, str], UUID] = {}

    def run(self, recording: Sorted, on_progress: Callable[[int], None]) -> ReplayCounts:
        """Replay a recording; `on_progress` is told how many sessions are behind."""
        counts = ReplayCounts(
            rows=len(recording.sessions) + len(recording.refused), refused=recording.refused
        )
        for start in range(0, len(recording.sessions), CHUNK):
            chunk = recording.sessions[start : start + CHUNK]
            self._chunk(chunk, counts)
            on_progress(start + len(chunk))
        return counts

    def _chunk(self, chunk: Sequence[RecordedSession], counts: ReplayCounts) -> None:
        taken = self._database.run(lambda session: self._take_in(session, chunk), repeatable=True)
        counts.new += taken.new
        counts.known += taken.known
        self._work_off(counts)
        late = [one for one in chunk if self._is_provisional(one) and not self._is_unconfirmed(one)]
        if late:
            self._database.run(lambda session: self._attest(session, late), repeatable=True)
            self._work_off(counts)

    def _work_off(self, counts: ReplayCounts) -> None:
        """Evaluate what is closed and settle what is due, until nothing is left."""
        while report := self._database.run(self._evaluate, repeatable=True):
            counts.evaluated += report
        while settled := self._database.run(self._settle, repeatable=True):
            counts.settled += settled

    def _evaluate(self, session: Session) -> int:
        return evaluate_closed(session, self._ledger, self._clock.now(), CHUNK).evaluated

    def _settle(self, session: Session) -> int:
        return settle(session, self._ledger, self._clock.now(), CHUNK).looked_at

    def _take_in(self, session: Session, chunk: Sequence[RecordedSession]) -> ingest.IngestCounts:
        self._make_known(session, chunk)
        return ingest.ingest(session, [self._new_session(one) for one in chunk], self._clock.now())

    def _make_known(self, session: Session, chunk: Sequence[RecordedSession]) -> None:
        """Register drivers, locations and connectors that this run has not seen yet."""
        source = self._options.source
        people = {self._driver_of(one) for one in chunk} - self._drivers.keys()
        found = drivers.register(session, self._ledger, sorted(people), self._clock.now()) if people else {}
        sites = {one.site: one for one in chunk if one.site not in self._locations}
        if sites:
            new = [
                NewLocation(source=source, reference=site, name=site, timezone=one.timezone)
                for site, one in sites.items()
            ]
            known = ingest.register_locations(session, new)
            self._locations.update({site: known[source, site] for site in sites})
        stations = {
            (one.site, one.station): one for one in chunk if (one.site, one.station) not in self._connectors
        }
        if stations:
            connectors = [
                NewConnector(location_id=self._locations[site], evse=station, power_w_max=one.power_w_max)
                for (site, station), one in stations.items()
            ]
            ids = ingest.register_connectors(session, connectors)
            self._connectors.update(
                {(site, station): ids[self._locations[site], station, "1"] for site, station in stations}
            )
        self._drivers.update(found)

    def _new_session(self, one: RecordedSession) -> NewSession:
        provisional = self._is_provisional(one)
        energy_wh = one.energy_wh
        if provisional and self._draw(one, "overstated") < self._options.overstated_per_mille:
            energy_wh += energy_wh // 10
        return NewSession(
            source=self._options.source,
            reference=one.reference,
            driver_id=self._drivers[self._driver_of(one)],
            location_id=self._locations[one.site],
            connector_id=self._connectors[one.site, one.station],
            started_at=one.started_at,
            ended_at=one.ended_at,
            energy_wh=energy_wh,
            evidence_level=EvidenceLevel.TELEMETRY if provisional else EvidenceLevel.CDR,
            body={"row": one.row, "energy_wh": energy_wh},
            price=one.price,
        )

    def _attest(self, session: Session, late: Sequence[RecordedSession]) -> int:
        ids = ids_by_reference(session, self._options.source, [one.reference for one in late])
        evidence = [
            NewEvidence(
                session_id=ids[one.reference],
                level=EvidenceLevel.CDR,
                source=self._options.source,
                reference=one.reference,
                at=one.ended_at,
                body={"row": one.row, "energy_wh": one.energy_wh},
                energy_wh=one.energy_wh,
                price=one.price,
            )
            for one in late
        ]
        return charging.attest(session, evidence, self._clock.now())

    def _driver_of(self, one: RecordedSession) -> str:
        crowd = f"{self._options.source}{self._options.crowd}"
        if one.user is not None:
            name = hashlib.sha256(f"{crowd}:{one.user}".encode()).hexdigest()[:24]
            return f"{crowd}:user:{name}"
        return f"{crowd}:simulated:{self._draw(one, 'driver', self._options.drivers)}"

    def _is_provisional(self, one: RecordedSession) -> bool:
        return self._draw(one, "provisional") < self._options.provisional_per_mille

    def _is_unconfirmed(self, one: RecordedSession) -> bool:
        return self._draw(one, "unconfirmed") < self._options.unconfirmed_per_mille

    def _draw(self, one: RecordedSession, purpose: str, sides: int = _PER_MILLE) -> int:
        """Throw a die that always falls the same for this session, purpose and seed."""
        text = f"{self._options.seed}:{purpose}:{self._options.source}:{one.reference}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) % sides


def first(recording: Sorted, limit: int | None) -> Sorted:
    """Return the first `limit` sessions of a recording, all of them for None; refused rows stay."""
    return recording if limit is None else recording._replace(sessions=recording.sessions[:limit])
