"""Money between lanes arrives once or stays where it was, wherever the way is interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from nerava.kernel.switch_names import MONEY_ALL
from nerava.ledger import AccountSpec, Asset, Chain, Effect, Ledger, Status, Verdict, chain, transfer
from nerava.ledger.audit import audit
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.switches import approve_release, ask_release, turn_on
from nerava.ledger.transit import Crossing, move, on_its_way, sweep, transit_accounts
from nerava.platform.db import Database

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
NORTH, SOUTH = "north", "south"
CROSSING = Crossing("invoice-7", "a", NORTH, "b", SOUTH, 300)


class Stopped(Exception):
    """The process ended here."""


@pytest.fixture
def lanes(database: Database, ledger: Ledger) -> Ledger:
    def open_accounts(session: Session) -> None:
        ledger.define(session, [Asset("USD", 2, "cash")])
        specs = [
            AccountSpec("external:bank", "USD", "external", floor=None, lane=NORTH),
            AccountSpec("a", "USD", "x", lane=NORTH),
            AccountSpec("b", "USD", "x", ceiling=1_000, lane=SOUTH),
        ]
        ledger.open(session, [*specs, *transit_accounts(NORTH, SOUTH, "USD")])

    database.run(open_accounts)
    ledger.submit(chain("fund", transfer("external:bank", "a", 500), lane=NORTH))
    return ledger


def settled(database: Database, ledger: Ledger) -> tuple[int, int, int]:
    assert database.read(audit) == []
    way = database.read(lambda session: on_its_way(session, NORTH, SOUTH))
    return ledger.balance("a").available, ledger.balance("b").posted, way


def test_an_amount_crosses_once_however_often_it_is_sent(database: Database, lanes: Ledger) -> None:
    assert move(lanes, CROSSING).status is Status.POSTED
    assert move(lanes, CROSSING).status is Status.EXISTS
    assert settled(database, lanes) == (200, 300, 0)
    assert sweep(database, lanes) == 0


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_crossing_that_stopped_is_finished_by_the_sweeper(
    database: Database, lanes: Ledger, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    submit, done = lanes.submit, []

    def dying(one: Chain, effects: Sequence[Effect] = ()) -> Verdict:
        if len(done) == steps:
            raise Stopped
        done.append(one)
        return submit(one, effects)

    with monkeypatch.context() as patch:
        patch.setattr(lanes, "submit", dying)
        with pytest.raises(Stopped):
            move(lanes, CROSSING)
    assert lanes.balance("a").available == 200

    assert sweep(database, lanes) == 1
    assert settled(database, lanes) == (200, 300, 0)
    assert sweep(database, lanes) == 0


def test_a_crossing_that_is_switched_off_on_its_way_waits_as_it_is(
    database: Database, lanes: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = lanes.submit

    def stopped_after(one: Chain, effects: Sequence[Effect] = ()) -> Verdict:
        verdict = submit(one, effects)
        database.run(lambda session: turn_on(session, MONEY_ALL, by="o-1", reason="drill", now=NOON))
        return verdict

    with monkeypatch.context() as patch:
        patch.setattr(lanes, "submit", stopped_after)
        with pytest.raises(SwitchedOff):
            move(lanes, CROSSING)
    with pytest.raises(SwitchedOff):
        sweep(database, lanes)
    assert settled(database, lanes) == (200, 0, 0)

    asked = database.run(lambda session: ask_release(session, MONEY_ALL, by="o-1", reason="over", now=NOON))
    database.run(lambda session: approve_release(session, asked.id, by="o-2", now=NOON))
    assert sweep(database, lanes) == 1
    assert settled(database, lanes) == (200, 300, 0)


def test_what_the_other_lane_refuses_is_given_back(database: Database, lanes: Ledger) -> None:
    lanes.submit(chain("fund more", transfer("external:bank", "a", 5_000), lane=NORTH))
    too_much = Crossing("invoice-8", "a", NORTH, "b", SOUTH, 1_001)

    assert move(lanes, too_much).status is Status.CEILING
    assert settled(database, lanes) == (5_500, 0, 0)


def test_what_was_refused_stays_refused_when_there_is_room_later(database: Database, lanes: Ledger) -> None:
    source = transit_accounts(NORTH, SOUTH, "USD")[1].code
    lanes.submit(chain("fill", transfer(source, "b", 900), lane=SOUTH))
    assert move(lanes, CROSSING).status is Status.CEILING
    lanes.submit(chain("make room", transfer("b", source, 900), lane=SOUTH))

    assert [move(lanes, CROSSING).status for _ in range(2)] == [Status.CONFLICT] * 2
    assert settled(database, lanes) == (500, 0, 0)
    assert sweep(database, lanes) == 0
    assert move(lanes, replace(CROSSING, fact="invoice-7, again")).status is Status.POSTED
    assert settled(database, lanes) == (200, 300, 0)


def test_a_refusal_that_was_overtaken_ends_as_the_other_decided(
    database: Database, lanes: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = transit_accounts(NORTH, SOUTH, "USD")[1].code
    lanes.submit(chain("fill", transfer(source, "b", 900), lane=SOUTH))
    submit, calls = lanes.submit, []

    def overtaken(one: Chain, effects: Sequence[Effect] = ()) -> Verdict:
        """Let another make room and finish the crossing just after our second step was refused."""
        calls.append(one)
        told = submit(one, effects)
        if len(calls) == 2:
            assert told.status is Status.CEILING
            with monkeypatch.context() as other:
                other.setattr(lanes, "submit", submit)
                submit(chain("make room", transfer("b", source, 900), lane=SOUTH))
                assert sweep(database, lanes) == 1
        return told

    with monkeypatch.context() as patch:
        patch.setattr(lanes, "submit", overtaken)
        assert move(lanes, CROSSING).ok
    assert settled(database, lanes) == (200, 300, 0)
    assert sweep(database, lanes) == 0


def test_what_is_not_there_does_not_leave(database: Database, lanes: Ledger) -> None:
    assert move(lanes, Crossing("invoice-9", "a", NORTH, "b", SOUTH, 501)).status is Status.INSUFFICIENT
    assert settled(database, lanes) == (500, 0, 0)


def test_no_transfer_reaches_over_two_lanes(lanes: Ledger) -> None:
    assert lanes.submit(chain("short cut", transfer("a", "b", 1), lane=NORTH)).status is Status.WRONG_LANE
