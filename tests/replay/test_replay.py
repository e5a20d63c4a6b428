"""A replay ends the same however often it is interrupted, and every session has its answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from nerava.charging.model import ChargingSession
from nerava.charging.recordings import Limits, mapping_for, parse
from nerava.charging.states import SessionState
from nerava.charging.verification import Finding, FindingCode, Severity
from nerava.integrations import datasets
from nerava.integrations.session_files import read_rows
from nerava.kernel.clock import SystemClock
from nerava.ledger import Ledger
from nerava.platform.db import Database
from nerava.replay.report import REASONS, ReplayReport, report
from nerava.replay.run import Replay, ReplayOptions, Sorted, read_all
from nerava.replay.scenario import SCENARIOS, ready
from nerava.rewards.reasons import TEXTS
from nerava.rewards.rules import Answer
from nerava.rewards.tally import Examples, examples
from tests.rewards.rule_examples import EXAMPLES

CLOCK = SystemClock()
EVERYTHING_IS_PROVISIONAL = {
    "provisional_per_mille": 500,
    "unconfirmed_per_mille": 100,
    "overstated_per_mille": 300,
}


@pytest.fixture
def recording() -> Sorted:
    """The built-in sample, in the order of time."""
    return read_all(datasets.read_dataset("sample", Path(), Limits(now=CLOCK.now())))


def replayed(database: Database, ledger: Ledger, recording: Sorted, **options: int) -> ReplayReport:
    scenario = SCENARIOS[20]("USD")
    database.run(lambda session: ready(session, ledger, scenario, CLOCK.now()))
    chosen = ReplayOptions("sample", drivers=20, **(EVERYTHING_IS_PROVISIONAL | options))
    return report(database, Replay(database, ledger, CLOCK, chosen).run(recording, lambda _done: None), 1.0)


def end_of(result: ReplayReport) -> dict[str, Any]:
    return {name: value for name, value in result.as_dict().items() if name != "this_run"}


def test_every_session_earned_or_has_a_reason_and_the_money_adds_up(
    database: Database, ledger: Ledger, recording: Sorted
) -> None:
    result = replayed(database, ledger, recording)

    tally = result.tally
    assert tally.sessions == len(recording.sessions) > 100
    assert tally.earned + tally.reasons.total() == tally.sessions
    assert tally.undecided == 0
    assert tally.held > 0
    assert result.ok
    assert result.findings == []
    assert sum(one.money.granted for one in result.campaigns) == tally.points > 0


def test_the_demo_without_a_network_shows_reasons_too(
    database: Database, ledger: Ledger, recording: Sorted
) -> None:
    database.run(lambda session: ready(session, ledger, SCENARIOS[3]("USD"), CLOCK.now()))
    counts = Replay(database, ledger, CLOCK, ReplayOptions("sample", drivers=600)).run(
        recording, lambda _done: None
    )
    result = report(database, counts, 1.0)

    assert result.ok
    assert result.tally.held == 2
    assert result.tally.reasons == {
        "off_peak_bonus.too_little_inside": 2,
        "session.too_short": 2,
        "cap.driver_day_reached": 1,
    }
    assert result.refused_rows.total() == len(result.refused_rows) == 6


def test_who_is_shown_has_no_session_under_review_as_long_as_there_is_anybody(
    database: Database, ledger: Ledger, recording: Sorted
) -> None:
    assert database.read(examples) is None
    replayed(database, ledger, recording)

    def review(session: Session, *drivers: UUID) -> Examples | None:
        state = {"state": SessionState.REVIEW.value}
        session.execute(update(ChargingSession).where(ChargingSession.driver_id.in_(drivers)).values(state))
        return examples(session)

    first = database.read(examples)
    assert first is not None
    second = database.run(lambda session: review(session, first.driver_id))
    assert second is not None
    assert second.driver_id != first.driver_id
    everybody = database.read(lambda session: session.scalars(select(ChargingSession.driver_id)).all())
    # With everybody under review, somebody who earned is shown all the same.
    last = database.run(lambda session: review(session, *everybody))
    assert last is not None
    assert last.refused_session_id is None


def test_every_reason_for_earning_nothing_has_plain_words_and_no_unknown_one_has() -> None:
    rules = {code for _, _, answer, code, _ in EXAMPLES if answer is Answer.REFUSED}
    findings = {str(code) for code in FindingCode if Finding(code, {}).severity is Severity.REJECT}

    assert rules | findings <= REASONS.keys() <= TEXTS.keys() | findings


def test_a_second_run_changes_nothing(database: Database, ledger: Ledger, recording: Sorted) -> None:
    first = replayed(database, ledger, recording)
    again = replayed(database, ledger, recording)

    assert (again.counts.new, again.counts.evaluated, again.counts.settled) == (0, 0, 0)
    assert again.counts.known == first.counts.new
    assert end_of(again) == end_of(first)


def test_campaigns_of_all_scenarios_can_be_told_apart_by_their_names() -> None:
    names = [plan.terms.name for scenario in SCENARIOS.values() for plan in scenario("USD").plans]

    assert len(names) == sum(SCENARIOS)
    assert len(set(names)) == len(names)


class Interrupted(Exception):
    """The run was stopped here."""


def interrupting(database: Database, at_call: int) -> Callable[..., Any]:
    """Return `database.run`, but the call of that number fails after its work and before its commit."""
    calls = 0
    run = database.run

    def counted(work: Callable[..., Any], **options: bool) -> Any:
        nonlocal calls
        calls += 1

        def cut_short(session: Any) -> Any:
            result = work(session)
            if calls == at_call:
                raise Interrupted
            return result

        return run(cut_short, **options)

    return counted


def test_an_interrupted_run_ends_like_one_that_was_not(
    database_url: Any, recording: Sorted, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialect = "sqlite" if url.startswith("sqlite") else "postgresql"
    ends = []
    for stops in ((), (1,), (2, 3), (4, 5, 6)):
        with database_url(dialect) as address:
            database = Database(address)
            ledger = Ledger(database, CLOCK)
            for at_call in stops:
                with monkeypatch.context() as patch:
                    patch.setattr(database, "run", interrupting(database, at_call))
                    with pytest.raises(Interrupted):
                        replayed(database, ledger, recording)
            ends.append(end_of(replayed(database, ledger, recording)))
            ledger.close()
            database.close()

    assert all(end == ends[0] for end in ends)


def test_dirty_rows_are_refused_with_their_number_and_the_others_count(
    database: Database, ledger: Ledger, tmp_path: Path
) -> None:
    file = tmp_path / "mine.csv"
    sample = datasets.open_dataset("sample", Path())
    rows = [row.cells for row in sample][:4]  # type: ignore[union-attr]
    heading = list(rows[0])
    broken = dict(rows[3])
    end_column = next(name for name in heading if "end" in name or "depart" in name)
    broken[end_column] = ""
    lines = [
        heading,
        *(list(row.values()) for row in rows[:3]),
        list(broken.values()),
        list(rows[0].values()),
    ]
    file.write_text("".join(",".join(map(str, line)) + "\n" for line in lines), "utf-8")

    stream = read_rows(file)
    dirty = read_all(parse(stream, mapping_for(stream.columns), Limits(now=CLOCK.now())))
    result = replayed(database, ledger, dirty)

    assert [(one.row, str(one.reason)) for one in dirty.refused] == [
        (5, "no-end"),
        (6, "duplicate-reference"),
    ]
    assert result.tally.sessions == 3
    assert result.ok
