"""The guard in front of every route: who calls, under which of their roles, and whether that is enough."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final, Literal, Protocol
from uuid import UUID

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from nerava.identity.errors import (
    AccountSuspended,
    InvalidToken,
    NotSignedIn,
    RoleAmbiguous,
    RoleNotAllowed,
    ScopeNotGranted,
    SessionEnded,
    StepUpRequired,
)
from nerava.identity.roles import Membership, Role
from nerava.platform.policy import ANY_ROLE, Assurance, StepUp

if TYPE_CHECKING:
    from collections.abc import Collection

    from nerava.identity.revocation import Revocations
    from nerava.identity.standing import Standing, StandingDirectory
    from nerava.identity.tokens import AccessTokens, Claims
    from nerava.kernel.clock import Clock
    from nerava.platform.policy import Policy

ACTING_AS: Final = "nerava-acting-as"
"""Header with which somebody who has several fitting roles names one: `sponsor:{id}`."""

BY_ITSELF: Final = "nerava-by-itself"
"""Header of requests that a page sends while nobody does anything: they keep no session awake."""

SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
API_KEY_PREFIX: Final = "nvk_"
STEP_UP_FRESH_FOR: Final = timedelta(minutes=5)
STRONG_FRESH_FOR: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of one request, acting under one role.

    Attributes:
        subject: Who signed in.
        memberships: All roles of the subject, for pages that show them.
        session_id: The sign-in; None for an API key.
    """

    subject: UUID
    acting: Membership
    memberships: tuple[Membership, ...]
    session_id: UUID | None = None

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


