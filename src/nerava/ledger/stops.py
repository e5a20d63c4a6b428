"""Which chains a kill switch stops. Pure; the rows are in `switch_store`.

Money switches are read with the balances that a chain locks, inside the transaction that posts
it, so no route, job or replay passes them. A stopped chain is answered `switched_off`, leaves
nothing and takes no key: asked again later it is judged as if for the first time.
"""

from __future__ import annotations

import re
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from uuid import UUID

from nerava.kernel.switch_names import ADJUST, EARN, FUNDING, MONEY_ALL, PARTIES, PAYOUT, READONLY, REDEEM
from nerava.ledger.accounts import account_id
from nerava.ledger.chart import codes_owned
from nerava.ledger.errors import LedgerError
from nerava.ledger.values import Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from nerava.ledger.decide import OpenHold
    from nerava.ledger.values import Chain

_UUID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_MOVES: Final = frozenset({Kind.DIRECT, Kind.HOLD, Kind.CAPTURE})
_BEGINS: Final = frozenset({Kind.HOLD, Kind.CAPTURE})

STOPPED_BY: Final[dict[str, tuple[str, frozenset[Kind]]]] = {
    "session_reward": (EARN, _MOVES),
    "promo_grant": (EARN, _MOVES),
    "redemption": (REDEEM, _BEGINS),
    "claim_fee": (REDEEM, _MOVES),
    # The request holds and the submission captures; an outcome or a return only moves.
    "driver_cashout": (PAYOUT, _BEGINS),
    "merchant_payout": (PAYOUT, _BEGINS),
    "campaign_refund": (PAYOUT, frozenset({Kind.HOLD})),
    "sponsor_refund": (PAYOUT, frozenset({Kind.HOLD})),
    "campaign_funding": (FUNDING, _MOVES),
    "promo_funding": (FUNDING, _MOVES),
    "sponsor_deposit": (FUNDING, _MOVES),
    "adjustment": (ADJUST, _MOVES),
    "reversal": (ADJUST, _MOVES),
}
"""By template: its switch, and the kinds of transfer that make a chain of it one that is stopped."""

ONLY_BY_ALL: Final = frozenset(
    {
        "clawback",
        "expiry",
        "invoice_payment",
        "merchant_settlement",
        "receivable_netting",
        "redemption_refund",
        "sponsor_dispute",
    }
)
"""Templates that no switch but `money.all`, or one of a party to them, stops."""


class SwitchedOff(LedgerError):
    """Somebody has switched this off; nothing was executed, and later it works again."""

    code = "switched-off"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "This is switched off for now"
    outcome = "not_executed"
    retry_after_s = 60


def refuse_if_on(on: Collection[str], *names: str) -> None:
    """Go on only if none of these switches is among those that are on.

    Raises:
        SwitchedOff: One is (503).
    """
    for name in names:
        if name in on:
            raise SwitchedOff(f"{name} is switched off", switch=name)


def stopped_parties(on: Collection[str], kind: str) -> frozenset[UUID]:
    """Return the ids of the parties of a kind that a switch stops: `driver:{id}`."""
    found = (name.partition(":") for name in on)
    return frozenset(UUID(owner) for party, _, owner in found if party == kind and _UUID.fullmatch(owner))


def is_stopped(chain: Chain, on: Collection[str], holds: Mapping[str, OpenHold]) -> bool:
    """Return whether one of the switches that are on stops this chain.

    Args:
        chain: What is asked for.
        on: Names of the switches that are on.
        holds: Open holds by key; they say whose a capture or a release is.
    """
    if READONLY in on:
        return True
    if _by_two_people(chain):
        return False
    if MONEY_ALL in on:
        return True
    switch, kinds = STOPPED_BY.get(chain.template, ("", _MOVES))
    if switch in on and any(one.kind in kinds for one in chain.transfers):
        return True
    return any(_concerns(chain, name, holds) for name in on if name.partition(":")[0] in PARTIES)


def _by_two_people(chain: Chain) -> bool:
    second = chain.metadata.get("approved_by")
    return chain.template == "reversal" and second is not None and second != chain.actor


def _concerns(chain: Chain, party: str, holds: Mapping[str, OpenHold]) -> bool:
    accounts = _accounts_of(party)
    for one in chain.transfers:
        if one.hold_key is None:
            touched = {account_id(one.debit), account_id(one.credit)}
        else:
            hold = holds.get(str(one.hold_key))
            touched = set() if hold is None else {hold.debit, hold.credit}
        if touched & accounts:
            return True
    return False


@lru_cache(maxsize=1_024)
def _accounts_of(party: str) -> frozenset[str]:
    kind, _, owner = party.partition(":")
    return frozenset(map(account_id, codes_owned(kind, owner)))
