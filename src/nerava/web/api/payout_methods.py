"""Where the signed-in driver or merchant is paid: the provider learns who they are, we do not."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Final
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from nerava.identity.guard import SignedIn, TenantId
from nerava.identity.roles import Role
from nerava.ledger.stops import SwitchedOff
from nerava.payouts.errors import (
    MethodInUse,
    MethodNotReady,
    PayoutsOff,
    ProviderUnsure,
    UnknownPayoutMethod,
)
from nerava.payouts.methods import methods_of, remove
from nerava.payouts.states import MethodState, OwnerKind
from nerava.platform.policy import Policy, Repeats, StepUp, guarded
from nerava.platform.problem import problems
from nerava.web.api.audited import Acting
from nerava.web.api.wiring import Now, Wired, router

routes: Final = router("payouts")

PAID: Final = ("driver", "merchant:owner")
_READS: Final = Policy(roles=PAID, scope="payouts:read")
_CHANGES: Final = Policy(roles=PAID, scope="payouts:write", repeats=Repeats.BY_MEANING, step_up=StepUp.STRONG)
RETURN_PATH: Final = "/payout-methods/return"
"""The page of ours to which the provider sends people back."""


class PayoutMethodOut(BaseModel):
    """Where somebody is paid."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    provider: str
    state: MethodState
    last4: str | None = Field(description="The last four digits of the account at the bank")
    created_at: datetime
    ready_at: datetime | None = Field(description="When it could first be used")


class PayoutMethodsOut(BaseModel):
    """All payout methods that were not removed, the oldest first."""

    methods: list[PayoutMethodOut]


class OnboardingOut(BaseModel):
    """A method, and the provider's page where its owner says who they are."""

    method: PayoutMethodOut
    url: str = Field(description="Good for a few minutes; ask again for a new one")


def owner_of(caller: SignedIn) -> OwnerKind:
    """Return as what the caller is paid."""
    return OwnerKind.DRIVER if caller.acting.role is Role.DRIVER else OwnerKind.MERCHANT


@routes.post(
    "/payout-methods",
    summary="Say where I am paid",
    status_code=HTTPStatus.CREATED,
    response_model=OnboardingOut,
    responses=problems(MethodNotReady, PayoutsOff, ProviderUnsure, SwitchedOff),
)
@guarded(_CHANGES)
def open_method(owner_id: TenantId, caller: SignedIn, actor: Acting, wired: Wired, now: Now) -> Response:
    """Begin with a payout method, or go on with the one that is unfinished or blocked. Repeats safely."""
    link = wired.payouts.methods.open(owner_of(caller), owner_id, return_url=f"{wired.address}{RETURN_PATH}")
    told = actor.entry("payout_method.linked", "payout_method", link.method.id)
    wired.database.run(lambda session: wired.audit.record(session, told, now))
    shown = OnboardingOut(method=PayoutMethodOut.model_validate(link.method), url=link.url)
    return Response(shown.model_dump_json(), HTTPStatus.CREATED, media_type="application/json")


@routes.get("/payout-methods", summary="Where I am paid")
@guarded(_READS)
def my_methods(owner_id: TenantId, caller: SignedIn, wired: Wired) -> PayoutMethodsOut:
    """Return the caller's payout methods."""

    def look(session: Session) -> PayoutMethodsOut:
        found = methods_of(session, owner_of(caller), owner_id)
        return PayoutMethodsOut(methods=[PayoutMethodOut.model_validate(one) for one in found])

    return wired.database.read(look)


@routes.delete(
    "/payout-methods/{method_id}",
    summary="Pay nothing there any more",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(UnknownPayoutMethod, MethodInUse, SwitchedOff),
)
@guarded(_CHANGES)
def remove_method(
    method_id: UUID, owner_id: TenantId, caller: SignedIn, actor: Acting, *, wired: Wired, now: Now
) -> Response:
    """Remove a payout method; not while a payout to it is under way."""

    def work(session: Session) -> None:
        remove(session, owner_of(caller), owner_id, method_id, now)
        wired.audit.record(session, actor.entry("payout_method.removed", "payout_method", method_id), now)

    wired.database.run(work)
    return Response(status_code=HTTPStatus.NO_CONTENT)
