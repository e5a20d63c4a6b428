"""What callers say to the ledger and what it answers: chains in, verdicts out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import orjson

from nerava.kernel.ids import fact_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

AMOUNT_MAX: Final = 10**15
"""The largest amount of one transfer, in minor units: far above any business, far below 64 bits."""

COUNTER_MAX: Final = 2**63 - 1
"""What a balance counter can hold; a transfer that would pass it is refused as `ceiling`."""

CHAIN_MAX: Final = 256
"""The most transfers in one chain."""

MAIN_LANE: Final = "main"


class Kind(StrEnum):
    """What a transfer does: move now, reserve, or resolve a reservation."""

    DIRECT = "direct"
    HOLD = "hold"
    CAPTURE = "capture"
    RELEASE = "release"
    EXPIRE = "expire"


class Status(StrEnum):
    """The answer to a chain, or to one transfer of it.

    `posted` and `exists` are successes; every other word is a refusal that left nothing behind.
    Within a refused chain one transfer carries the reason and the others say `chain_failed`.
    """

    POSTED = "posted"
    EXISTS = "exists"
    CONFLICT = "conflict"
    INSUFFICIENT = "insufficient"
    CEILING = "ceiling"
    NO_ACCOUNT = "no_account"
    ASSET_MISMATCH = "asset_mismatch"
    CLOSED = "closed"
    HOLD_NOT_FOUND = "hold_not_found"
    HOLD_RESOLVED = "hold_resolved"
    HOLD_EXPIRED = "hold_expired"
    HOLD_NOT_DUE = "hold_not_due"
    EXCEEDS_HOLD = "exceeds_hold"
    CHAIN_FAILED = "chain_failed"
    SAME_ACCOUNT = "same_account"
    BAD_AMOUNT = "bad_amount"
    WRONG_LANE = "wrong_lane"
    SWITCHED_OFF = "switched_off"


@dataclass(frozen=True, slots=True)
class LotTerms:
    """How long points live and whose money is behind them.

    Attributes:
        source: Who funded the points, for example `campaign:{id}`.
        expires_at: The instant from which they may be expired; None means never.
    """

    source: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """One movement that is asked for: one debit account, one credit account, one amount.

    Build it with `transfer`, `hold`, `capture`, `release` or `expire`.

    Attributes:
        amount: Whole minor units. For a capture None means all of the hold; a smaller amount
            captures a part and releases the rest. Release and expire take the hold's own.
        hold_key: The key of the hold that is resolved; the accounts come from the hold.
        lot: Terms of the points that a credit to a lot-keeping account creates; without them the
            points never expire and their source is the chain's template.
        lot_of: Key of a transfer whose lots are consumed before any other, oldest expiry first.
        lot_only: Nothing but the lots of `lot_of` may be consumed: refused with `insufficient` when
            less is left of them, however much the account holds.
        restores: Key of a transfer whose consumed lots come back, with their source and expiry,
            instead of a new lot.
    """

    kind: Kind
    debit: str = ""
    credit: str = ""
    amount: int | None = None
    hold_key: UUID | None = None
    expires_at: datetime | None = None
    lot: LotTerms | None = None
    lot_of: UUID | None = None
    restores: UUID | None = None
    lot_only: bool = False


@dataclass(frozen=True, slots=True)
class Chain:
    """Transfers that happen together or not at all, each seeing the ones before it.

    Attributes:
        key: Names the business fact. The same key with the same fingerprint answers the first
            result; with another fingerprint it is a conflict.
        template: The posting template that made it.
        effective_at: When the fact happened in the world, aware UTC; None means when it is posted.
        actor: Who caused it, as an opaque id or the name of a job. No personal data.
        metadata: Strings, whole numbers, booleans, None, and lists and objects of them.
    """

    key: UUID
    template: str
    transfers: tuple[Transfer, ...]
    lane: str = MAIN_LANE
    effective_at: datetime | None = None
    actor: str = "system"
    metadata: Mapping[str, object] = field(default_factory=dict)
    _memo: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def key_of(self, position: int) -> UUID:
        """Return the key of the transfer at `position`, 0 being the chain's own key."""
        return transfer_key(self.key, position)

    def key_texts(self) -> tuple[str, ...]:
        """Return the keys of all transfers as canonical text; worked out once."""
        known: tuple[str, ...] | None = self._memo.get("keys")
        if known is None:
            known = (str(self.key), *(str(self.key_of(place)) for place in range(1, len(self.transfers))))
            self._memo["keys"] = known
        return known

    def fingerprint(self) -> bytes:
        """Return SHA-256 over what is to happen: template, lane, and every transfer's body.

        Instants, actor and metadata are circumstances of an attempt and stay outside, so that a
        repetition at a later time is still the same fact. Worked out once.
        """
        known: bytes | None = self._memo.get("fingerprint")
        if known is None:
            body = [self.template, self.lane, *(_body(one) for one in self.transfers)]
            known = self._memo["fingerprint"] = hashlib.sha256(orjson.dumps(body)).digest()
        return known