@dataclass(frozen=True, slots=True)
class Knocking:
    """A caller who is known, before it is decided whether they may come in.

    Attributes:
        memberships: All roles of the subject.
        session_id: The sign-in; None for an API key.
    """

    subject: UUID
    memberships: tuple[Membership, ...]
    session_id: UUID | None


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Whoever an API key stands for, and what the key covers."""

    subject: UUID
    memberships: tuple[Membership, ...]
    scopes: frozenset[str]


class ApiKeys(Protocol):
    """Where API keys are looked up."""

    async def authenticate(self, request: Request, key: str) -> KeyHolder:
        """Return the holder of a key that is valid for this request.

        Raises:
            InvalidToken: Unknown, expired or revoked, in the same words (401).
        """
        ...


class TokenGuard:
    """Lets a request through when its credential and its caller's roles satisfy the route's policy.

    Leaves the `Principal` in `request.state.principal`, and before it decides, who is `Knocking` in
    `request.state.knocking`. Reads trust a standing that is at most
    900 ms old; everything else reads session, account and roles from the database. Cookies are
    not looked at.
    """

    def __init__(
        self,
        tokens: AccessTokens,
        directory: StandingDirectory,
        revocations: Revocations,
        clock: Clock,
        *,
        api_keys: ApiKeys | None = None,
    ) -> None:
        self._tokens = tokens
        self._directory = directory
        self._revocations = revocations
        self._clock = clock
        self._api_keys = api_keys

    async def __call__(self, request: Request, policy: Policy) -> None:
        """Check one request.

        Raises:
            NotSignedIn: No bearer token (401).
            InvalidToken: The token is not a current one of ours (401).
            SessionEnded: Its session is over (401).
            AccountSuspended: The account may do nothing (403).
            ScopeNotGranted: The token does not cover this (403).
            RoleNotAllowed: None of the caller's roles may do this (403).
            RoleAmbiguous: Several may, and the request names none (400).
            StepUpRequired: The route asks for a stronger or fresher sign-in (403).
        """
        credential = _bearer(request)
        if credential.startswith(API_KEY_PREFIX):
            await self._admit_key(request, policy, credential)
            return
        claims = self._tokens.verify(credential)
        now = self._clock.now()
        standing = self._remembered(request, policy, claims)
        if standing is None:
            standing = await self._directory.read(claims.session_id)
        if standing is None or standing.user_id != claims.subject:
            raise InvalidToken
        if not standing.is_open(now) or self._revocations.has_ended(claims.session_id):
            raise SessionEnded
        request.state.knocking = Knocking(claims.subject, standing.memberships, claims.session_id)
        if standing.suspended:
            raise AccountSuspended
        acting = choose_role(standing.memberships, claims.scopes, policy, request)
        check_assurance(standing, policy, now)
        if standing.is_of_ops and standing.use_is_due(now) and BY_ITSELF not in request.headers:
            await run_in_threadpool(self._directory.note_use, standing.session_id, now)
        request.state.principal = Principal(claims.subject, acting, standing.memberships, claims.session_id)

    def _remembered(self, request: Request, policy: Policy, claims: Claims) -> Standing | None:
        """Return what may be trusted without a look at the database, if anything."""
        trusting = request.method in SAFE_METHODS and not self._revocations.late
        if not trusting or policy.step_up or policy.assurance is Assurance.STRONG:
            return None
        return self._directory.remembered(claims.session_id)

    async def _admit_key(self, request: Request, policy: Policy, key: str) -> None:
        if self._api_keys is None:
            raise InvalidToken
        holder = await self._api_keys.authenticate(request, key)
        request.state.knocking = Knocking(holder.subject, holder.memberships, None)
        acting = choose_role(holder.memberships, holder.scopes, policy, request)
        level = _level(policy)
        if level is not None:
            raise StepUpRequired(level)
        request.state.principal = Principal(holder.subject, acting, holder.memberships)


def choose_role(
    memberships: tuple[Membership, ...],
    scopes: Collection[str] | None,
    policy: Policy,
    request: Request,
    acting_as: str | None = None,
) -> Membership:
    """Return the role that the caller acts under.

    Args:
        memberships: Every role of the caller.
        scopes: What the credential covers; None where it covers whatever the roles may do.
        policy: What the route asks for.
        request: May name one of several fitting roles in `Nerava-Acting-As`.
        acting_as: One that was chosen before; what the request names goes first.

    Raises:
        RoleNotAllowed: None of them may do this (403).
        ScopeNotGranted: The credential does not cover this (403).
        RoleAmbiguous: Several may, and the request names none (400).
    """
    acting_as = request.headers.get(ACTING_AS, acting_as)
    any_role = policy.roles == ANY_ROLE
    allowed = [one for one in memberships if any_role or one.role.value in policy.roles]
    if acting_as is not None:
        allowed = [one for one in allowed if acting_as in {one.role.value, one.name}]
    if not allowed:
        raise RoleNotAllowed
    if scopes is not None and policy.scope not in scopes:
        message = f"the token must cover {policy.scope}"
        raise ScopeNotGranted(message)
    # Who only reads as the same tenant under two names sees the same; a write must name one for the record.
    same_view = request.method in SAFE_METHODS and len({one.tenant_id for one in allowed}) == 1
    if len(allowed) > 1 and not any_role and not same_view:
        message = f"send Nerava-Acting-As with one of: {', '.join(one.name for one in allowed)}"
        raise RoleAmbiguous(message)
    return allowed[0]


def check_assurance(standing: Standing, policy: Policy, now: datetime) -> None:
    """Check that the session is as sure of its user as the route wants, and freshly so.

    Raises:
        StepUpRequired: It is not; the error names what has to be shown (403).
    """
    level = _level(policy)
    if level is None:
        return
    shown_at = standing.passkey_at if level == "passkey" else standing.strong_at
    fresh_for = STEP_UP_FRESH_FOR if policy.step_up else STRONG_FRESH_FOR
    if shown_at is None or now - shown_at > fresh_for:
        raise StepUpRequired(level)


def _level(policy: Policy) -> Literal["strong", "passkey"] | None:
    if policy.step_up is StepUp.PASSKEY:
        return "passkey"
    if policy.step_up is StepUp.STRONG or policy.assurance is Assurance.STRONG:
        return "strong"
    return None


def _bearer(request: Request) -> str:
    values = request.headers.getlist("authorization")
    if not values:
        raise NotSignedIn
    scheme, _, token = values[0].partition(" ")
    if len(values) > 1 or scheme.lower() != "bearer" or not token.strip():
        message = "send one Authorization header, with the scheme Bearer and an access token"
        raise NotSignedIn(message)
    return token.strip()


def principal_of(request: Request) -> Principal:
    """Return whoever the policy let through; for the busiest endpoints, `SignedIn` for all others."""
    found = request.state.principal
    if not isinstance(found, Principal):
        raise AssertionError("a route that wants a principal must not be public")
    return found


async def _principal(request: Request) -> Principal:
    return principal_of(request)


SignedIn = Annotated[Principal, Depends(_principal)]
"""Whoever the policy let through."""


def tenant_of(request: Request) -> UUID:
    """Return whom the caller acts for; for the busiest endpoints, `TenantId` for all others."""
    return _tenant_in(principal_of(request))


def _tenant_in(principal: Principal) -> UUID:
    if principal.acting.tenant_id is None:
        raise AssertionError("a route for tenants must not admit ops")
    return principal.acting.tenant_id


async def _tenant(principal: SignedIn) -> UUID:
    return _tenant_in(principal)


TenantId = Annotated[UUID, Depends(_tenant)]
"""The driver, sponsor, merchant or partner the caller acts for: the scope of every query."""
