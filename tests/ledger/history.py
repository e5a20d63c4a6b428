"""What clients saw of the ledger, one record for each operation, and whether it can be true.

A record is written by the client, never by the server. `check` runs every checker and returns what
it found; nothing found means that the history is strictly serializable and follows from the rules.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from nerava.ledger.values import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from nerava.ledger.accounts import AccountSpec
    from nerava.ledger.values import Chain, Verdict
    from tests.ledger.oracle import Balance

NEVER: Final = 2**63 - 1
"""The end, in monotonic nanoseconds, of an operation whose answer never came."""


class Entry(NamedTuple):
    """One side of a transfer: its account's sequence, how posted changed, and what was left."""

    account: str
    sequence: int
    change: int
    posted: int
    available: int


class Seen(NamedTuple):
    """One account within a read: all accounts of a read are of one snapshot."""

    account: str
    sequence: int
    posted: int


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as its client saw it.

    Attributes:
        start_ns: Monotonic clock before the request left.
        end_ns: Monotonic clock after the answer came; `NEVER` without an answer.
        outcome: `ok`, `fail` (definitely not done) or `info` (nobody knows).
        status: The ledger's word: `posted`, `exists` or the reason of a refusal; `read` for a read.
        chain: What was asked; a history without it cannot be replayed.
        writes: Both sides of every transfer, in chain order, the debit first.
        reads: What the operation read before it wrote, or all of a pure read.
        at: The instant the server decided by, where the client knows it.
    """

    process: int
    key: str
    start_ns: int
    end_ns: int
    outcome: str = "ok"
    status: str = Status.POSTED
    chain: Chain | None = None
    writes: tuple[Entry, ...] = ()
    reads: tuple[Seen, ...] = ()
    at: datetime | None = None

    @property
    def repeats(self) -> bool:
        """Whether it was answered with the result of an earlier operation."""
        return self.status == Status.EXISTS

    @property
    def posted(self) -> bool:
        """Whether it made its own entries."""
        return self.outcome == "ok" and bool(self.writes) and not self.repeats


def operation_of(
    verdict: Verdict, chain: Chain, names: Mapping[str, str], *, process: int, start_ns: int, end_ns: int
) -> Operation:
    """Return the record of a chain that was answered; `names` gives account codes by id."""
    entries = []
    for row in verdict.transfers:
        moved = row.amount if row.kind in ("direct", "capture") else 0
        debit, credit = names[row.debit], names[row.credit]
        entries.append(Entry(debit, row.debit_sequence, -moved, row.debit_posted, row.debit_available))
        entries.append(Entry(credit, row.credit_sequence, moved, row.credit_posted, row.credit_available))
    return Operation(
        process=process,
        key=str(chain.key),
        start_ns=start_ns,
        end_ns=end_ns,
        outcome="ok" if verdict.ok else "fail",
        status=verdict.status,
        chain=chain,
        writes=tuple(entries),
    )


def to_line(one: Operation) -> str:
    """Return the operation as one JSON object on one line, without the chain."""
    body = {
        name: getattr(one, name) for name in ("process", "key", "start_ns", "end_ns", "outcome", "status")
    }
    body["entries"] = [entry._asdict() for entry in one.writes]
    body["reads"] = [seen._asdict() for seen in one.reads]
    return json.dumps(body)


def from_line(line: str, chains: Mapping[str, Chain]) -> Operation:
    """Return the operation of a line; `chains` gives what was asked, by key."""
    body = json.loads(line)
    writes = tuple(Entry(**entry) for entry in body.pop("entries"))
    reads = tuple(Seen(**seen) for seen in body.pop("reads"))
    return Operation(**body, writes=writes, reads=reads, chain=chains.get(body["key"]))


def resolved(
    history: Iterable[Operation], answers: Mapping[str, Sequence[Entry] | None] | None = None
) -> list[Operation]:
    """Return the history with every `info` made `ok` or `fail` as far as that is known.

    Known from `answers` (entries by key, None for definitely not done), or from a later repetition
    that was answered with `exists`. One that was done may have been done at any time after its start.
    """
    kept = list(history)
    known: dict[str, Sequence[Entry] | None] = dict(answers or {})
    known.update({one.key: one.writes for one in kept if one.repeats})
    posted = {one.key for one in kept if one.posted}
    result = []
    for one in kept:
        if one.outcome != "info" or one.key not in known:
            result.append(one)
            continue
        entries = known[one.key]
        if entries is None or one.key in posted:  # the entries belong to one attempt alone
            result.append(replace(one, outcome="fail", status="not_executed"))
            continue
        posted.add(one.key)
        found = replace(one, outcome="ok", status=Status.POSTED, writes=tuple(entries), end_ns=NEVER)
        result.append(found)
    return result


def check_accounts(
    history: Sequence[Operation],
    specs: Mapping[str, AccountSpec] | None = None,
    start: Mapping[str, Balance] | None = None,
) -> list[str]:
    """Check each account by itself: dense sequence, balance chain, floor, reads, each key once.

    `start` says what accounts held before the history began; nothing when left out.
    """
    found = [f"{one.key}: unknown, and nobody asked" for one in history if one.outcome == "info"]
    entries: dict[str, list[tuple[Entry, str]]] = defaultdict(list)
    by_key: dict[str, Operation] = {}
    for one in history:
        if one.posted:
            if one.key in by_key:
                found.append(f"{one.key}: posted twice")
            by_key[one.key] = one
            for entry in one.writes:
                entries[entry.account].append((entry, one.key))
    versions = {code: {one.sequence: one.posted} for code, one in (start or {}).items()}
    for account, mine in entries.items():
        mine.sort(key=lambda pair: pair[0].sequence)
        known = versions.setdefault(account, {0: 0})
        found += _check_account(mine, known, specs[account].floor if specs else None)
    return [*found, *_check_reads(history, versions), *_check_repeats(history, by_key)]


def _check_account(
    entries: Sequence[tuple[Entry, str]], versions: dict[int, int], floor: int | None
) -> Iterator[str]:
    """Yield what is wrong along one account, and add what each version held to `versions`."""
    ((sequence, posted),) = versions.items()
    for entry, key in entries:
        if entry.sequence != sequence + 1:
            word = "written twice" if entry.sequence <= sequence else f"follows {sequence}: lost between"
            yield f"{entry.account}: sequence {entry.sequence} of {key} {word}"
        elif entry.posted != posted + entry.change:
            yield f"{entry.account}: {posted} {entry.change:+} is not {entry.posted} ({key})"
        if floor is not None and entry.available < floor:
            yield f"{entry.account}: {entry.available} available, below the floor ({key})"
        sequence, posted = entry.sequence, entry.posted
        versions[sequence] = posted


def _check_reads(history: Sequence[Operation], versions: Mapping[str, Mapping[int, int]]) -> list[str]:
    found = []
    for one in history:
        for seen in one.reads:
            written = versions.get(seen.account, {0: 0}).get(seen.sequence)
            if written is None:
                found.append(f"{one.key} read sequence {seen.sequence} of {seen.account}, never written")
            elif written != seen.posted:
                found.append(f"{one.key} read {seen.posted} of {seen.account}, written was {written}")
    return found


def _check_repeats(history: Sequence[Operation], by_key: Mapping[str, Operation]) -> list[str]:
    found = []
    for one in history:
        if one.outcome == "ok" and one.repeats:
            first = by_key.get(one.key)
            if first is None:
                found.append(f"{one.key}: exists, but nobody posted it")
            elif first.writes != one.writes:
                found.append(f"{one.key}: repeated with another result")
    return found


def check_balanced(history: Iterable[Operation], specs: Mapping[str, AccountSpec]) -> list[str]:
    """Check that the changes of each chain sum to zero for each asset."""
    found = []
    for one in history:
        sums: dict[str, int] = defaultdict(int)
        for entry in one.writes:
            sums[specs[entry.account].asset] += entry.change
        found += [f"{one.key}: {total:+} {asset} left over" for asset, total in sums.items() if total]
    return found


def chains_by_key(history: Iterable[Operation]) -> dict[UUID, Operation]:
    """Return the operations that posted a chain, by every key of its transfers."""
    return {
        one.chain.key_of(position): one
        for one in history
        if one.posted and one.chain
        for position in range(len(one.chain.transfers))
    }
