"""Who does something, as the audit log tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from nerava.audit import ActorKind, Entry, Result
from nerava.identity.roles import Membership, Role

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from nerava.identity.guard import Principal


CLIENT: Final = "api"
"""Through which door actors of this kind come."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who does something under one role.

    Attributes:
        subject: The person, or the API key.
        session_id: Their sign-in; None for an API key.
        request_id: The trace id of the request.
        ip_prefix: The /24 or /48 they ask from.
    """

    subject: UUID
    acting: Membership
    session_id: UUID | None = None
    request_id: str | None = None
    ip_prefix: str | None = None

    @classmethod
    def of(cls, principal: Principal, *, request_id: str | None, ip_prefix: str | None = None) -> Self:
        """Return the caller of a request."""
        return cls(principal.subject, principal.acting, principal.session_id, request_id, ip_prefix)

    @property
    def name(self) -> str:
        """How the ledger and the rows that somebody leaves name them: an opaque id under its role."""
        return f"{self.acting.role.value}:{self.subject}"

    @property
    def kind(self) -> ActorKind:
        """What kind of actor it is, by the role they act under."""
        if not self.acting.role.has_tenant:
            return ActorKind.OPS
        return ActorKind.PARTNER if self.acting.role is Role.PARTNER else ActorKind.USER

    def entry(
        self,
        action: str,
        object_kind: str,
        object_id: UUID | str,
        *,
        tenant_id: UUID | None = None,
        reason: str | None = None,
        result: Result = Result.OK,
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
    ) -> Entry:
        """Return what the audit log is to say about something this actor does.

        The tenant is the actor's own unless another one is named.
        """
        return Entry(
            actor_kind=self.kind,
            actor_id=str(self.subject),
            action=action,
            object_kind=object_kind,
            object_id=str(object_id),
            result=result,
            reason=reason,
            role=self.acting.role.value,
            session_id=self.session_id,
            tenant_id=tenant_id or self.acting.tenant_id,
            request_id=self.request_id,
            ip_prefix=self.ip_prefix,
            client_kind=CLIENT,
            before=before,
            after=after,
        )
