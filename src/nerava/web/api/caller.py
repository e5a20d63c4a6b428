"""Who the caller is, and the keys that verify access tokens."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from pydantic import BaseModel, Field

from nerava.identity.guard import SignedIn
from nerava.identity.roles import Role
from nerava.platform.policy import ANY_ROLE, Policy, guarded
from nerava.web.api.wiring import Wired, router

public: Final = router("identity", prefix="")
routes: Final = router("identity")


class JwkOut(BaseModel):
    """A public signing key (RFC 8037)."""

    kty: str
    crv: str
    x: str
    kid: str
    alg: str
    use: str


class JwksOut(BaseModel):
    """The keys that sign, or a short while ago signed, access tokens."""

    keys: list[JwkOut]


class RoleOut(BaseModel):
    """A role of the caller."""

    role: Role
    tenant_id: UUID | None = Field(description="The driver, sponsor, merchant or partner it is held for")


class CallerOut(BaseModel):
    """The caller, as this service knows it."""

    subject: UUID
    roles: list[RoleOut]


@public.get("/.well-known/jwks.json", summary="Public keys of access tokens")
@guarded(Policy(public="public keys; others verify our tokens with them"))
def public_keys(wired: Wired) -> JwksOut:
    """Return the keys whose tokens are accepted now; a new one appears 15 minutes before its first use."""
    return JwksOut.model_validate(wired.keys.jwks())


@routes.get("/me", summary="Who am I")
@guarded(Policy(roles=ANY_ROLE, scope="profile:read"))
async def who_am_i(caller: SignedIn) -> CallerOut:
    """Return the caller's id and roles."""
    return CallerOut(
        subject=caller.subject,
        roles=[RoleOut(role=one.role, tenant_id=one.tenant_id) for one in caller.memberships],
    )
