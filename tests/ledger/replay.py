"""Replays a history on the oracle: every answer, refusals too, must follow from the rules."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict, deque
from datetime import UTC, datetime
from itertools import accumulate
from typing import TYPE_CHECKING

from nerava.ledger.values import Status
from tests.ledger.counting_oracle import CountingOracle
from tests.ledger.history import Entry, chains_by_key, check_accounts, check_balanced, resolved
from tests.ledger.history_order import serial_order
from tests.ledger.oracle import Balance

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from uuid import UUID

    from nerava.ledger.accounts import AccountSpec
    from nerava.ledger.values import Chain
    from tests.ledger.history import Operation

SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)
STATES_MAX = 5_000
FINDINGS_MAX = 20


def check(
    history: Iterable[Operation],
    specs: Mapping[str, AccountSpec],
    start: Mapping[str, Balance] | None = None,
) -> list[str]:
    """Run every checker over a history and return what they found; none means that it can be true."""
    known = resolved(history)
    order, disorder = serial_order(known)
    found = [*check_accounts(known, specs, start), *check_balanced(known, specs), *disorder]
    return found or Replay(order, specs, start).findings()


class Replay:
    """A history in serial order, posted once more to the oracle.

    Operations without a chain are passed over. Where an operation does not say by which instant
    the server decided, one instant stands for all, so holds that expire need `at`.
    """

    def __init__(
        self,
        order: Sequence[Operation],
        specs: Mapping[str, AccountSpec],
        start: Mapping[str, Balance] | None = None,
    ) -> None:
        self.order = order
        self.specs = dict(specs)
        self.model = CountingOracle()
        self.model.accounts = self.specs
        self.model.totals.update(start or {})
        self.first = {code: one.sequence for code, one in (start or {}).items()}
        self.versions = {(code, one.sequence): one for code, one in (start or {}).items()}
        self.by_key = chains_by_key(order)
        self.written: dict[str, list[Operation]] = defaultdict(list)
        self.latest_starts: dict[str, list[int]] = {}

    def findings(self) -> list[str]:
        """Return every answer that does not follow from the rules, the first few of them."""
        unasked = [one.key for one in self.order if one.posted and one.chain is None]
        if unasked:
            return [f"{unasked[0]}: posted, but nobody noted what was asked"]
        found: list[str] = []
        for one in self.order:
            if one.outcome == "ok" and one.chain is not None:
                found += self._wrong_success(one, one.chain)
                if len(found) >= FINDINGS_MAX:
                    return found
        for one in self.order:
            if one.outcome == "fail" and one.chain is not None and one.status in set(Status):
                found += self._wrong_refusal(one, one.chain)
                if len(found) >= FINDINGS_MAX:
                    return found
        return found

    def _wrong_success(self, one: Operation, chain: Chain) -> list[str]:
        status, failed_at = self.model.post(chain, one.at or SOME_DAY)
        if status != one.status:
            return [f"{one.key}: answered {one.status}, by the rules {status} at {failed_at}"]
        rows = self.model.rows_of_chain(chain.key)
        entries: list[Entry] = []
        for row in rows:
            dr, cr = row.debit_after, row.credit_after
            entries.append(Entry(row.debit, dr.sequence, -row.moved, dr.posted, dr.available))
            entries.append(Entry(row.credit, cr.sequence, row.moved, cr.posted, cr.available))
            if status is Status.POSTED:
                self.versions[row.debit, dr.sequence] = dr
                self.versions[row.credit, cr.sequence] = cr
                self.written[row.debit].append(one)
                self.written[row.credit].append(one)
        if tuple(entries) != one.writes:
            return [f"{one.key}: answered {one.writes}, by the rules {tuple(entries)}"]
        return []

    # Refusals carry no sequence, so any state that the client can have met may explain them.

    def _wrong_refusal(self, one: Operation, chain: Chain) -> list[str]:
        tried: set[str] = set()
        for count, seen in enumerate(self._states(one, chain)):
            if count >= STATES_MAX:
                return [f"{one.key}: {one.status} could not be decided, too much ran beside it"]
            status, _ = seen.post(chain, one.at or SOME_DAY)
            if status == one.status:
                return []
            tried.add(status)
        return [f"{one.key}: refused with {one.status}, by the rules {' or '.join(sorted(tried))}"]

    def _states(self, one: Operation, chain: Chain) -> Iterator[CountingOracle]:
        """Yield the oracle in each state that the refused operation may have met.

        What was answered before it began is in all of them, what began after its end in none, and
        what ran beside it in every mixture that keeps the order of each account it looks at. The
        order of other accounts is not used, so nothing true is ever called wrong.
        """
        keys = {chain.key_of(i) for i in range(len(chain.transfers))}
        keys |= {leg.hold_key for leg in chain.transfers if leg.hold_key is not None}
        named = [self.by_key[key] for key in keys if key in self.by_key]
        codes = {code for leg in chain.transfers for code in (leg.debit, leg.credit) if code in self.specs}
        codes |= {entry.account for other in named for entry in other.writes}
        ends = {code: self._end(code, one) for code in codes}
        begin = self._begin(one, ends)
        queue, met = deque([begin]), {tuple(begin.values())}
        while queue:
            counts = queue.popleft()
            yield self._state(keys, counts)
            for code in codes:
                following = self._after_next(code, counts, ends)
                if following is not None and tuple(following.values()) not in met:
                    met.add(tuple(following.values()))
                    queue.append(following)

    def _end(self, code: str, one: Operation) -> int:
        """Return how many writers of the account may have come before: none began after the end."""
        latest_starts = self.latest_starts.get(code)
        if latest_starts is None:
            latest_starts = list(accumulate((other.start_ns for other in self.written[code]), max))
            self.latest_starts[code] = latest_starts
        return bisect_right(latest_starts, one.end_ns)

    def _begin(self, one: Operation, ends: Mapping[str, int]) -> dict[str, int]:
        """Return how many writers of each account came before for sure, each of them as a whole."""
        counts = {}
        for code, end in ends.items():
            writers, count = self.written[code], end
            while count and writers[count - 1].end_ns >= one.start_ns:
                count -= 1
            counts[code] = count
        grown = True
        while grown:
            grown = False
            for code, end in ends.items():
                for count in range(end, counts[code], -1):
                    if any(place < counts[other] for other, place in self._places(code, count - 1, counts)):
                        counts[code], grown = count, True
                        break
        return counts

    def _places(self, code: str, nth: int, counts: Mapping[str, int]) -> list[tuple[str, int]]:
        """Return where the account's nth writer stands among the writers of each account looked at."""
        return [
            (entry.account, entry.sequence - self.first.get(entry.account, 0) - 1)
            for entry in self.written[code][nth].writes
            if entry.account in counts
        ]

    def _after_next(
        self, code: str, counts: Mapping[str, int], ends: Mapping[str, int]
    ) -> dict[str, int] | None:
        """Return the state after the next writer of the account, or None when it cannot come next."""
        if counts[code] >= ends[code]:
            return None
        following = dict(counts)
        for account, place in self._places(code, counts[code], counts):
            if place != following[account] or place >= ends[account]:
                return None
            following[account] += 1
        return following

    def _state(self, keys: Iterable[UUID], written: Mapping[str, int]) -> CountingOracle:
        """Return an oracle that knows these keys and has seen so many writers of each account."""
        seen = CountingOracle()
        seen.accounts = self.specs
        reached = {code: self.first.get(code, 0) + count for code, count in written.items()}
        for code, sequence in reached.items():
            seen.totals[code] = self.versions.get((code, sequence), Balance())
        for key in keys:
            for known, here in ((self.model.by_key, seen.by_key), (self.model.ended, seen.ended)):
                movement = known.get(key)
                if movement is not None and movement.debit_after.sequence <= reached[movement.debit]:
                    here[key] = movement
        return seen
