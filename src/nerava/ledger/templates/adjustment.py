"""A person corrects two named accounts, with a reason and above a limit with a second person."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Unpack

from nerava.ledger.chart import (
    NOVA_ISSUANCE,
    NOVA_RESERVE,
    PLATFORM_ADJUSTMENTS,
    is_nova,
)
from nerava.ledger.errors import LedgerError
from nerava.ledger.templates import ADJUSTMENT_APPROVAL_ABOVE
from nerava.ledger.values import chain, transfer

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.ledger.templates import Circumstances
    from nerava.ledger.values import Chain, Transfer


class AdjustmentReason(StrEnum):
    """Why a correction is made."""

    CORRECTION = "correction"
    RECONCILIATION = "reconciliation"
    DISPUTE = "dispute"
    WRITE_OFF = "write_off"
    HOUSE_TRANSFER = "house_transfer"


class ApprovalRequired(LedgerError):
    """The amount needs the consent of a second person."""

    code = "approval-required"
    status = HTTPStatus.FORBIDDEN
    title = "A second person must approve this"


class ReserveNotAdjustable(LedgerError):
    """Cash behind points moves only together with points."""

    code = "reserve-not-adjustable"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The reserve cannot be adjusted by itself"


@dataclass(frozen=True, slots=True)
class AdjustmentCase:
    """Why, and who answers for it; opaque ids.

    Attributes:
        asked_by: Who wants it; also the actor of the chain.
        approved_by: The second person, if there is one.
        approval_above: Minor units that `asked_by` may adjust alone.
    """

    reason: AdjustmentReason
    asked_by: str
    approved_by: str | None = None
    approval_above: int = ADJUSTMENT_APPROVAL_ABOVE


def adjustment(
    *,
    adjustment_id: UUID,
    debit: str,
    credit: str,
    amount: int,
    case: AdjustmentCase,
    **circumstances: Unpack[Circumstances],
) -> Chain:
    """Return the chain of a correction.

    Key: `adjustment:{adjustment_id}`.
    Transfers: `debit` -> `credit`, any two accounts of one asset. Where it creates points
    (`nova:issuance` is the debit) or burns them (it is the credit), their value moves with them
    between `platform:adjustments` and `nova:reserve`. The reason and the second person stand in
    the metadata.
    Refused: as every transfer; `asset_mismatch` between points and cash.

    Raises:
        ApprovalRequired: Above the limit without a second person (403).
        ReserveNotAdjustable: `nova:reserve` is one of the two (422).
        UnknownAccountCode: One of the two is not in the chart (422).
    """
    if NOVA_RESERVE in {debit, credit}:
        raise ReserveNotAdjustable("create or burn points instead; the reserve follows")
    if amount > case.approval_above and case.approved_by in {None, case.asked_by}:
        raise ApprovalRequired(f"more than {case.approval_above} minor units need a second person")
    notes = {"reason": case.reason.value, "approved_by": case.approved_by}
    circumstances["metadata"] = {**circumstances.get("metadata", {}), **notes}
    circumstances["actor"] = case.asked_by
    return chain(
        f"adjustment:{adjustment_id}",
        transfer(debit, credit, amount),
        _backing(debit, credit, amount),
        **circumstances,
    )


def _backing(debit: str, credit: str, amount: int) -> Transfer | None:
    if not (is_nova(debit) and is_nova(credit)):
        return None
    if debit == NOVA_ISSUANCE:
        return transfer(PLATFORM_ADJUSTMENTS, NOVA_RESERVE, amount)
    if credit == NOVA_ISSUANCE:
        return transfer(NOVA_RESERVE, PLATFORM_ADJUSTMENTS, amount)
    return None
