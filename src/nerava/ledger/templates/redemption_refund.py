"""A merchant gives points back to the driver who redeemed them."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Unpack

from nerava.ledger.chart import driver_nova, merchant_nova
from nerava.ledger.errors import LedgerError
from nerava.ledger.templates.redemption import redemption_capture_key
from nerava.ledger.values import chain, transfer

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.ledger.templates import Circumstances
    from nerava.ledger.values import Chain


class RefundAboveCaptured(LedgerError):
    """The refunds of a redemption would be more than was captured."""

    code = "refund-above-captured"
    status = HTTPStatus.CONFLICT
    title = "More than was redeemed cannot be refunded"


@dataclass(frozen=True, slots=True)
class CapturedRedemption:
    """What a redemption came to, as the refund finds it.

    Attributes:
        register_id: The register that captured it.
        points: Nova that were captured.
        refunded: Nova that earlier refunds gave back, the repeated one not among them; read under
            the lock of the redemption, because two refunds at once would both see the old number.
    """

    redemption_id: UUID
    register_id: UUID
    driver_id: UUID
    merchant_id: UUID
    points: int
    refunded: int = 0


def redemption_refund(
    *, refund_id: UUID, redemption: CapturedRedemption, points: int, **circumstances: Unpack[Circumstances]
) -> Chain:
    """Return the chain that gives a redemption back, in full or in part.

    The points come back with the source and the expiry they had, so a refund neither makes
    points younger nor loses whose money they are.

    Key: `redemption_refund:{redemption_id}:{refund_id}`.
    Transfers: `merchant:{id}:nova` -> `driver:{id}:nova`, restoring what the capture consumed.
    Refused: `insufficient` when the merchant has been settled and holds fewer points by now.

    Raises:
        RefundAboveCaptured: More than what was captured and not refunded yet (409).
    """
    if redemption.refunded + points > redemption.points:
        raise RefundAboveCaptured(
            f"{redemption.points} were captured and {redemption.refunded} refunded, so {points} are too many"
        )
    return chain(
        f"redemption_refund:{redemption.redemption_id}:{refund_id}",
        transfer(
            merchant_nova(redemption.merchant_id),
            driver_nova(redemption.driver_id),
            points,
            restores=redemption_capture_key(redemption.redemption_id, redemption.register_id),
        ),
        **circumstances,
    )
