"""The chart of accounts: what every account is called, what it means and how far it may go."""

from __future__ import annotations

import re
from dataclasses import replace
from enum import StrEnum
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from nerava.kernel.money import BadAmount
from nerava.ledger.accounts import AccountSpec
from nerava.ledger.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

OwnerId: TypeAlias = "UUID | str"
"""Whose account it is: a UUID, or an opaque lower-case word such as a provider's name."""

NOVA: Final = "NOVA"
"""The asset of points; scale 0, one of them is worth one minor unit of the operator's currency."""


class AccountKind(StrEnum):
    """What an account is; the word stands in `AccountSpec.kind`."""

    EXTERNAL = "external"
    SPONSOR_PREPAID = "sponsor_prepaid"
    SPONSOR_RECEIVABLE = "sponsor_receivable"
    CAMPAIGN_BUDGET = "campaign_budget"
    CAMPAIGN_FEE = "campaign_fee"
    NOVA_RESERVE = "nova_reserve"
    MERCHANT_PAYABLE = "merchant_payable"
    MERCHANT_RECEIVABLE = "merchant_receivable"
    PAYOUT_CLEARING = "payout_clearing"
    PLATFORM_PROMO = "platform_promo"
    PLATFORM_FEES = "platform_fees"
    PLATFORM_BREAKAGE = "platform_breakage"
    PLATFORM_ADJUSTMENTS = "platform_adjustments"
    PROCESSOR_FEES = "processor_fees"
    NOVA_ISSUANCE = "nova_issuance"
    DRIVER_NOVA = "driver_nova"
    MERCHANT_NOVA = "merchant_nova"


class UnknownAccountCode(LedgerError):
    """The text is not the code of any account in the chart."""

    code = "unknown-account-code"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "No account can have this code"


class UnknownCurrency(LedgerError):
    """The text is not a currency that cash accounts can be kept in."""

    code = "unknown-currency"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "Not a currency code"


NOVA_RESERVE: Final = "nova:reserve"
"""Cash behind every Nova in circulation."""

PAYOUT_CLEARING: Final = "payout:clearing"
"""Money on its way out; must return to zero."""

PLATFORM_PROMO: Final = "platform:promo"
"""The house budget for referrals and goodwill."""

PLATFORM_FEES: Final = "platform:fees"
"""Fees that are earned."""

PLATFORM_BREAKAGE: Final = "platform:breakage"
"""Value of points that expired and went back to nobody."""

PLATFORM_ADJUSTMENTS: Final = "platform:adjustments"
"""Corrections with a reason; positive or negative."""

PROCESSOR_FEES: Final = "processor:fees"
"""What payment processors kept for themselves; a cost, so its balance is negative."""

NOVA_ISSUANCE: Final = "nova:issuance"
"""Points are born and burnt here, so its negative balance is the number in circulation."""


def external(provider: str) -> str:
    """Return the code of the outside world at one bank or processor; negative as money comes in."""
    return f"external:{provider}"


def sponsor_prepaid(sponsor_id: OwnerId) -> str:
    """Return the code of a sponsor's deposits that are not yet in a campaign."""
    return f"sponsor:{sponsor_id}:prepaid"


def sponsor_receivable(sponsor_id: OwnerId) -> str:
    """Return the code of what a sponsor owes for payments that were taken back; never above 0."""
    return f"sponsor:{sponsor_id}:receivable"


def campaign_budget(campaign_id: OwnerId) -> str:
    """Return the code of what a campaign can still pay."""
    return f"campaign:{campaign_id}:budget"


def campaign_fee(campaign_id: OwnerId) -> str:
    """Return the code of a campaign's platform fee that is not yet earned."""
    return f"campaign:{campaign_id}:fee"


def merchant_payable(merchant_id: OwnerId) -> str:
    """Return the code of what is owed to a merchant after settlement."""
    return f"merchant:{merchant_id}:payable"


def merchant_receivable(merchant_id: OwnerId) -> str:
    """Return the code of the fees a merchant owes; never above 0."""
    return f"merchant:{merchant_id}:receivable"


