"""Presents of goodwill: what is given, by one person up to a limit and by two above it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final, Self
from uuid import UUID

from pydantic import BaseModel, Field

from nerava.identity.approvals import Kind
from nerava.identity.roles import Membership, Role
from nerava.kernel.errors import NeravaError
from nerava.ledger import Status, UnknownAccount
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.templates import ADJUSTMENT_APPROVAL_ABOVE
from nerava.ledger.templates.promo_grant import PromoKind, promo_grant
from nerava.platform.idempotency import Answer
from nerava.rewards.errors import PostingRefused
from nerava.web.api.fields import Body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nerava.identity.guard import Principal
    from nerava.ledger import Chain, Verdict

ALONE_MAX: Final = ADJUSTMENT_APPROVAL_ABOVE
"""What one person may give at once."""

TOGETHER_MAX: Final = 50_000
"""What two may."""

GOODWILL: Final = Kind("goodwill", daily=500_000)


class HouseBudgetTooSmall(NeravaError):
    """The house's promotion budget cannot pay this; nothing was moved."""

    code = "house-budget-too-small"
    status = HTTPStatus.CONFLICT
    title = "The house's promotion budget is too small"


class OwnAccount(NeravaError):
    """Somebody would decide about points for themselves."""

    code = "own-account"
    status = HTTPStatus.FORBIDDEN
    title = "Nobody may act on an account of their own"


class GoodwillReason(StrEnum):
    """Why the house gives points away; words, so that no story about a person gets into the books."""

    OUTAGE = "outage"
    WRONG_DECISION = "wrong_decision"
    COMPLAINT = "complaint"
    THANKS = "thanks"


class GoodwillIn(Body):
    """A present to a driver. Above 10,000 Nova a second person has to approve it; it ends at 50,000."""

    driver_id: UUID
    points: Annotated[int, Field(strict=True, gt=0, le=TOGETHER_MAX)]
    reason: GoodwillReason


class GoodwillOut(BaseModel):
    """A present that was made."""

    driver_id: UUID
    points: int
    transaction_id: UUID
    posted_at: datetime


@dataclass(frozen=True, slots=True)
class Present:
    """Points for a driver out of the house's own budget."""

    driver_id: UUID
    points: int
    reason: GoodwillReason

    @classmethod
    def of(cls, body: GoodwillIn) -> Self:
        """Return what a request asks for."""
        return cls(body.driver_id, body.points, body.reason)

    @classmethod
    def read(cls, asked: Mapping[str, Any]) -> Self:
        """Return what was asked for in `asked`."""
        return cls(UUID(asked["driver_id"]), asked["points"], GoodwillReason(asked["reason"]))

    @property
    def asked(self) -> dict[str, object]:
        """The present in the words of a request for approval."""
        return {"driver_id": str(self.driver_id), "points": self.points, "reason": self.reason.value}

    def refuse_own(self, principal: Principal) -> None:
        """Check that nobody gives to themselves.

        Raises:
            OwnAccount: The caller is the driver (403).
        """
        if Membership(Role.DRIVER, self.driver_id) in principal.memberships:
            raise OwnAccount

    def chain(self, reference_id: UUID, *, actor: str, approved_by: str | None = None) -> Chain:
        """Return the chain that pays it; one reference is one present."""
        notes = {"reason": self.reason.value}
        if approved_by is not None:
            notes["approved_by"] = approved_by
        return promo_grant(
            kind=PromoKind.GOODWILL,
            reference_id=reference_id,
            driver_id=self.driver_id,
            points=self.points,
            actor=actor,
            metadata=notes,
        )

    def outcome(self, verdict: Verdict) -> Answer | NeravaError:
        """Return what a verdict about its chain means to the caller."""
        if verdict.transaction_id is not None and verdict.posted_at is not None:
            present = GoodwillOut(
                driver_id=self.driver_id,
                points=self.points,
                transaction_id=verdict.transaction_id,
                posted_at=verdict.posted_at,
            )
            return Answer.of(present, HTTPStatus.CREATED)
        match verdict.status:
            case Status.INSUFFICIENT:
                return HouseBudgetTooSmall()
            case Status.NO_ACCOUNT:
                return UnknownAccount("the driver has no account")
            case Status.SWITCHED_OFF:
                return SwitchedOff()
            case other:
                return PostingRefused(f"the ledger said {other}")
