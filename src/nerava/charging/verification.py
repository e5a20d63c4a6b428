"""Decides from the facts alone whether a closed session is believable, and says why."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from nerava.charging.evidence import SECOND_US, EvidenceLevel
from nerava.charging.states import SessionEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from nerava.charging.evidence import EvidencedSession

SHORTEST: Final = timedelta(minutes=2)
LONGEST_USUAL: Final = timedelta(hours=24)
"""Longer is noted, not refused: 73 of 27,407 real sessions were, because the car stayed plugged in."""

POWER_TOLERANCE_PERCENT: Final = 10
"""Ratings are rounded numbers and clocks differ: a 50 kW connector that delivers 52 is not fraud."""

ENERGY_TOLERANCE_WH: Final = 100
"""Meters report in steps; without it a session of three minutes would fail on one step."""

AC_POWER_W_MAX: Final = 22_080
"""Three phases of 32 A at 230 V: the most that an AC connector delivers.

Taken as the limit where the power of the connector, and of every other one there, is unknown. The
alternative, the usual power of earlier sessions there, would make the answer depend on what happens
to be stored already and let the first faulty record set the measure for the next. A DC connector that
nobody registered therefore sends its sessions to review, and registering its power is the cure.
"""

POWER_W_IMPOSSIBLE: Final = 500_000
"""More as the mean of a whole session than any connector for cars delivers at its peak."""

OVERLAP_TOLERANCE: Final = timedelta(seconds=60)
"""Two clocks may disagree about the moment when one car left and the next one came."""

_SECOND: Final = timedelta(seconds=1)

SCORE_OF_LEVEL: Final = {
    EvidenceLevel.PRESENCE: 0,
    EvidenceLevel.PARTNER: 60,
    EvidenceLevel.TELEMETRY: 70,
    EvidenceLevel.TELEMETRY_AND_CHARGER: 85,
    EvidenceLevel.CDR: 95,
    EvidenceLevel.SIGNED_CDR: 100,
}
"""What the evidence alone is worth, before findings take something off."""


class Severity(StrEnum):
    """What a finding leads to."""

    NOTE = "note"
    REVIEW = "review"
    REJECT = "reject"


class FindingCode(StrEnum):
    """What verification can find. Stable: stored, counted and translated."""

    PRESENCE_ONLY = "evidence.presence_only"
    TEST_SITE = "session.test_site"
    TOO_SHORT = "session.too_short"
    ZERO_ENERGY = "session.zero_energy"
    POWER_IMPOSSIBLE = "session.power_impossible"
    ENERGY_ABOVE_CONNECTOR = "session.energy_above_connector"
    POWER_ABOVE_AC = "session.power_above_ac"
    DRIVER_OVERLAP = "session.driver_overlap"
    CONNECTOR_OVERLAP = "session.connector_overlap"
    ANOTHER_DRIVERS = "session.another_drivers"
    LONGER_THAN_A_DAY = "session.longer_than_a_day"
    CHARGER_IDLE = "place.charger_idle"
    PLACE_LAST_PARKED = "place.last_parked"


_WEIGHT: Final = {
    FindingCode.PRESENCE_ONLY: (Severity.REJECT, 100),
    FindingCode.TEST_SITE: (Severity.REJECT, 100),
    FindingCode.TOO_SHORT: (Severity.REJECT, 100),
    FindingCode.ZERO_ENERGY: (Severity.REJECT, 100),
    FindingCode.POWER_IMPOSSIBLE: (Severity.REJECT, 100),
    FindingCode.ENERGY_ABOVE_CONNECTOR: (Severity.REVIEW, 50),
    FindingCode.POWER_ABOVE_AC: (Severity.REVIEW, 40),
    FindingCode.DRIVER_OVERLAP: (Severity.REVIEW, 50),
    FindingCode.CONNECTOR_OVERLAP: (Severity.REVIEW, 30),
    FindingCode.ANOTHER_DRIVERS: (Severity.REVIEW, 50),
    FindingCode.LONGER_THAN_A_DAY: (Severity.NOTE, 5),
    FindingCode.CHARGER_IDLE: (Severity.REVIEW, 60),
    FindingCode.PLACE_LAST_PARKED: (Severity.REVIEW, 40),
}

TEXTS: Final = {
    FindingCode.PRESENCE_ONLY: "Only the phone says that the car charged, and phones can be made to say so.",
    FindingCode.TEST_SITE: "The location is a test site.",
    FindingCode.TOO_SHORT: "It took {duration_s} s; a charge of less than {least_s} s is not one.",
    FindingCode.ZERO_ENERGY: "No energy was delivered.",
    FindingCode.POWER_IMPOSSIBLE: "A mean power of {mean_power_w} W is more than any connector delivers.",
    FindingCode.ENERGY_ABOVE_CONNECTOR: (
        "{energy_wh} Wh are more than the {most_wh} Wh that this connector can deliver in that time."
    ),
    FindingCode.POWER_ABOVE_AC: (
        "The connector's power is unknown, and {energy_wh} Wh are more than the {most_wh} Wh that an AC "
        "connector can deliver in that time."
    ),
    FindingCode.DRIVER_OVERLAP: "The driver was already charging elsewhere for {overlap_s} s of it.",
    FindingCode.CONNECTOR_OVERLAP: "The connector was already in use for {overlap_s} s of it.",
    FindingCode.ANOTHER_DRIVERS: (
        "Another driver charged at this place for {overlap_s} s of it by another source's word, and neither "
        "charger, times nor energy show that it was another charge."
    ),
    FindingCode.LONGER_THAN_A_DAY: "It took {duration_s} s, longer than a day.",
    FindingCode.CHARGER_IDLE: "By its operator's word no charger of the location was in use then.",
    FindingCode.PLACE_LAST_PARKED: "The car says only where it was parked last, which may be old.",
}


class Finding(NamedTuple):
    """One thing that speaks against a session. `facts` fill the text; ids, never names."""

    code: FindingCode
    facts: dict[str, int | str]

    @property
    def severity(self) -> Severity:
        """What it leads to."""
        return _WEIGHT[self.code][0]

    @property
    def text(self) -> str:
        """One English sentence for people."""
        return TEXTS[self.code].format(**self.facts)


class Neighbour(NamedTuple):
    """Another session of the same driver, connector or place that came before this one."""

    session_id: UUID
    started_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Context:
    """What is known around a session: only sessions that were known earlier and touch it in time.

    The one that became known later carries the finding (of two known together the one that began
    later), so the answer does not depend on the order or the batches in which they are judged.
    Sessions without energy or of less than two minutes prove no presence and must be left out.
    `of_place` are those of other drivers that may be the same charge (`doubles`).
    `doubts` are codes of findings that whoever took in the evidence made.
    """

    of_driver: Sequence[Neighbour] = ()
    of_connector: Sequence[Neighbour] = ()
    of_place: Sequence[Neighbour] = ()
    doubts: Sequence[str] = ()


NOTHING_AROUND: Final = Context()


@dataclass(frozen=True, slots=True)
class Verification:
    """The answer to one session.

    Attributes:
        score: 0 to 100, exactly the sum of `parts`.
        parts: What the evidence gave and what each finding took, in order.
    """

    event: SessionEvent
    score: int
    parts: tuple[tuple[str, int], ...]
    findings: tuple[Finding, ...] = field(default=())


_CLEAN: Final = {
    level: Verification(SessionEvent.VERIFY, score, (("evidence", score),))
    for level, score in SCORE_OF_LEVEL.items()
}


def verify(session: EvidencedSession, context: Context = NOTHING_AROUND) -> Verification:
    """Judge a closed session; pure, and the same for the same facts on every day.

    Any rejecting finding rejects, else any doubtful one sends it to a person, else it is verified.
    """
    findings = tuple(_findings(session, context))
    if not findings:
        return _CLEAN[EvidenceLevel(session.evidence_level)]
    score = SCORE_OF_LEVEL[EvidenceLevel(session.evidence_level)]
    parts: list[tuple[str, int]] = [("evidence", score)]
    for finding in findings:
        taken = min(score, _WEIGHT[finding.code][1])
        score -= taken
        parts.append((finding.code, -taken))
    return Verification(_event(findings), score, tuple(parts), findings)


def _event(findings: Sequence[Finding]) -> SessionEvent:
    severities = {finding.severity for finding in findings}
    if Severity.REJECT in severities:
        return SessionEvent.REJECT
    return SessionEvent.DOUBT if Severity.REVIEW in severities else SessionEvent.VERIFY


def _findings(session: EvidencedSession, context: Context) -> Iterable[Finding]:
    if session.evidence_level == EvidenceLevel.PRESENCE:
        yield Finding(FindingCode.PRESENCE_ONLY, {})
    if session.is_test:
        yield Finding(FindingCode.TEST_SITE, {})
    duration = session.ended_at - session.started_at
    if duration < SHORTEST:
        facts: dict[str, int | str] = {"duration_s": duration // _SECOND, "least_s": SHORTEST // _SECOND}
        yield Finding(FindingCode.TOO_SHORT, facts)
    elif duration > LONGEST_USUAL:
        yield Finding(FindingCode.LONGER_THAN_A_DAY, {"duration_s": duration // _SECOND})
    if session.energy_wh <= 0:
        yield Finding(FindingCode.ZERO_ENERGY, {})
    else:
        yield from _power_findings(session)
    if context.of_driver:
        yield from _overlap(session, context.of_driver, FindingCode.DRIVER_OVERLAP)
    if context.of_connector:
        yield from _overlap(session, context.of_connector, FindingCode.CONNECTOR_OVERLAP)
    if context.of_place:
        yield from _overlap(session, context.of_place, FindingCode.ANOTHER_DRIVERS)
    for doubt in context.doubts:
        yield Finding(FindingCode(doubt), {})


def _power_findings(session: EvidencedSession) -> Iterable[Finding]:
    duration_us = session.duration_us
    if session.energy_wh > _deliverable_wh(POWER_W_IMPOSSIBLE, duration_us):
        mean = session.energy_wh * 3_600 * SECOND_US // max(duration_us, SECOND_US)
        yield Finding(FindingCode.POWER_IMPOSSIBLE, {"mean_power_w": mean})
        return
    power = AC_POWER_W_MAX if session.power_w_max is None else session.power_w_max
    most_wh = (
        _deliverable_wh(power * (100 + POWER_TOLERANCE_PERCENT) // 100, duration_us) + ENERGY_TOLERANCE_WH
    )
    if session.energy_wh > most_wh:
        code = (
            FindingCode.POWER_ABOVE_AC if session.power_w_max is None else FindingCode.ENERGY_ABOVE_CONNECTOR
        )
        yield Finding(code, {"energy_wh": session.energy_wh, "most_wh": most_wh})


def _deliverable_wh(power_w: int, duration_us: int) -> int:
    return power_w * duration_us // (3_600 * SECOND_US)


def _overlap(session: EvidencedSession, others: Iterable[Neighbour], code: FindingCode) -> Iterable[Finding]:
    """Report the longest overlap, one finding however many sessions there are."""
    longest = OVERLAP_TOLERANCE
    worst: Neighbour | None = None
    for other in others:
        overlap = min(session.ended_at, other.ended_at) - max(session.started_at, other.started_at)
        if overlap > longest:
            longest, worst = overlap, other
    if worst is not None:
        yield Finding(code, {"overlap_s": longest // _SECOND, "session": str(worst.session_id)})
