"""The history checkers accept what can be true and reject each thing that cannot."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from nerava.ledger.values import Chain, Status, hold, release, transfer
from tests.ledger.history import (
    NEVER,
    Entry,
    Operation,
    Seen,
    check_accounts,
    check_balanced,
    from_line,
    resolved,
    to_line,
)
from tests.ledger.history_order import check_order
from tests.ledger.recording import Recording, drivers
from tests.ledger.replay import check

if TYPE_CHECKING:
    from collections.abc import Callable

SPECS = drivers(12)


@pytest.fixture
def record() -> Recording:
    """Clients whose drivers have something to spend."""
    made = Recording(SPECS)
    made.post(made.chain(*(transfer("world", code, 40) for code in SPECS if code != "world")))
    return made


def later(one: Operation, by_ns: int = 10_000) -> Operation:
    return replace(one, start_ns=one.start_ns + by_ns, end_ns=one.end_ns + by_ns)


def with_entry(one: Operation, place: int, **changed: int) -> Operation:
    writes = list(one.writes)
    writes[place] = Entry(**(writes[place]._asdict() | changed))
    return replace(one, writes=tuple(writes))


@pytest.mark.parametrize("seed", range(20))
def test_a_true_history_is_accepted(seed: int) -> None:
    recording = Recording(drivers(5), seed=seed)
    history = recording.run(400)
    assert check(history, recording.specs) == []
    told = {one.status for one in history}
    assert {"posted", "exists", "read", "insufficient"} <= told
    overlapping = sum(a.end_ns > b.start_ns for a, b in pairwise(history))
    assert overlapping > len(history) / 2


def test_the_order_of_the_lines_does_not_matter(record: Recording) -> None:
    history = record.run(300)
    record.random.shuffle(history)
    assert check(history, SPECS) == []


def test_a_history_may_begin_in_the_middle(record: Recording) -> None:
    record.run(200)
    start = {code: record.server.balances(code) for code in SPECS}
    begun = len(record.history)
    record.sent.clear()
    record.holds.clear()
    part = record.run(200)[begun:]
    assert check(part, SPECS, start) == []
    assert check_accounts(part, SPECS) != []


def test_twenty_thousand_operations_are_checked_quickly() -> None:
    recording = Recording(drivers(200))
    recording.fund(50)
    history = recording.run(20_000)
    begun = time.process_time()
    assert check(history, recording.specs) == []
    assert time.process_time() - begun < 4, "about 1.4 s where this was written"


def test_a_doubled_posting_is_rejected(record: Recording) -> None:
    record.run(50)
    once = record.post(record.chain(transfer("world", "driver:1", 5)))
    again = record.post(record.chain(transfer("world", "driver:1", 5)))
    doubled = replace(again, key=once.key)
    assert any("posted twice" in one for one in check([*record.history[:-1], doubled], SPECS))


def test_a_doubled_posting_that_no_client_was_told_of_is_rejected(record: Recording) -> None:
    record.run(50)
    record.post(record.chain(transfer("world", "driver:1", 5)))
    record.history.pop()
    record.post(record.chain(transfer("world", "driver:1", 5)))
    assert any("lost between" in one for one in check(record.history, SPECS))


def test_a_wrong_balance_is_rejected(record: Recording) -> None:
    record.run(50)
    last = record.post(record.chain(transfer("world", "driver:1", 5)))
    wrong = with_entry(last, 1, posted=last.writes[1].posted + 1)
    assert any("is not" in one for one in check([*record.history[:-1], wrong], SPECS))


def test_a_wrong_read_is_rejected(record: Recording) -> None:
    record.run(50)
    last = record.read("driver:1", "driver:2")
    seen = last.reads[0]
    wrong = replace(last, reads=(seen._replace(posted=seen.posted + 1), last.reads[1]))
    assert any("written was" in one for one in check([*record.history[:-1], wrong], SPECS))
    unborn = replace(last, reads=(seen._replace(sequence=seen.sequence + 1),))
    assert any("never written" in one for one in check([*record.history[:-1], unborn], SPECS))


def test_a_stale_read_is_rejected(record: Recording) -> None:
    record.run(50)
    early = record.read("driver:1")
    post = record.post(record.chain(transfer("world", "driver:1", 5)))
    stale = replace(later(post), key="stale", status="read", writes=(), chain=None, reads=early.reads)
    history = [*record.history, stale]
    assert check_accounts(history) == []
    assert check_order(history, real_time=False) == []
    assert any("no serial order" in one for one in check(history, SPECS))


def test_a_read_torn_between_two_states_is_rejected(record: Recording) -> None:
    record.run(20)
    before = record.read("driver:1", "driver:2")
    record.post(record.chain(transfer("driver:1", "driver:2", 1), transfer("world", "driver:1", 2)))
    after = record.read("driver:1", "driver:2")
    torn = replace(after, key="torn", reads=(before.reads[0], after.reads[1]), start_ns=0, end_ns=NEVER)
    history = [*record.history, torn]
    assert check_accounts(history) == []
    assert any("torn -rw->" in one for one in check_order(history, real_time=False))


def test_a_lost_write_is_rejected(record: Recording) -> None:
    record.run(50)
    lost = record.post(record.chain(transfer("world", "driver:1", 5)))
    record.server.forget_from(len(record.server.history) - 1)
    record.post(record.chain(transfer("world", "driver:2", 7)))
    assert lost in record.history
    assert any("written twice" in one for one in check(record.history, SPECS))


def test_a_lost_write_is_rejected_by_a_later_read_alone(record: Recording) -> None:
    record.run(50)
    record.post(record.chain(transfer("world", "driver:1", 5)))
    record.server.forget_from(len(record.server.history) - 1)
    record.now_ns += 10_000
    record.read("driver:1")
    assert any("no serial order" in one for one in check(record.history, SPECS))


def test_an_unbalanced_chain_is_rejected(record: Recording) -> None:
    record.run(50)
    last = record.post(record.chain(transfer("world", "driver:1", 5)))
    more = last.writes[1]
    wrong = with_entry(last, 1, change=6, posted=more.posted + 1, available=more.available + 1)
    history = [*record.history[:-1], wrong]
    assert check_accounts(history) == []
    assert check_balanced(history, SPECS) == [f"{last.key}: +1 NOVA left over"]
    assert f"{last.key}: +1 NOVA left over" in check(history, SPECS)


def test_a_swapped_order_is_rejected(record: Recording) -> None:
    record.run(50)
    first = record.post(record.chain(transfer("world", "driver:1", 5)))
    record.now_ns += 10_000
    second = record.post(record.chain(transfer("world", "driver:1", 5)))
    swapped = [replace(first, writes=second.writes), replace(second, writes=first.writes)]
    history = [*record.history[:-2], *swapped]
    assert check_accounts(history) == []
    assert check_order(history, real_time=False) == []
    assert any("no serial order" in one for one in check(history, SPECS))


def test_a_chain_in_pieces_is_rejected(record: Recording) -> None:
    whole = record.post(record.chain(transfer("world", "driver:1", 1), transfer("world", "driver:1", 1)))
    record.post(record.chain(transfer("world", "driver:1", 1)))
    between = record.history[-1]
    cut = [
        replace(whole, writes=(*whole.writes[:2], *between.writes)),
        replace(between, writes=whole.writes[2:]),
    ]
    history = [*record.history[:-2], *cut]
    assert check_accounts(history) == []
    assert any("no serial order" in one for one in check_order(history, real_time=False))


def test_write_skew_is_rejected() -> None:
    both = (Seen("driver:1", 0, 0), Seen("driver:2", 0, 0))
    skew = [
        Operation(1, "a", 0, 10, writes=(Entry("driver:1", 1, 0, 0, 0),), reads=both),
        Operation(2, "b", 0, 10, writes=(Entry("driver:2", 1, 0, 0, 0),), reads=both),
    ]
    assert check_accounts(skew) == []
    assert check_order(skew) == ["no serial order: b -rw-> a -rw-> b"]
    assert check_order([skew[0], replace(skew[1], reads=both[1:])]) == []


def test_a_lost_update_is_rejected() -> None:
    seen = (Seen("driver:1", 0, 0),)
    lost = [
        Operation(1, "a", 0, 10, writes=(Entry("driver:1", 1, 5, 5, 5),), reads=seen),
        Operation(2, "b", 0, 10, writes=(Entry("driver:1", 2, 5, 10, 10),), reads=seen),
    ]
    assert check_order(lost) == ["no serial order: b -rw-> a -ww-> b"]


def test_an_account_below_its_floor_is_rejected() -> None:
    below = Operation(1, "a", 0, 10, writes=(Entry("driver:1", 1, -5, -5, -5),))
    assert check_accounts([below], SPECS) == ["driver:1: -5 available, below the floor (a)"]


def test_a_success_that_the_rules_forbid_is_rejected(record: Recording) -> None:
    history = record.run(50)
    stricter = SPECS | {"world": replace(SPECS["world"], ceiling=-480)}
    assert check(history, SPECS) == []
    assert any("by the rules ceiling" in one for one in check(history, stricter))


def test_a_capture_that_kept_the_rest_is_rejected(record: Recording) -> None:
    first = record.post(record.chain(hold("driver:1", "driver:2", 9, expires_at=None)))
    last = record.post(record.chain(release(first.chain.key if first.chain else record.holds[0])))
    assert check(record.history, SPECS) == []
    wrong = with_entry(last, 0, available=last.writes[0].available - 9)
    assert any("by the rules" in one for one in check([*record.history[:-1], wrong], SPECS))


@pytest.mark.parametrize("status", [Status.INSUFFICIENT, Status.CEILING, Status.CONFLICT])
def test_a_refusal_without_a_reason_is_rejected(record: Recording, status: Status) -> None:
    record.run(50)
    last = record.post(record.chain(transfer("world", "driver:1", 5)))
    made = Chain(record.chain().key, "move", last.chain.transfers if last.chain else ())
    refused = replace(later(last), key="r", chain=made, writes=(), outcome="fail", status=status)
    found = check([*record.history, refused], SPECS)
    assert found == [f"r: refused with {status}, by the rules posted"]


def test_a_refusal_is_believed_when_what_ran_beside_it_explains_it() -> None:
    record = Recording(SPECS)
    empty = record.post(record.chain(transfer("driver:1", "driver:2", 5)))
    assert empty.status == Status.INSUFFICIENT
    fill = record.post(record.chain(transfer("world", "driver:1", 5)))
    beside = replace(empty, start_ns=fill.start_ns, end_ns=fill.end_ns)
    assert check([beside, fill], SPECS) == []
    after = later(beside)
    assert check([after, fill], SPECS) == [f"{empty.key}: refused with insufficient, by the rules posted"]


def test_a_refusal_may_have_met_any_mixture_of_what_ran_beside_it() -> None:
    """It met what filled one account and not what emptied the other, though both ran beside it."""
    record = Recording(SPECS | {"capped": replace(SPECS["driver:1"], code="capped", ceiling=5)})
    grant = record.post(record.chain(*(transfer("world", code, 5) for code in ("driver:1", "driver:2"))))
    spend = record.post(record.chain(transfer("driver:1", "driver:3", 5)))
    fill = record.post(record.chain(transfer("driver:2", "capped", 5)))
    asked = record.chain(transfer("driver:1", "capped", 5))
    beside = [replace(one, start_ns=5_000, end_ns=6_000) for one in (spend, fill)]
    refused = Operation(9, "r", 5_000, 6_000, "fail", Status.CEILING, asked)
    assert check([grant, *beside, refused], record.specs) == []
    before_both = replace(refused, start_ns=4_000, end_ns=4_500)
    assert "by the rules posted" in check([grant, *beside, before_both], record.specs)[0]
    after_both = replace(refused, start_ns=7_000, end_ns=8_000)
    assert "by the rules insufficient" in check([grant, *beside, after_both], record.specs)[0]
    unheard_of = replace(refused, status=Status.NO_ACCOUNT)
    told = "r: refused with no_account, by the rules ceiling or insufficient or posted"
    assert check([grant, *beside, unheard_of], record.specs) == [told]


def test_what_was_done_before_is_met_as_a_whole() -> None:
    """One chain emptied an account and filled another, so nobody met only half of it."""
    record = Recording(SPECS | {"capped": replace(SPECS["driver:1"], code="capped", ceiling=5)})
    grant = record.post(record.chain(transfer("world", "driver:1", 5), transfer("world", "driver:2", 5)))
    both = record.post(record.chain(transfer("driver:1", "driver:3", 5), transfer("driver:2", "capped", 5)))
    beside = replace(both, start_ns=5_000, end_ns=6_000)
    asked = record.chain(transfer("driver:1", "capped", 5))
    torn = Operation(9, "r", 5_000, 6_000, "fail", Status.CEILING, asked)
    told = "r: refused with ceiling, by the rules insufficient or posted"
    assert check([grant, beside, torn], record.specs) == [told]


def test_nobody_meets_a_chain_without_the_one_before_it() -> None:
    """What filled the account came after what emptied the other, though both ran beside the refusal."""
    record = Recording(SPECS | {"capped": replace(SPECS["driver:1"], code="capped", ceiling=5)})
    grant = record.post(record.chain(transfer("world", "driver:1", 5), transfer("world", "driver:2", 5)))
    spend = record.post(record.chain(transfer("driver:1", "world", 5)))
    fill = record.post(record.chain(transfer("world", "driver:1", 1), transfer("driver:2", "capped", 5)))
    beside = [replace(one, start_ns=5_000, end_ns=6_000) for one in (spend, fill)]
    asked = record.chain(transfer("driver:1", "capped", 2))
    torn = Operation(9, "r", 5_000, 6_000, "fail", Status.CEILING, asked)
    told = "r: refused with ceiling, by the rules insufficient or posted"
    assert check([grant, *beside, torn], record.specs) == [told]


def test_a_repetition_must_come_after_the_first_and_say_the_same(record: Recording) -> None:
    record.run(20)
    first = record.post(record.chain(transfer("world", "driver:1", 5)))
    record.now_ns += 1_000
    assert first.chain is not None
    again = record.post(first.chain)
    assert again.repeats
    assert check(record.history, SPECS) == []
    other = replace(again, writes=record.history[0].writes)
    assert any("another result" in one for one in check([*record.history[:-1], other], SPECS))
    early = replace(again, start_ns=0, end_ns=1)
    assert any("no serial order" in one for one in check([*record.history[:-1], early], SPECS))
    alone = [one for one in record.history if one is not first]
    assert any("nobody posted it" in one for one in check(alone, SPECS))


def test_an_unknown_operation_must_be_asked_for(record: Recording) -> None:
    record.run(20)
    last = record.post(record.chain(transfer("world", "driver:1", 5)))
    lost = replace(last, outcome="info", status="", writes=(), end_ns=NEVER)
    history = [*record.history[:-1], lost]
    assert any("nobody asked" in one for one in check(history, SPECS))
    assert check(resolved(history, {last.key: last.writes}), SPECS) == []
    record.server.forget_from(len(record.server.history) - 1)
    assert check(resolved(history, {last.key: None}), SPECS) == []
    repeated = replace(later(last), status=Status.EXISTS)
    assert check([*history, repeated], SPECS) == []


def test_of_two_attempts_at_one_fact_only_one_made_the_entries(record: Recording) -> None:
    record.run(20)
    last = record.post(record.chain(transfer("world", "driver:1", 5)))
    first = replace(last, outcome="info", status="", writes=(), start_ns=last.start_ns - 5, end_ns=NEVER)
    history = [*record.history, first, replace(later(last), status=Status.EXISTS)]
    assert check(history, SPECS) == []
    assert [one.outcome for one in resolved(history) if one.key == last.key] == ["ok", "fail", "ok"]


def test_a_history_without_what_was_asked_is_not_passed(record: Recording) -> None:
    history = [replace(one, chain=None) for one in record.run(5)]
    assert "nobody noted" in check(history, SPECS)[0]


def test_records_survive_as_lines(record: Recording) -> None:
    history = record.run(60)
    chains = {one.key: one.chain for one in history if one.chain}
    assert [from_line(to_line(one), chains) for one in history] == history


def test_findings_name_the_operations(record: Recording) -> None:
    mutations: list[Callable[[Operation], Operation]] = [
        lambda one: with_entry(one, 0, sequence=one.writes[0].sequence + 1),
        lambda one: with_entry(one, 0, posted=one.writes[0].posted - 1),
        lambda one: replace(one, outcome="info"),
    ]
    record.run(20)
    last = record.post(record.chain(transfer("world", "driver:1", 5)))
    for mutation in mutations:
        assert any(last.key in one for one in check([*record.history[:-1], mutation(last)], SPECS))
