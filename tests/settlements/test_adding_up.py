"""Whatever is sold and given back, whenever it is closed: nothing is lost, nothing is settled twice."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copy
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nerava.kernel.money import split_fee
from nerava.ledger.templates.redemption_refund import RefundAboveCaptured
from nerava.merchants.errors import AlreadySettled, NotRefundable
from nerava.platform.db import Database
from nerava.settlements.closing import AFTER
from tests.settlements.counter import BEGAN, open_counter

if TYPE_CHECKING:
    from uuid import UUID

END = datetime(2026, 6, 20, tzinfo=UTC)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("sell", "sell", "give back", "close")),
        st.integers(1, 4_000),
        st.integers(0, 40 * 24 * 60),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_settlements_come_to_what_was_captured_less_what_was_given_back(
    sqlite_template: Path, steps: list[tuple[str, int, int]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "books.sqlite3"
        copy(sqlite_template, file)
        database = Database(f"sqlite:///{file}")
        try:
            _live(database, steps)
        finally:
            database.close()


def _live(database: Database, steps: list[tuple[str, int, int]]) -> None:
    with open_counter(database) as counter:
        at, captured, given = BEGAN, 0, 0
        sold: list[UUID] = []
        for what, points, minutes in steps:
            at += timedelta(minutes=minutes)
            if what == "sell":
                sold.append(counter.sell(points, at))
                captured += points
            elif what == "close":
                counter.close(at)
            elif sold:
                part = min(points, 100)
                try:
                    counter.give_back(sold[points % len(sold)], part, at)
                    given += part
                except (AlreadySettled, NotRefundable, RefundAboveCaptured):
                    continue
        found = counter.close(max(at, END) + timedelta(days=62) + AFTER)

        settled = sum(one.points for one in found)
        assert settled + found[-1].carried_out == captured - given
        assert found[-1].carried_out == 0
        fees = [split_fee(one.points, one.fee_bps) for one in found]
        assert sum(one.net_minor for one in found) == sum(one.net for one in fees)
        nova, payable, _ = counter.money
        assert (nova, payable) == (0, sum(one.net_minor for one in found))
        assert counter.findings() == []
