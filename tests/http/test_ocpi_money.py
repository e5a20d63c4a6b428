"""An operator written from the specification pushes a charge: its record pays, its credit takes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.http.roaming import Network, opened_network


@pytest.fixture
def network(url: str, tmp_path: Path) -> Iterator[Network]:
    """A registered operator, on both databases."""
    with opened_network(url, tmp_path) as opened:
        yield opened


@pytest.mark.trap("C6")
@pytest.mark.trap("C7")
def test_a_record_settles_what_a_session_promised_and_its_credit_takes_it_back(network: Network) -> None:
    operator = network.operator
    assert operator.put("locations", network.location()).status_code == 201
    assert operator.put("sessions", network.session()).status_code == 201
    network.work()
    [session] = network.sessions()
    assert (session["energy_wh"], session["evidence_level"]) == (10_000, 1)
    assert (network.nova(), network.decisions()) == (0, ["provisional"])

    told = operator.cdr(network.record(total_energy=9.5, charging_periods=[]))
    assert (told.status_code, told.json()["status_code"]) == (201, 1000)
    network.work()
    assert (network.nova(), network.decisions()) == (95, ["settled"])
    [session] = network.sessions()
    assert (session["energy_wh"], session["evidence_level"]) == (9_500, 4)

    # Everything of a credit but its cost is as in the record that it takes back.
    credit = network.record(
        id="C1-credit",
        total_energy=9.5,
        charging_periods=[],
        total_cost={"excl_vat": -4.0, "incl_vat": -4.4},
        credit=True,
        credit_reference_id="C1",
        last_updated="2026-11-20T11:00:00Z",
    )
    assert operator.cdr(credit).status_code == 201
    network.work()
    assert (network.nova(), network.decisions()) == (0, ["clawed_back"])

    corrected = network.record(
        id="C2", total_energy=8.0, charging_periods=[], last_updated="2026-11-20T11:01:00Z"
    )
    assert operator.cdr(corrected).status_code == 201
    network.work()
    assert network.nova() == 80
    assert network.outcomes("cdrs") == {"c1": "settled", "c1-credit": "credited", "c2": "corrected"}
    assert network.house.findings() == []
