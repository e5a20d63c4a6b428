"""What a check of the ledger found wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One break of one invariant.

    Attributes:
        check: Stable name of the invariant.
        subject: The account, transfer, lot or block concerned.
        detail: What is and what should be, for people.
    """

    check: str
    subject: str
    detail: str
