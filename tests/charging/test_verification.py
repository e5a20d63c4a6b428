"""Which sessions are believed, and what is said about the others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerava.charging.errors import LocationInvalid, WrongSessionState
from nerava.charging.evidence import EvidencedSession, EvidenceLevel
from nerava.charging.states import SessionEvent, SessionState, transition
from nerava.charging.verification import (
    SCORE_OF_LEVEL,
    TEXTS,
    Context,
    Finding,
    FindingCode,
    Neighbour,
    Severity,
    verify,
)
from nerava.charging.zones import zone
from nerava.kernel.ids import fact_id
from tests.rewards.examples import NOON, session, sessions

OTHER = fact_id("session:other")
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def found(drawn: EvidencedSession, context: Context | None = None) -> tuple[str, list[str]]:
    """Return what follows and the codes of the findings."""
    verification = verify(drawn, context or Context())
    return verification.event, [one.code for one in verification.findings]


def test_a_plain_session_is_verified_with_the_score_of_its_evidence() -> None:
    verification = verify(session())

    assert verification.event is SessionEvent.VERIFY
    assert verification.score == 95
    assert verification.parts == (("evidence", 95),)


@pytest.mark.parametrize(
    ("changes", "event", "codes"),
    [
        ({"evidence_level": 0}, "reject", ["evidence.presence_only"]),
        ({"is_test": True}, "reject", ["session.test_site"]),
        ({"minutes": 2}, "verify", []),
        ({"minutes": 1.999, "energy_wh": 1}, "reject", ["session.too_short"]),
        ({"minutes": 0, "energy_wh": 0}, "reject", ["session.too_short", "session.zero_energy"]),
        ({"energy_wh": 0}, "reject", ["session.zero_energy"]),
        ({"energy_wh": 1}, "verify", []),
        ({"power_w_max": 50_000, "energy_wh": 55_100}, "verify", []),
        ({"power_w_max": 50_000, "energy_wh": 55_101}, "doubt", ["session.energy_above_connector"]),
        ({"power_w_max": None, "energy_wh": 24_388}, "verify", []),
        ({"power_w_max": None, "energy_wh": 24_389}, "doubt", ["session.power_above_ac"]),
        ({"power_w_max": 600_000, "energy_wh": 500_000}, "verify", []),
        ({"power_w_max": 600_000, "energy_wh": 500_001}, "reject", ["session.power_impossible"]),
        ({"minutes": 24 * 60}, "verify", []),
        ({"minutes": 24 * 60 + 1}, "verify", ["session.longer_than_a_day"]),
        (
            {"minutes": 1, "energy_wh": 9_999_999},
            "reject",
            ["session.too_short", "session.power_impossible"],
        ),
    ],
)
def test_facts_lead_to_findings(changes: dict[str, Any], event: str, codes: list[str]) -> None:
    changes = {"minutes": 2 if changes.get("minutes") == 2 else 60, "energy_wh": 1_000} | changes

    assert found(session(**changes)) == (event, codes)


def around(starts: timedelta, ends: timedelta) -> tuple[Neighbour, ...]:
    """Return a neighbour by its distance from the start of the session at noon."""
    return (Neighbour(OTHER, NOON + starts, NOON + ends),)


@pytest.mark.parametrize(
    ("starts", "ends", "event"),
    [
        (-HOUR, timedelta(0), "verify"),
        (-HOUR, 60 * SECOND, "verify"),
        (-HOUR, 61 * SECOND, "doubt"),
        (-HOUR, 9 * HOUR, "doubt"),
        (timedelta(0), HOUR, "doubt"),
    ],
)
def test_an_overlap_of_more_than_a_minute_is_doubted(starts: timedelta, ends: timedelta, event: str) -> None:
    assert found(session(), Context(of_driver=around(starts, ends)))[0] == event
    assert found(session(), Context(of_connector=around(starts, ends)))[0] == event


def test_the_longest_of_several_overlaps_is_named() -> None:
    short = Neighbour(fact_id("short"), NOON - HOUR, NOON + 5 * 60 * SECOND)
    (finding,) = verify(session(), Context(of_driver=(short, *around(-HOUR, HOUR)))).findings

    assert finding == Finding(FindingCode.DRIVER_OVERLAP, {"overlap_s": 3_600, "session": str(OTHER)})


def test_a_driver_and_a_connector_in_two_places_are_two_findings() -> None:
    both = Context(of_driver=around(-HOUR, HOUR), of_connector=around(-HOUR, HOUR))

    assert found(session(), both) == ("doubt", ["session.driver_overlap", "session.connector_overlap"])


@given(sessions(), st.booleans())
def test_the_score_is_explained_by_its_parts_and_findings_decide(
    drawn: EvidencedSession, alone: bool
) -> None:
    overlap = Neighbour(OTHER, drawn.started_at - HOUR, drawn.started_at + HOUR)
    context = Context() if alone else Context(of_driver=(overlap,))
    verification = verify(drawn, context)
    severities = {one.severity for one in verification.findings}

    assert verification == verify(drawn, context)
    assert verification.score == sum(points for _, points in verification.parts)
    assert 0 <= verification.score <= SCORE_OF_LEVEL[EvidenceLevel(drawn.evidence_level)]
    assert [name for name, _ in verification.parts[1:]] == [one.code for one in verification.findings]
    assert (verification.event is SessionEvent.REJECT) == (Severity.REJECT in severities)
    assert (verification.event is SessionEvent.VERIFY) == (severities <= {Severity.NOTE})
    assert verification.event is not SessionEvent.REJECT or verification.score == 0
    assert all(one.text for one in verification.findings)


def test_every_finding_has_a_text() -> None:
    assert set(TEXTS) == set(FindingCode)


@pytest.mark.parametrize(
    ("state", "event", "following"),
    [
        ("open", "close", "closed"),
        ("closed", "verify", "verified"),
        ("closed", "doubt", "review"),
        ("closed", "reject", "rejected"),
        ("review", "verify", "verified"),
        ("review", "reject", "rejected"),
        ("verified", "attest", "closed"),
        ("review", "attest", "closed"),
        ("rejected", "attest", "closed"),
        ("open", "attest", "open"),
        ("closed", "attest", "closed"),
    ],
)
def test_a_session_moves_only_along_its_states(state: str, event: str, following: str) -> None:
    assert transition(SessionState(state), SessionEvent(event)) == following


@pytest.mark.parametrize(
    ("state", "event"),
    [
        ("open", "verify"),
        ("closed", "close"),
        ("verified", "reject"),
        ("verified", "doubt"),
        ("rejected", "verify"),
    ],
)
def test_a_state_that_cannot_follow_is_refused(state: str, event: str) -> None:
    with pytest.raises(WrongSessionState):
        transition(SessionState(state), SessionEvent(event))


@pytest.mark.parametrize(
    "name", ["Nowhere", "../../etc/passwd", "America", "", "America/", "zone.tab", "/UTC"]
)
def test_only_names_of_the_zone_data_are_zones(name: str) -> None:
    with pytest.raises(LocationInvalid):
        zone(name)


def test_a_zone_comes_from_the_pinned_data() -> None:
    assert zone("America/Chicago").key == "America/Chicago"
    assert zone("Etc/GMT+5").key == "Etc/GMT+5"
