"""How requests are told to the audit log: who acted, under which role, in which session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Depends, Request

from nerava.audit import ActorKind, Entry
from nerava.audit.switching import Operator
from nerava.identity.guard import Principal, SignedIn
from nerava.identity.roles import Role
from nerava.platform.problem import trace_id_of

if TYPE_CHECKING:
    from collections.abc import Mapping

CLIENT: Final = "api"


class Actor:
    """The caller of a request as the audit log names them: opaque ids alone."""

    def __init__(self, principal: Principal, request_id: str) -> None:
        self._principal = principal
        self._request_id = request_id

    @property
    def kind(self) -> ActorKind:
        """What kind of actor it is, by the role they act under."""
        role = self._principal.acting.role
        if role.value.startswith("ops:"):
            return ActorKind.OPS
        return ActorKind.PARTNER if role is Role.PARTNER else ActorKind.USER

    def entry(
        self,
        action: str,
        object_kind: str,
        object_id: object,
        *,
        reason: str | None = None,
        after: Mapping[str, object] | None = None,
        before: Mapping[str, object] | None = None,
    ) -> Entry:
        """Return the entry of something that this caller did."""
        principal = self._principal
        return Entry(
            self.kind,
            str(principal.subject),
            action,
            object_kind,
            str(object_id),
            reason=reason,
            role=principal.acting.role.value,
            session_id=principal.session_id,
            tenant_id=principal.acting.tenant_id,
            request_id=self._request_id,
            client_kind=CLIENT,
            before=before,
            after=after,
        )

    @property
    def operator(self) -> Operator:
        """The caller as somebody who works a switch; the person counts, whichever role they use."""
        principal = self._principal
        return Operator(
            str(principal.subject),
            self.kind,
            principal.acting.role.value,
            principal.session_id,
            self._request_id,
            CLIENT,
        )


async def _actor(request: Request, principal: SignedIn) -> Actor:
    return Actor(principal, trace_id_of(request.scope))


Acting = Annotated[Actor, Depends(_actor)]
"""The caller, for the audit log."""
