"""What is asked at every code and hardly ever changes, kept in memory for a second."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from uuid import UUID

from sqlalchemy import select

from nerava.merchants.errors import UnknownRegister
from nerava.merchants.model import Redemption
from nerava.merchants.offers import OfferState, OfferView, offer
from nerava.merchants.service import (
    MerchantState,
    MerchantView,
    RegisterState,
    RegisterView,
    merchant,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from sqlalchemy.orm import Session

    from nerava.platform.db import Database

Key = TypeVar("Key", bound="Hashable")
Value = TypeVar("Value")

FRESH_FOR: Final = timedelta(seconds=1)
KEPT_MAX: Final = 20_000
"""How many entries of a kind are kept; the oldest go."""

_R: Final[Any] = Redemption.__table__.c


@dataclass(frozen=True, slots=True)
class OnOffer:
    """An offer and whose it is."""

    offer: OfferView
    merchant: MerchantView


@dataclass(frozen=True, slots=True)
class CodeFacts:
    """What never changes about a code: the till needs it before anything is posted."""

    redemption_id: UUID
    merchant_id: UUID
    price_nova: int


class Board:
    """Offers and registers as they were within the last second, and the facts of codes.

    Nothing is decided by it: whether an offer is live is asked again in the commit of the code.
    Safe to share between threads.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._offers: _Recent[UUID, OnOffer] = _Recent()
        self._registers: _Recent[UUID, RegisterView] = _Recent()
        self._codes: _Recent[bytes, CodeFacts] = _Recent()

    def known_offer(self, offer_id: UUID, now: datetime) -> OnOffer | None:
        """Return an offer that was live within the last second; costs no look at the database.

        What a live offer says never changes, so at worst it has ended meanwhile.
        """
        return self._offers.get(offer_id, now - FRESH_FOR)

    def read_offer(self, offer_id: UUID, now: datetime) -> OnOffer:
        """Return an offer and, if it is live, remember it.

        Raises:
            UnknownOffer: No offer has this id (404).
        """

        def look(session: Session) -> OnOffer:
            found = offer(session, offer_id)
            return OnOffer(found, merchant(session, found.merchant_id))

        found = self._database.read(look)
        is_live = found.offer.state is OfferState.LIVE and found.merchant.state is MerchantState.ACTIVE
        return self._offers.put(offer_id, found, now) if is_live else found

    def known_register(self, merchant_id: UUID, register_id: UUID, now: datetime) -> RegisterView | None:
        """Return an open register of a merchant if it was read within the last second."""
        found = self._registers.get(register_id, now - FRESH_FOR)
        return found if found is not None and found.merchant_id == merchant_id else None

    def read_register(self, merchant_id: UUID, register_id: UUID, now: datetime) -> RegisterView:
        """Return an open register of a merchant and remember it.

        Raises:
            UnknownRegister: The merchant has no such register, or it is closed (404).
        """
        found = self._database.read(lambda session: register(session, merchant_id, register_id))
        if found.state is not RegisterState.ACTIVE:
            raise UnknownRegister(f"register {register_id} is closed")
        return self._registers.put(register_id, found, now)

    def remember_code(self, code_hash: bytes, facts: CodeFacts, now: datetime) -> None:
        """Keep the facts of a code that this process has just made."""
        self._codes.put(code_hash, facts, now)

    def known_code(self, hashes: Sequence[bytes]) -> CodeFacts | None:
        """Return the facts of a code if this process knows them; they never change."""
        return next((found for one in hashes if (found := self._codes.get(one, None)) is not None), None)

    def read_code(self, hashes: Sequence[bytes]) -> CodeFacts | None:
        """Return the facts of a code, whoever's it is; None where there is none."""
        query = select(_R.id, _R.merchant_id, _R.price_nova).where(_R.code_hash.in_(hashes))
        row = self._database.read(lambda session: session.execute(query).first())
        return None if row is None else CodeFacts(row.id, row.merchant_id, row.price_nova)


class _Recent(Generic[Key, Value]):
    """The latest values by key, each with the instant at which it was read."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, tuple[datetime, Value]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key, since: datetime | None) -> Value | None:
        found = self._kept.get(key)
        return found[1] if found is not None and (since is None or found[0] > since) else None

    def put(self, key: Key, value: Value, now: datetime) -> Value:
        with self._lock:
            self._kept[key] = (now, value)
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        return value