def driver_nova(driver_id: OwnerId) -> str:
    """Return the code of a driver's points."""
    return f"driver:{driver_id}:nova"


def merchant_nova(merchant_id: OwnerId) -> str:
    """Return the code of the points a merchant took and has not settled."""
    return f"merchant:{merchant_id}:nova"


class _Terms(NamedTuple):
    code: str
    floor: int | None = 0
    ceiling: int | None = None
    is_nova: bool = False
    keeps_lots: bool = False


_CHART: Final = {
    AccountKind.EXTERNAL: _Terms(external("{}"), floor=None),
    AccountKind.SPONSOR_PREPAID: _Terms(sponsor_prepaid("{}")),
    AccountKind.SPONSOR_RECEIVABLE: _Terms(sponsor_receivable("{}"), floor=None, ceiling=0),
    AccountKind.CAMPAIGN_BUDGET: _Terms(campaign_budget("{}")),
    AccountKind.CAMPAIGN_FEE: _Terms(campaign_fee("{}")),
    AccountKind.NOVA_RESERVE: _Terms(NOVA_RESERVE),
    AccountKind.MERCHANT_PAYABLE: _Terms(merchant_payable("{}")),
    AccountKind.MERCHANT_RECEIVABLE: _Terms(merchant_receivable("{}"), floor=None, ceiling=0),
    AccountKind.PAYOUT_CLEARING: _Terms(PAYOUT_CLEARING),
    AccountKind.PLATFORM_PROMO: _Terms(PLATFORM_PROMO),
    AccountKind.PLATFORM_FEES: _Terms(PLATFORM_FEES),
    AccountKind.PLATFORM_BREAKAGE: _Terms(PLATFORM_BREAKAGE),
    AccountKind.PLATFORM_ADJUSTMENTS: _Terms(PLATFORM_ADJUSTMENTS, floor=None),
    AccountKind.PROCESSOR_FEES: _Terms(PROCESSOR_FEES, floor=None),
    AccountKind.NOVA_ISSUANCE: _Terms(NOVA_ISSUANCE, floor=None, is_nova=True),
    AccountKind.DRIVER_NOVA: _Terms(driver_nova("{}"), is_nova=True, keeps_lots=True),
    AccountKind.MERCHANT_NOVA: _Terms(merchant_nova("{}"), is_nova=True),
}

_OWNER: Final = "([0-9a-z][0-9a-z._-]{0,63})"
"""No colon, or two owners could mean one account; no capitals, or one owner could mean two."""

_PATTERNS: Final = {kind: re.compile(terms.code.replace("{}", _OWNER)) for kind, terms in _CHART.items()}

_CURRENCY: Final = re.compile("[A-Z]{3}")

_HOUSE: Final = (
    NOVA_RESERVE,
    PAYOUT_CLEARING,
    PLATFORM_PROMO,
    PLATFORM_FEES,
    PLATFORM_BREAKAGE,
    PLATFORM_ADJUSTMENTS,
    PROCESSOR_FEES,
    NOVA_ISSUANCE,
)


class ParsedCode(NamedTuple):
    """What an account's code says: its kind, and whose it is (None for the platform's own)."""

    kind: AccountKind
    owner: str | None


@lru_cache(maxsize=65_536)
def parse_code(code: str) -> ParsedCode:
    """Return what an account's code says.

    Raises:
        UnknownAccountCode: The chart has no such account (422).
    """
    for kind, pattern in _PATTERNS.items():
        match = pattern.fullmatch(code)
        if match:
            return ParsedCode(kind, match[1] if pattern.groups else None)
    raise UnknownAccountCode(f"{code!r} is not the code of an account")


def kind_of(code: str) -> AccountKind:
    """Return what kind of account this code names.

    Raises:
        UnknownAccountCode: The chart has no such account (422).
    """
    return parse_code(code).kind


def codes_owned(party: str, owner: OwnerId) -> list[str]:
    """Return the codes of all accounts that one `campaign`, `driver`, `merchant` or `sponsor` can have."""
    codes = (terms.code for terms in _CHART.values())
    return [code.replace("{}", str(owner)) for code in codes if code.startswith(f"{party}:{{}}")]


