"""The guard in front of every route: who calls, under which of their roles, and whether that is enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from nerava.identity.errors import NotSignedIn, RoleAmbiguous, RoleNotAllowed, ScopeNotGranted
from nerava.identity.roles import Membership, Role
from nerava.platform.policy import ANY_ROLE

if TYPE_CHECKING:
    from nerava.identity.service import RoleDirectory
    from nerava.identity.tokens import AccessTokens, Claims
    from nerava.platform.policy import Policy

ACTING_AS: Final = "nerava-acting-as"
"""Header with which somebody who has several fitting roles names one: `sponsor:{id}`."""

SAFE_METHODS: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of one request, acting under one role.

    Attributes:
        subject: Who signed in.
        memberships: All roles of the subject, for pages that show them.
    """

    subject: UUID
    acting: Membership
    memberships: tuple[Membership, ...]

    @property
    def idempotency_scope(self) -> str:
        """The user, or the partner: never the credential, so that a new one does not break a replay."""
        if self.acting.role is Role.PARTNER:
            return f"partner:{self.acting.tenant_id}"
        return f"user:{self.subject}"

    @property
    def actor(self) -> str:
        """How the ledger and the audit log name the caller: an opaque id under its role."""
        return f"{self.acting.role.value}:{self.subject}"


class TokenGuard:
    """Lets a request through when its access token and its caller's roles satisfy the route's policy.

    Leaves the `Principal` in `request.state.principal`. Reads trust roles that are at most 900 ms
    old; everything else reads them from the database.
    """

    def __init__(self, tokens: AccessTokens, roles: RoleDirectory) -> None:
        self._tokens = tokens
        self._roles = roles

    async def __call__(self, request: Request, policy: Policy) -> None:
        """Check one request.

        Raises:
            NotSignedIn: No bearer token (401).
            InvalidToken: The token is not a current one of ours (401).
            ScopeNotGranted: The token does not cover this (403).
            RoleNotAllowed: None of the caller's roles may do this (403).
            RoleAmbiguous: Several may, and the request names none (400).
        """
        claims = self._tokens.verify(_bearer(request))
        memberships = self._roles.remembered(claims.subject) if request.method in SAFE_METHODS else None
        if memberships is None:
            memberships = await run_in_threadpool(self._roles.read, claims.subject)
        request.state.principal = _admit(claims, memberships, policy, request)


def _bearer(request: Request) -> str:
    values = request.headers.getlist("authorization")
    if not values:
        raise NotSignedIn
    scheme, _, token = values[0].partition(" ")
    if len(values) > 1 or scheme.lower() != "bearer" or not token.strip():
        message = "send one header `Authorization: Bearer …`"
        raise NotSignedIn(message)
    return token.strip()


def _admit(
    claims: Claims, memberships: tuple[Membership, ...], policy: Policy, request: Request
) -> Principal:
    acting_as = request.headers.get(ACTING_AS)
    any_role = policy.roles == ANY_ROLE
    allowed = [one for one in memberships if any_role or one.role.value in policy.roles]
    if acting_as is not None:
        allowed = [one for one in allowed if acting_as in {one.role.value, one.name}]
    if not allowed:
        raise RoleNotAllowed
    if policy.scope not in claims.scopes:
        message = f"the token must cover {policy.scope}"
        raise ScopeNotGranted(message)
    # Who only reads as the same tenant under two names sees the same; a write must name one for the record.
    same_view = request.method in SAFE_METHODS and len({one.tenant_id for one in allowed}) == 1
    if len(allowed) > 1 and not any_role and not same_view:
        message = f"send Nerava-Acting-As with one of: {', '.join(one.name for one in allowed)}"
        raise RoleAmbiguous(message)
    return Principal(claims.subject, allowed[0], memberships)


async def _principal(request: Request) -> Principal:
    found = request.state.principal
    if not isinstance(found, Principal):
        raise AssertionError("a route that wants a principal must not be public")
    return found


SignedIn = Annotated[Principal, Depends(_principal)]
"""Whoever the policy let through."""


async def _tenant(principal: SignedIn) -> UUID:
    if principal.acting.tenant_id is None:
        raise AssertionError("a route for tenants must not admit ops")
    return principal.acting.tenant_id


TenantId = Annotated[UUID, Depends(_tenant)]
"""The driver, sponsor, merchant or partner the caller acts for: the scope of every query."""
