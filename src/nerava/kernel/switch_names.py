"""What can be switched off, by name."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final

from nerava.kernel.errors import NeravaError

MONEY_ALL: Final = "money.all"
"""Every posting except reversals by two people."""

EARN: Final = "earn"
"""Grants and holds for grants; sessions wait for evaluation."""

REDEEM: Final = "redeem"
"""New codes and claims."""

PAYOUT: Final = "payout"
"""New payouts and sends; holds stay, and what the provider tells is still booked."""

FUNDING: Final = "funding"
"""New deposits and fundings."""

ADJUST: Final = "adjust"
"""Postings by hand, except reversals by two people."""

READONLY: Final = "readonly"
"""Every write except the audit log, sessions of people and the storing of inbound events."""

FIXED: Final = (
    MONEY_ALL,
    EARN,
    REDEEM,
    PAYOUT,
    FUNDING,
    ADJUST,
    READONLY,
    "webhooks.out",
    "signup",
    "sms",
)
"""Switches with one name."""

PARTIES: Final = ("campaign", "merchant", "driver")
"""Whose accounts a switch of their name stops: `campaign:{id}`."""

OTHERS: Final = ("partner", "provider")
"""Whom a switch of their name stops before anything reaches the ledger."""

_ID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_NAMED: Final = re.compile(rf"({'|'.join(PARTIES)}):{_ID}|({'|'.join(OTHERS)}):[0-9a-z][0-9a-z._-]{{0,63}}")


class UnknownSwitch(NeravaError):
    """There is no switch of this name."""

    code = "unknown-switch"
    status = HTTPStatus.NOT_FOUND
    title = "No such switch"


def checked_name(name: str) -> str:
    """Return the name of a switch, or refuse one that would stop nothing.

    Raises:
        UnknownSwitch: Neither one of `FIXED` nor `campaign:{id}` and the like (404).
    """
    if name in FIXED or _NAMED.fullmatch(name):
        return name
    raise UnknownSwitch(f"there is no switch {name!r}")
