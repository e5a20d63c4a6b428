"""The dirt that other tests rely on is dirt of every kind, and the same for one seed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from nerava.charging.recordings import Reason, RecordedSession
from tests.charging.dirt import FAULTS, cells_of, soiled

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
ROWS = [
    cells_of(
        RecordedSession(
            row=number,
            reference=f"S-{number}",
            site="Depot",
            station=f"D-{number % 4}",
            started_at=START + timedelta(days=number),
            ended_at=START + timedelta(days=number, hours=2),
            energy_wh=14_000,
            timezone="America/Chicago",
            user=None,
            power_w_max=11_000,
        ),
        user=f"driver-{number}",
    )
    for number in range(30)
]


def test_one_seed_gives_one_file() -> None:
    assert soiled(ROWS, seed=1).body == soiled(ROWS, seed=1).body
    assert soiled(ROWS, seed=1).body != soiled(ROWS, seed=2).body


def test_every_kind_of_dirt_is_there_and_every_clean_row_too() -> None:
    file = soiled(ROWS, seed=1, each=3)
    made = list(file.faults.values())
    assert made.count(None) == len(ROWS)
    assert all(made.count(fault) == 3 for fault in FAULTS)
    assert len(file.refusals()) + len(file.sessions()) == len(made)


def test_every_fault_has_one_verdict() -> None:
    assert all((fault.reason is None) != (fault.finding is None) for fault in FAULTS)


def test_every_refusal_that_a_row_alone_can_cause_is_among_the_dirt() -> None:
    by_the_format = {
        Reason.CUT_OFF,
        Reason.TOO_LARGE,
        Reason.MISSING_COLUMN,
        Reason.NO_SITE,
        Reason.NO_STATION,
        Reason.NO_TIMEZONE,
    }
    assert {fault.reason for fault in FAULTS if fault.reason} == set(Reason) - by_the_format


def test_dirt_that_fits_no_row_is_said_and_not_left_out() -> None:
    with pytest.raises(ValueError, match="one driver in two places fits only 0"):
        soiled([row | {"user": ""} for row in ROWS], seed=1)
