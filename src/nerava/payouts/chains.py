"""The chains of a payout, whoever is paid: one step, one chain, one key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nerava.ledger import Status
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.templates import driver_cashout as _driver
from nerava.ledger.templates import merchant_payout as _merchant
from nerava.payouts.errors import NotEnough
from nerava.payouts.states import Kind

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.ledger import Chain, Ledger
    from nerava.payouts.model import Payout


def request_chain(payout: Payout, actor: str) -> Chain:
    """Return the chain that holds the money."""
    if payout.kind == Kind.DRIVER_CASHOUT:
        return _driver.driver_cashout_request(_cashout(payout), actor=actor)
    return _merchant.merchant_payout_request(_merchant_payout(payout), actor=actor)


def release_chain(payout: Payout, actor: str) -> Chain:
    """Return the chain that gives the money back before it was submitted."""
    if payout.kind == Kind.DRIVER_CASHOUT:
        return _driver.driver_cashout_release(_cashout(payout), actor=actor)
    return _merchant.merchant_payout_release(_merchant_payout(payout), actor=actor)


def submit_chain(payout: Payout, actor: str) -> Chain:
    """Return the chain that puts the money into clearing."""
    if payout.kind == Kind.DRIVER_CASHOUT:
        return _driver.driver_cashout_submit(_cashout(payout), actor=actor)
    return _merchant.merchant_payout_submit(_merchant_payout(payout), actor=actor)


def paid_chain(payout: Payout, actor: str) -> Chain:
    """Return the chain that says that the bank has it."""
    if payout.kind == Kind.DRIVER_CASHOUT:
        return _driver.driver_cashout_paid(_cashout(payout), provider=payout.provider, actor=actor)
    return _merchant.merchant_payout_paid(_merchant_payout(payout), provider=payout.provider, actor=actor)


def failed_chain(payout: Payout, actor: str) -> Chain:
    """Return the chain that gives back what was definitely not paid."""
    if payout.kind == Kind.DRIVER_CASHOUT:
        return _driver.driver_cashout_failed(_cashout(payout), actor=actor)
    return _merchant.merchant_payout_failed(_merchant_payout(payout), actor=actor)


def returned_chain(payout: Payout, actor: str) -> Chain:
    """Return the chain that gives back what the bank sent back."""
    if payout.kind == Kind.DRIVER_CASHOUT:
        return _driver.driver_cashout_returned(_cashout(payout), provider=payout.provider, actor=actor)
    return _merchant.merchant_payout_returned(_merchant_payout(payout), provider=payout.provider, actor=actor)


def post(session: Session, ledger: Ledger, chain: Chain) -> None:
    """Post a chain in the caller's transaction; one that was posted before is fine.

    Raises:
        NotEnough: There is less than it needs (409).
        SwitchedOff: A kill switch stops it (503).
        AssertionError: The ledger refuses what the payout's state says is possible.
    """
    verdict = ledger.post(session, chain)
    if verdict.ok:
        return
    if verdict.status in {Status.INSUFFICIENT, Status.NO_ACCOUNT}:
        raise NotEnough
    if verdict.status is Status.SWITCHED_OFF:
        raise SwitchedOff
    raise AssertionError(f"a payout's chain {chain.key} was answered {verdict.status}")


def _cashout(payout: Payout) -> _driver.DriverCashout:
    return _driver.DriverCashout(payout.id, payout.owner_id, payout.amount_minor, payout.fee_minor)


def _merchant_payout(payout: Payout) -> _merchant.MerchantPayout:
    return _merchant.MerchantPayout(payout.id, payout.owner_id, payout.amount_minor)
