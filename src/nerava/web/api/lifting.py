"""The stop of a sponsor lifted by hand: by one person up to a limit, and by two above it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import UUID

from nerava.audit import ActorKind, Entry, record
from nerava.identity.approvals import Kind
from nerava.rewards.dispute_cases import case_of, lift, weight_of
from nerava.web.api.corrections import CorrectionOut
from nerava.web.api.presents import ALONE_MAX, OwnAccount

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from nerava.identity.guard import Principal
    from nerava.ledger import Ledger
    from nerava.web.api.corrections import Signed

STOP_LIFTED: Final = Kind("stop_lifted", daily=10**11)
"""It moves no money to anybody, so that payments of any size can be seen to in one day."""


@dataclass(frozen=True, slots=True)
class Lifting:
    """The end of one stop, by hand."""

    dispute_id: UUID
    reason: str

    @classmethod
    def read(cls, asked: Mapping[str, Any]) -> Self:
        """Return what was asked for in `asked`."""
        return cls(UUID(asked["dispute_id"]), asked["reason"])

    @property
    def kind(self) -> Kind:
        """What its approvals count together with."""
        return STOP_LIFTED

    @property
    def asked(self) -> Mapping[str, Any]:
        """It in the words of a request for approval."""
        return {"dispute_id": str(self.dispute_id), "reason": self.reason}

    def weight(self, session: Session) -> int:
        """Return what is disputed; more than one person may decide about while nobody knows.

        Raises:
            UnknownDispute: There is none (404).
        """
        known = weight_of(session, self.dispute_id)
        return ALONE_MAX + 1 if known is None else known

    def refuse_own(self, session: Session, principal: Principal) -> None:
        """Check that it is not a stop of a sponsor that the caller acts for.

        Raises:
            UnknownDispute: There is none (404).
            OwnAccount: It is (403).
        """
        stopped = case_of(session, self.dispute_id).sponsor_id
        if stopped is not None and any(one.tenant_id == stopped for one in principal.memberships):
            raise OwnAccount

    def carry_out(self, session: Session, ledger: Ledger, signed: Signed) -> CorrectionOut:
        """Lift it, in the audit log too."""
        done = lift(session, ledger, self.dispute_id, signed.now)
        told = Entry(
            actor_kind=ActorKind.OPS,
            actor_id=(signed.approved_by or signed.asked_by).rpartition(":")[2],
            action="sponsor.stop_lifted",
            object_kind="sponsor_dispute",
            object_id=str(self.dispute_id),
            tenant_id=case_of(session, self.dispute_id).sponsor_id,
            reason=self.reason,
            after={"collected_minor": done.collected, "owed_minor": done.owed},
        )
        record(session, told, signed.now)
        return CorrectionOut(transaction_id=None, posted_at=signed.now, taken=done.collected, owed=done.owed)
