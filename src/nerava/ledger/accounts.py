"""Accounts: how they are named, opened and limited, and their working copy during a batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from nerava.kernel.ids import fact_id
from nerava.ledger.values import MAIN_LANE

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


@dataclass(frozen=True, slots=True)
class AccountSpec:
    """An account to be opened.

    Attributes:
        code: Its name, unique for ever, for example `driver:{id}:nova`.
        kind: What it is in the chart of accounts, for example `driver_nova`.
        owner: Whose it is, as an opaque id; None for the platform's own.
        floor: The least that may be available, holds included, in minor units; None means none.
        ceiling: The most that may be posted, incoming holds included; None means none.
        keeps_lots: Whether credits are kept as lots with expiry and source.
    """

    code: str
    asset: str
    kind: str
    owner: str | None = None
    floor: int | None = 0
    ceiling: int | None = None
    keeps_lots: bool = False
    lane: str = MAIN_LANE


@lru_cache(maxsize=65_536)
def account_id(code: str) -> str:
    """Return the id of the account with this code, as canonical text.

    Derived from the code, so that no look-up stands between a chain and its locks and two
    processes that open one account at once mean the same row.
    """
    return str(fact_id(f"account:{code}"))


def account_uuid(code: str) -> UUID:
    """Return the id of the account with this code."""
    return fact_id(f"account:{code}")


class AccountState:
    """The working copy of a locked balance row; `decide` changes it, the store writes it back.

    All amounts in minor units. `posted = credits - debits`; `available` also leaves out what is
    held on the debit side.
    """

    __slots__ = (
        "asset",
        "ceiling",
        "closed",
        "credits_pending",
        "credits_posted",
        "debits_pending",
        "debits_posted",
        "floor",
        "id",
        "keeps_lots",
        "lane",
        "last_posted_at",
        "sequence",
        "touched",
    )

    def __init__(  # noqa: PLR0917 - it mirrors one table row, read positionally
        self,
        id: str,  # noqa: A002 - the column's name
        asset: str,
        lane: str,
        floor: int | None,
        ceiling: int | None,
        closed: bool,  # noqa: FBT001 - the column's value
        keeps_lots: bool,  # noqa: FBT001 - the column's value
        debits_posted: int,
        credits_posted: int,
        debits_pending: int,
        credits_pending: int,
        sequence: int,
        last_posted_at: datetime | None,
    ) -> None:
        self.id = id
        self.asset = asset
        self.lane = lane
        self.floor = floor
        self.ceiling = ceiling
        self.closed = bool(closed)
        self.keeps_lots = bool(keeps_lots)
        self.debits_posted = debits_posted
        self.credits_posted = credits_posted
        self.debits_pending = debits_pending
        self.credits_pending = credits_pending
        self.sequence = sequence
        self.last_posted_at = last_posted_at
        self.touched = False

    @property
    def posted(self) -> int:
        """Credits minus debits, holds left out."""
        return self.credits_posted - self.debits_posted

    @property
    def available(self) -> int:
        """What can be debited now if the floor is 0: posted less what is held."""
        return self.credits_posted - self.debits_posted - self.debits_pending

    def snapshot(self) -> tuple[int, int, int, int, int, datetime | None, bool]:
        """Return what a refused chain must put back."""
        return (
            self.debits_posted,
            self.credits_posted,
            self.debits_pending,
            self.credits_pending,
            self.sequence,
            self.last_posted_at,
            self.touched,
        )

    def restore(self, saved: tuple[int, int, int, int, int, datetime | None, bool]) -> None:
        """Put back what `snapshot` returned."""
        (
            self.debits_posted,
            self.credits_posted,
            self.debits_pending,
            self.credits_pending,
            self.sequence,
            self.last_posted_at,
            self.touched,
        ) = saved
