"""What redeeming is put together from in one process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

    from nerava.merchants.board import Board
    from nerava.merchants.claims import ClaimRules
    from nerava.merchants.codes import SecretCodes


@dataclass(frozen=True, slots=True)
class Redeeming:
    """How codes are made, kept in mind and limited here.

    Attributes:
        claim_fee_minor: What a claim costs a new merchant unless ops say otherwise, in minor units.
        counts_codes: Whether it is limited how often a driver or an address asks for codes.
    """

    board: Board
    codes: SecretCodes
    code_life: timedelta
    claim_rules: ClaimRules
    claim_fee_minor: int
    counts_codes: bool