def _body(one: Transfer) -> list[object]:
    if one.hold_key is None and one.lot is None and one.lot_of is None and one.restores is None:
        return [one.kind, one.debit, one.credit, repr(one.amount)]
    lot = one.lot
    return [
        one.kind,
        one.debit,
        one.credit,
        repr(one.amount),
        str(one.hold_key),
        str(lot.source if lot else None),
        str(one.lot_of),
        str(one.restores),
        *(["lot_only"] if one.lot_only else []),
    ]


def transfer_key(chain_key: UUID, position: int) -> UUID:
    """Return the key of one transfer of a chain; position 0 has the chain's key itself."""
    if position == 0:
        return chain_key
    return UUID(bytes=hashlib.sha256(chain_key.bytes + position.to_bytes(2)).digest()[:16])


class PostedTransfer(NamedTuple):
    """One row of history as it was written: who, how much, and what both sides held afterwards.

    `debit` and `credit` are account ids as canonical text. `..._posted` and `..._available` are
    the balances after this transfer (credits minus debits; available leaves out what is held).
    """

    id: str
    key: str
    fingerprint: bytes
    transaction_id: str
    position: int
    template: str
    kind: str
    debit: str
    credit: str
    asset: str
    amount: int
    hold_id: str | None
    expires_at: datetime | None
    debit_sequence: int
    credit_sequence: int
    debit_posted: int
    debit_available: int
    credit_posted: int
    credit_available: int
    effective_at: datetime
    posted_at: datetime
    lane: str
    batch_id: str
    actor: str
    metadata: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """The ledger's answer to one chain.

    Attributes:
        transfers: The rows as posted, in chain order; for `exists` the rows of the first posting.
        failed_at: Position of the transfer that caused a refusal, None for a success or when
            the whole chain was refused by its key.
    """

    status: Status
    transfers: tuple[PostedTransfer, ...] = ()
    failed_at: int | None = None

    @property
    def ok(self) -> bool:
        """Whether the fact stands in the ledger, from now or from an earlier call."""
        return self.status in (Status.POSTED, Status.EXISTS)

    @property
    def transaction_id(self) -> UUID | None:
        """The transaction the transfers belong to; None for a refusal."""
        return UUID(self.transfers[0].transaction_id) if self.transfers else None

    @property
    def posted_at(self) -> datetime | None:
        """When the fact was first posted, aware UTC; None for a refusal."""
        return self.transfers[0].posted_at if self.transfers else None

    def status_of(self, position: int) -> Status:
        """Return the status of one transfer of the chain."""
        if self.failed_at is None or self.failed_at == position:
            return self.status
        return Status.CHAIN_FAILED


def transfer(
    debit: str,
    credit: str,
    amount: int,
    *,
    lot: LotTerms | None = None,
    lot_of: UUID | None = None,
    restores: UUID | None = None,
    lot_only: bool = False,
) -> Transfer:
    """Return a movement that happens at once."""
    return Transfer(
        Kind.DIRECT, debit, credit, amount, lot=lot, lot_of=lot_of, restores=restores, lot_only=lot_only
    )


def hold(debit: str, credit: str, amount: int, *, expires_at: datetime | None) -> Transfer:
    """Return a reservation: the debit side cannot spend it, the credit side does not have it yet.

    From `expires_at` on (aware UTC; None means never) it can no longer be captured.
    """
    return Transfer(Kind.HOLD, debit, credit, amount, expires_at=expires_at)


def capture(hold_key: UUID, amount: int | None = None, *, lot: LotTerms | None = None) -> Transfer:
    """Return the capture of a hold, all of it or a part; what is left goes back."""
    return Transfer(Kind.CAPTURE, amount=amount, hold_key=hold_key, lot=lot)


def release(hold_key: UUID) -> Transfer:
    """Return the release of a hold: all of it goes back."""
    return Transfer(Kind.RELEASE, hold_key=hold_key)


def expire(hold_key: UUID) -> Transfer:
    """Return the expiry of a hold; refused with `hold_not_due` before its instant."""
    return Transfer(Kind.EXPIRE, hold_key=hold_key)


def chain(fact: str, *transfers: Transfer | None, template: str = "", **circumstances: object) -> Chain:
    """Return the chain of one business fact, keyed by the fact's text alone.

    `None` entries are left out, so that a template can state an optional leg in place.
    `circumstances` are `lane`, `effective_at`, `actor` and `metadata` of `Chain`.
    """
    legs = tuple(one for one in transfers if one is not None)
    name = template or fact.partition(":")[0]
    return Chain(fact_id(fact), name, legs, **circumstances)  # type: ignore[arg-type]
