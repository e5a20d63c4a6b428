"""The owners of a webhook endpoint learn that nothing is sent there any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from nerava.audit import ActorKind, Entry
from nerava.identity.model import RoleMembership
from nerava.identity.roles import Role
from nerava.outbox.webhook_store import DisabledBecause, OwnerKind

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.audit import AuditLog
    from nerava.identity.factors import Tell
    from nerava.outbox.endpoints import Owner
    from nerava.outbox.webhook_store import WebhookEndpoint

ACTOR: Final = "webhooks"
_ROLES: Final = {
    OwnerKind.PARTNER: Role.PARTNER,
    OwnerKind.MERCHANT: Role.MERCHANT_OWNER,
    OwnerKind.SPONSOR: Role.SPONSOR,
}
_WORDS: Final = {
    DisabledBecause.GONE: "it said that it is gone",
    DisabledBecause.FAILING: "nothing arrived there for three days",
    DisabledBecause.OWNER: "you asked for it",
}
_SAID: Final = (
    "A webhook endpoint of yours was disabled: {why}. What happens meanwhile is kept for 30 days; "
    "enable it again and have it replayed."
)


@dataclass(frozen=True, slots=True)
class EndpointNotice:
    """Writes it into the audit log and sends it to everybody who may enable the endpoint again."""

    tell: Tell
    audit: AuditLog

    def __call__(self, session: Session, owner: Owner, endpoint: WebhookEndpoint, now: datetime) -> None:
        """Tell them, in the caller's transaction. The address stays out of messages: it may be secret."""
        because = DisabledBecause(endpoint.disabled_because or DisabledBecause.FAILING)
        entry = Entry(
            actor_kind=ActorKind.SYSTEM,
            actor_id=ACTOR,
            action="webhook.disabled",
            object_kind="webhook_endpoint",
            object_id=str(endpoint.id),
            tenant_id=owner.id,
            after={"because": because.value},
        )
        self.audit.record(session, entry, now)
        people = select(RoleMembership.subject).where(
            RoleMembership.role == _ROLES[owner.kind].value, RoleMembership.tenant_id == owner.id
        )
        for one in session.scalars(people.order_by(RoleMembership.subject)).all():
            self.tell(session, one, _SAID.format(why=_WORDS[because]), now)
