"""The ledger as the rest of the product uses it: open accounts, post, ask."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert

from nerava.ledger import model, reads, sealing
from nerava.ledger.accounts import account_uuid
from nerava.ledger.errors import AccountDiffers, LedgerClosed, UnknownAccount
from nerava.ledger.posting import checked, post_in
from nerava.ledger.writer import LaneWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Table
    from sqlalchemy.orm import Session

    from nerava.kernel.clock import Clock
    from nerava.ledger.accounts import AccountSpec
    from nerava.ledger.effects import Effect
    from nerava.ledger.values import Chain, Verdict
    from nerava.platform.db import Database
    from nerava.platform.metrics.meter import Meter


@dataclass(frozen=True, slots=True)
class LedgerOptions:
    """How the ledger behaves under load.

    Attributes:
        wait_max_ms: A caller of `submit` who would wait longer than this is refused at once.
    """

    wait_max_ms: int = 2_000


@dataclass(frozen=True, slots=True)
class Asset:
    """A unit that accounts are kept in.

    Attributes:
        scale: Decimal places of the minor unit: 2 for cents, 0 for points.
        kind: `cash` or `points`.
    """

    code: str
    scale: int
    kind: str


class Ledger:
    """The one door to money. Safe to share between threads and event loops.

    There is no call without a key: a chain that was posted before answers its first result.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        options: LedgerOptions | None = None,
        *,
        meter: Meter | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._options = options or LedgerOptions()
        self._meter = meter
        self._writers: dict[str, LaneWriter] = {}
        self._guard = threading.Lock()
        self._closed = False

    def define(self, session: Session, assets: Iterable[Asset]) -> None:
        """Add assets. Repeats safely."""
        known = set(session.execute(select(model.asset.c.code)).scalars())
        _insert_new(
            session,
            model.asset,
            [
                {"code": one.code, "scale": one.scale, "kind": one.kind}
                for one in assets
                if one.code not in known
            ],
        )

    def open(self, session: Session, specs: Iterable[AccountSpec]) -> None:
        """Open accounts in the caller's transaction. Repeats safely.

        Raises:
            AccountDiffers: One is open already with another asset, lane or way of keeping (409).
        """
        wanted = {account_uuid(one.code): one for one in specs}
        if not wanted:
            return
        for key in _agreeing(session, wanted):
            del wanted[key]
        if not wanted:
            return
        now = self._clock.now()
        # Everybody inserts in one order: two that open the same accounts wait, and never for each other.
        wanted = dict(sorted(wanted.items()))
        _insert_new(
            session,
            model.account,
            [
                {
                    "id": key,
                    "code": one.code,
                    "asset": one.asset,
                    "kind": one.kind,
                    "owner": one.owner,
                    "lane": one.lane,
                    "created_at": now,
                    "metadata": "{}" if self._database.is_sqlite else {},
                }
                for key, one in wanted.items()
            ],
        )
        # On PostgreSQL who was faster is waited for, and may have opened one with other properties.
        for key in _agreeing(session, wanted):
            del wanted[key]
        _insert_new(
            session,
            model.balance,
            [
                {
                    "account_id": key,
                    "asset": one.asset,
                    "lane": one.lane,
                    "floor": one.floor,
                    "ceiling": one.ceiling,
                    "closed": False,
                    "keeps_lots": one.keeps_lots,
                    "debits_posted": 0,
                    "credits_posted": 0,
                    "debits_pending": 0,
                    "credits_pending": 0,
                    "sequence": 0,
                }
                for key, one in wanted.items()
            ],
        )

    def close_account(self, session: Session, code: str) -> None:
        """Close an account: it takes part in no new transfer, its open holds can only be given back.

        Repeats safely.

        Raises:
            UnknownAccount: No account has this code (404).
        """
        changed = session.execute(
            update(model.balance).where(model.balance.c.account_id == account_uuid(code)).values(closed=True)
        )
        if changed.rowcount == 0:  # type: ignore[attr-defined]
            message = f"no account {code!r}"
            raise UnknownAccount(message)

    def post(self, session: Session, chain: Chain) -> Verdict:
        """Post one chain inside the caller's unit of work; it stands when that commits.

        Raises:
            ValueError: The chain has no transfers or too many.
        """
        return post_in(session, [checked(chain)], self._clock.now())[0]

    def post_many(self, session: Session, chains: Sequence[Chain]) -> list[Verdict]:
        """Post chains inside the caller's unit of work, each seeing the ones before it.

        A refused chain leaves nothing and does not touch its neighbours.
        """
        return post_in(session, [checked(one) for one in chains], self._clock.now()) if chains else []

    def submit(self, chain: Chain, effects: Sequence[Effect] = ()) -> Verdict:
        """Post one chain by group commit and return when it is durable. The default way.

        `effects` commit with the chain or not at all.

        Raises:
            LedgerOverloaded: The queue is too long; nothing was executed (503).
            OutcomeUnknown: The database did not say whether it committed; submit again (503).
            DatabaseUnavailable: Nothing was executed (503).
        """
        return self._writer(chain.lane).submit(chain, effects)

    async def submit_async(self, chain: Chain, effects: Sequence[Effect] = ()) -> Verdict:
        """Do what `submit` does without holding a thread. Raises what `submit` raises."""
        return await self._writer(chain.lane).submit_async(chain, effects)

    def submit_many(self, chains: Sequence[Chain]) -> list[Verdict]:
        """Post many chains of one lane by group commit and return their verdicts in order.

        Raises:
            ValueError: The chains belong to several lanes.
        """
        lanes = {one.lane for one in chains}
        if len(lanes) > 1:
            message = "chains of several lanes are submitted lane by lane"
            raise ValueError(message)
        return self._writer(lanes.pop()).submit_many(chains) if chains else []

    def balance(self, code: str) -> reads.AccountBalance:
        """Return what an account holds now.

        Raises:
            UnknownAccount: No account has this code (404).
        """
        return self._database.read(lambda session: reads.balance_now(session, code))

    def balance_at(self, code: str, at: datetime) -> reads.Balance:
        """Return what an account held at an instant, aware UTC."""
        return self._database.read(lambda session: reads.balance_at(session, code, at))

    def balance_at_sequence(self, code: str, sequence: int) -> reads.Balance:
        """Return what an account held after its transfer number `sequence`."""
        return self._database.read(lambda session: reads.balance_at_sequence(session, code, sequence))

    def statement(
        self, code: str, *, after: int = 0, limit: int = 100, newest_first: bool = False
    ) -> list[reads.StatementLine]:
        """Return the transfers of an account in the order of its sequence."""
        return self._database.read(
            lambda session: reads.statement(
                session, code, after=after, limit=limit, newest_first=newest_first
            )
        )

    def queues(self) -> dict[str, int]:
        """Return how many chains wait for the next batch in this process, by lane."""
        with self._guard:
            return {lane: writer.waiting for lane, writer in self._writers.items()}

    def seal(self) -> int:
        """Link committed batches into the hash chain; return how many. Repeats safely."""
        return self._database.run(sealing.seal_batches, repeatable=True)

    def close(self) -> None:
        """Finish what is queued, end the writers and refuse what is submitted later. Repeats safely."""
        with self._guard:
            self._closed = True
            writers = list(self._writers.values())
        for writer in writers:
            writer.close()

    def _writer(self, lane: str) -> LaneWriter:
        with self._guard:
            writer = self._writers.get(lane)
            if writer is None:
                if self._closed:
                    raise LedgerClosed
                wait_max_s = self._options.wait_max_ms / 1_000
                writer = LaneWriter(
                    self._database, self._clock, lane, wait_max_s=wait_max_s, meter=self._meter
                )
                self._writers[lane] = writer
            return writer


def _agreeing(session: Session, wanted: Mapping[UUID, AccountSpec]) -> list[UUID]:
    """Return which of these accounts are open; each is then what is wanted.

    Raises:
        AccountDiffers: One is not (409).
    """
    balance = model.balance.c
    found = session.execute(
        select(balance.account_id, balance.asset, balance.lane, balance.keeps_lots).where(
            balance.account_id.in_(wanted)
        )
    ).all()
    for row in found:
        spec = wanted[row.account_id]
        if (row.asset, row.lane, bool(row.keeps_lots)) != (spec.asset, spec.lane, spec.keeps_lots):
            message = f"account {spec.code!r} is open with other properties"
            raise AccountDiffers(message)
    return [row.account_id for row in found]


def _insert_new(session: Session, table: Table, rows: Sequence[dict[str, object]]) -> None:
    """Insert rows that were not there a moment ago; on PostgreSQL another writer may have been faster."""
    if not rows:
        return
    if session.get_bind().dialect.name == "postgresql":
        session.execute(postgresql_insert(table).on_conflict_do_nothing(), rows)
    else:
        session.execute(insert(table), rows)
