"""The money core: the one place where value rests. Nothing outside names its tables."""

from nerava.ledger.accounts import AccountSpec, account_id
from nerava.ledger.effects import Effect
from nerava.ledger.errors import (
    AccountDiffers,
    EffectRefused,
    LedgerClosed,
    LedgerError,
    LedgerOverloaded,
    UnknownAccount,
    UnknownTransaction,
)
from nerava.ledger.reads import AccountBalance, Balance, StatementLine
from nerava.ledger.service import Asset, Ledger, LedgerOptions
from nerava.ledger.values import (
    Chain,
    Kind,
    LotTerms,
    PostedTransfer,
    Status,
    Transfer,
    Verdict,
    capture,
    chain,
    expire,
    hold,
    release,
    transfer,
    transfer_key,
)

__all__ = [
    "AccountBalance",
    "AccountDiffers",
    "AccountSpec",
    "Asset",
    "Balance",
    "Chain",
    "Effect",
    "EffectRefused",
    "Kind",
    "Ledger",
    "LedgerClosed",
    "LedgerError",
    "LedgerOptions",
    "LedgerOverloaded",
    "LotTerms",
    "PostedTransfer",
    "StatementLine",
    "Status",
    "Transfer",
    "UnknownAccount",
    "UnknownTransaction",
    "Verdict",
    "account_id",
    "capture",
    "chain",
    "expire",
    "hold",
    "release",
    "transfer",
    "transfer_key",
]
