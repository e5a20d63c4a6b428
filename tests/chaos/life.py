"""Everyday business of a small house, at random from a seed: what goes on while things break."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nerava.kernel.ids import fact_id
from nerava.ledger.chart import merchant_nova, merchant_payable
from nerava.ledger.templates.driver_cashout import (
    DriverCashout,
    driver_cashout_failed,
    driver_cashout_paid,
    driver_cashout_request,
    driver_cashout_submit,
)
from nerava.ledger.templates.redemption import redemption_capture, redemption_release, redemption_show
from nerava.ledger.templates.session_reward import (
    SessionGrant,
    session_reward,
    session_reward_capture,
    session_reward_hold,
    session_reward_release,
)
from tests.helpers.financial_helpers import PROVIDER

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random
    from uuid import UUID

    from nerava.ledger import Chain
    from tests.helpers.financial_helpers import Books

FAR: Final = datetime(2099, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Town:
    """Who takes part: funded campaigns, drivers and merchants whose accounts are open."""

    campaigns: tuple[UUID, ...]
    drivers: tuple[UUID, ...]
    merchants: tuple[UUID, ...]

    @classmethod
    def founded(cls, books: Books, *, campaigns: int = 2, drivers: int = 6, budget: int = 10**9) -> Town:
        """Return a new town whose campaigns have so many minor units each, a tenth of it as fees."""
        merchants = tuple(fact_id(f"merchant:{number}") for number in range(2))
        for one in merchants:
            books.open(merchant_nova(one), merchant_payable(one))
        return cls(
            tuple(books.campaign(budget, fee_bps=1_000) for _ in range(campaigns)),
            tuple(books.driver() for _ in range(drivers)),
            merchants,
        )


class _Code(NamedTuple):
    redemption_id: UUID
    price: int


class Life:
    """One resident's business, chain by chain. The same name, seed and answers give the same chains."""

    def __init__(self, town: Town, name: str, rng: Random) -> None:
        self._town = town
        self._name = name
        self._rng = rng
        self._number = 0
        self._codes: list[_Code] = []
        self._provisional: list[SessionGrant] = []
        self._requested: list[DriverCashout] = []
        self._submitted: list[DriverCashout] = []
        self._hopes: list[tuple[list[Any], object]] = []
        self._choices: tuple[tuple[int, Callable[[], Chain]], ...] = (
            (40, self._reward),
            (10, self._provisional_reward),
            (15, self._show_code),
            (10, self._take_code),
            (5, self._withdraw_code),
            (10, self._settle_provisional),
            (10, self._cash_out),
        )

    def chain(self) -> Chain:
        """Return the next chain. Some will be refused, as in life; then say so by `refused`."""
        self._number += 1
        self._hopes.clear()
        chances, actions = zip(*self._choices, strict=True)
        return self._rng.choices(actions, chances)[0]()

    def refused(self) -> None:
        """Forget what the last chain would have made possible."""
        for items, item in self._hopes:
            items.remove(item)
        self._hopes.clear()

    def _hope(self, items: list[Any], item: object) -> None:
        items.append(item)
        self._hopes.append((items, item))

    def _new(self, what: str) -> UUID:
        return fact_id(f"{self._name}:{what}:{self._number}")

    def _grant(self) -> SessionGrant:
        town, rng = self._town, self._rng
        points = rng.randint(5, 80)
        lasts = timedelta(days=rng.randint(1, 400))
        return SessionGrant(
            rng.choice(town.campaigns),
            self._new("session"),
            rng.choice(town.drivers),
            points,
            fee_share=points // 10,
            points_expire_at=FAR + lasts,
        )

    def _reward(self) -> Chain:
        return session_reward(self._grant(), actor=self._name, metadata={"number": self._number})

    def _provisional_reward(self) -> Chain:
        grant = self._grant()
        self._hope(self._provisional, grant)
        return session_reward_hold(grant, settle_by=FAR, actor=self._name)

    def _settle_provisional(self) -> Chain:
        if not self._provisional:
            return self._provisional_reward()
        grant = self._provisional.pop(0)
        if self._rng.random() < 0.3:
            return session_reward_release(grant, actor=self._name)
        return session_reward_capture(grant, points=self._rng.randint(1, grant.points), actor=self._name)

    def _show_code(self) -> Chain:
        code = _Code(self._new("redemption"), self._rng.randint(1, 60))
        self._hope(self._codes, code)
        return redemption_show(
            redemption_id=code.redemption_id,
            driver_id=self._rng.choice(self._town.drivers),
            merchant_id=self._rng.choice(self._town.merchants),
            price=code.price,
            expires_at=FAR,
            actor=self._name,
        )

    def _take_code(self) -> Chain:
        if not self._codes:
            return self._show_code()
        code = self._codes.pop(0)
        return redemption_capture(
            redemption_id=code.redemption_id,
            register_id=self._new("register"),
            price=code.price,
            bill=self._rng.randint(1, 60),
            actor=self._name,
        )

    def _withdraw_code(self) -> Chain:
        if not self._codes:
            return self._show_code()
        return redemption_release(redemption_id=self._codes.pop(0).redemption_id, actor=self._name)

    def _cash_out(self) -> Chain:
        if self._submitted:
            cashout = self._submitted.pop()
            if self._rng.random() < 0.5:
                return driver_cashout_failed(cashout, actor=self._name)
            return driver_cashout_paid(cashout, provider=PROVIDER, actor=self._name)
        if self._requested:
            cashout = self._requested.pop()
            self._hope(self._submitted, cashout)
            return driver_cashout_submit(cashout, actor=self._name)
        driver = self._rng.choice(self._town.drivers)
        cashout = DriverCashout(self._new("payout"), driver, amount=self._rng.randint(1, 30), fee=1)
        self._hope(self._requested, cashout)
        return driver_cashout_request(cashout, actor=self._name)