def is_nova(code: str) -> bool:
    """Return whether the account holds points; if not, it holds cash.

    Raises:
        UnknownAccountCode: The chart has no such account (422).
    """
    return _CHART[kind_of(code)].is_nova


def keeps_lots(code: str) -> bool:
    """Return whether the account's credits are kept as lots with source and expiry.

    Raises:
        UnknownAccountCode: The chart has no such account (422).
    """
    return _CHART[kind_of(code)].keeps_lots


def account_of(code: str, currency: str) -> AccountSpec:
    """Return the account with this code as it is to be opened.

    Args:
        code: Any code of the chart.
        currency: The operator's currency, three capital letters; the asset of cash accounts.

    Raises:
        UnknownAccountCode: The chart has no such account (422).
        UnknownCurrency: Not three capital letters (422).
    """
    if not _CURRENCY.fullmatch(currency):
        raise UnknownCurrency(f"{currency!r} is not a currency code")
    kind, owner = parse_code(code)
    terms = _CHART[kind]
    return AccountSpec(
        code=code,
        asset=NOVA if terms.is_nova else currency,
        kind=kind.value,
        owner=owner,
        floor=terms.floor,
        ceiling=terms.ceiling,
        keeps_lots=terms.keeps_lots,
    )


def external_account(provider: str, currency: str) -> AccountSpec:
    """Return `external(provider)` as it is to be opened; its owner is the provider's name."""
    return account_of(external(provider), currency)


def sponsor_prepaid_account(sponsor_id: OwnerId, currency: str) -> AccountSpec:
    """Return `sponsor_prepaid(sponsor_id)` as it is to be opened."""
    return account_of(sponsor_prepaid(sponsor_id), currency)


def sponsor_receivable_account(sponsor_id: OwnerId, currency: str) -> AccountSpec:
    """Return `sponsor_receivable(sponsor_id)` as it is to be opened."""
    return account_of(sponsor_receivable(sponsor_id), currency)


def campaign_budget_account(campaign_id: OwnerId, currency: str) -> AccountSpec:
    """Return `campaign_budget(campaign_id)` as it is to be opened."""
    return account_of(campaign_budget(campaign_id), currency)


def campaign_fee_account(campaign_id: OwnerId, currency: str) -> AccountSpec:
    """Return `campaign_fee(campaign_id)` as it is to be opened."""
    return account_of(campaign_fee(campaign_id), currency)


def merchant_payable_account(merchant_id: OwnerId, currency: str) -> AccountSpec:
    """Return `merchant_payable(merchant_id)` as it is to be opened."""
    return account_of(merchant_payable(merchant_id), currency)


def merchant_receivable_account(merchant_id: OwnerId, currency: str) -> AccountSpec:
    """Return `merchant_receivable(merchant_id)` as it is to be opened."""
    return account_of(merchant_receivable(merchant_id), currency)


def driver_nova_account(driver_id: OwnerId, *, allowance: int = 0) -> AccountSpec:
    """Return `driver_nova(driver_id)` as it is to be opened.

    Args:
        driver_id: Whose points they are.
        allowance: How far below 0 a clawback may take the account, in Nova.

    Raises:
        BadAmount: The allowance is negative or not whole (422).
    """
    if type(allowance) is not int or allowance < 0:
        raise BadAmount(f"an allowance must be a whole number of at least 0, not {allowance!r}")
    return replace(_nova_account(driver_nova(driver_id)), floor=-allowance)


def merchant_nova_account(merchant_id: OwnerId) -> AccountSpec:
    """Return `merchant_nova(merchant_id)` as it is to be opened."""
    return _nova_account(merchant_nova(merchant_id))


def house_accounts(currency: str, providers: Iterable[str]) -> list[AccountSpec]:
    """Return the platform's own accounts and one for each provider, as they are to be opened."""
    codes = [*_HOUSE, *map(external, providers)]
    return [account_of(code, currency) for code in codes]


def _nova_account(code: str) -> AccountSpec:
    # Points have an asset of their own, so any currency gives the same account.
    return account_of(code, "XXX")
