"""What the caller can be asked to show: authenticator apps and passkeys, added, shown again and removed."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import Depends, Response
from pydantic import BaseModel, Field, StringConstraints

from nerava.identity.errors import StepUpRequired
from nerava.identity.factors import (
    Factor,
    FactorExists,
    FactorMissing,
    FactorWrong,
    Holder,
    LastPasskey,
    SignInStale,
    TooManyFactors,
)
from nerava.identity.guard import STEP_UP_FRESH_FOR, SignedIn
from nerava.identity.messages import MethodOff
from nerava.identity.passkeys import Ceremony
from nerava.platform.limits import RateLimited
from nerava.platform.policy import ANY_ROLE, Policy, Repeats, StepUp, guarded
from nerava.platform.problem import NotFound, problems
from nerava.web.api.arrival import Asking
from nerava.web.api.fields import Body, Name
from nerava.web.api.passkey_json import MadePasskey, ShownPasskey
from nerava.web.api.wiring import Now, Wired, router

routes: Final = router("factors")

_OWN: Final = Policy(roles=ANY_ROLE, scope="profile:write", repeats=Repeats.BY_MEANING)
_REMOVE: Final = Policy(
    roles=ANY_ROLE, scope="profile:write", repeats=Repeats.BY_MEANING, step_up=StepUp.STRONG
)

AppCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
Label = Annotated[Name, Field(max_length=60, description="How the user calls it, such as `my phone`")]


class FactorOut(BaseModel):
    """Something that the caller can be asked to show."""

    id: UUID
    kind: Literal["totp", "passkey"]
    label: str
    added_at: datetime
    last_used_at: datetime | None
    backed_up: bool = Field(description="Whether a provider keeps a copy for the user's other devices")

    @classmethod
    def of(cls, factor: Factor) -> FactorOut:
        """Return the wire form."""
        return cls(
            id=factor.id,
            kind=factor.kind,
            label=factor.label,
            added_at=factor.added_at,
            last_used_at=factor.last_used_at,
            backed_up=factor.is_backed_up,
        )


class FactorsOut(BaseModel):
    """What the caller can be asked to show."""

    factors: list[FactorOut]


class LabelIn(Body):
    """How a new factor is called."""

    label: Label


class AppOut(BaseModel):
    """An authenticator app that waits for its first code; shown this once."""

    factor_id: UUID
    secret: str = Field(description="The seed in base32, for typing")
    uri: str = Field(description="The same for a QR code")
    expires_at: datetime


class AppCodeIn(Body):
    """What an authenticator app shows."""

    code: AppCode


class AddedOut(BaseModel):
    """A factor that counts from now on; every other session has ended."""

    factor_id: UUID


class CeremonyOut(BaseModel):
    """A challenge for a passkey, good for one answer within five minutes."""

    ceremony_id: UUID
    public_key: dict[str, Any] = Field(description="`publicKey` of `navigator.credentials`, as JSON")
    expires_at: datetime

    @classmethod
    def of(cls, ceremony: Ceremony) -> CeremonyOut:
        """Return the wire form."""
        return cls(ceremony_id=ceremony.id, public_key=ceremony.options, expires_at=ceremony.expires_at)


class PasskeyMadeIn(Body):
    """A new passkey that answers a challenge."""

    ceremony_id: UUID
    label: Label
    credential: MadePasskey


class PasskeyShownIn(Body):
    """A passkey's answer to a challenge."""

    ceremony_id: UUID
    credential: ShownPasskey


class SteppedUpOut(BaseModel):
    """The session is sure of its user."""

    level: Literal["strong", "passkey"]
    fresh_until: datetime = Field(description="Until when routes that ask for a fresh proof let it through")


async def _holder(caller: SignedIn, asker: Asking) -> Holder:
    if caller.session_id is None:
        # An API key is nobody who could show something.
        level: Literal["strong"] = "strong"
        raise StepUpRequired(level)
    return Holder(caller.subject, caller.session_id, caller.acting.role.value, asker)


Holding = Annotated[Holder, Depends(_holder)]
"""The caller, whose factors they are."""

_ADDING: Final = problems(StepUpRequired, SignInStale, FactorExists, TooManyFactors, RateLimited)


@routes.get("/me/factors", summary="What can I be asked to show")
@guarded(Policy(roles=ANY_ROLE, scope="profile:read"))
def factors(caller: SignedIn, wired: Wired) -> FactorsOut:
    """Return the caller's authenticator app and passkeys."""
    found = wired.database.read(lambda session: wired.proving.factors.of(session, caller.subject))
    return FactorsOut(factors=[FactorOut.of(one) for one in found])


@routes.delete(
    "/me/factors/{factor_id}",
    summary="Remove a factor",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(NotFound, LastPasskey),
)
@guarded(_REMOVE)
def remove_factor(factor_id: UUID, holder: Holding, wired: Wired, now: Now) -> None:
    """Remove an authenticator app or a passkey; every other session ends, and every contact is told."""
    wired.proving.factors.remove(holder, factor_id, now)


@routes.post(
    "/me/factors/totp",
    summary="Set up an authenticator app",
    status_code=HTTPStatus.CREATED,
    response_model=AppOut,
    responses=_ADDING,
)
@guarded(_OWN)
def set_up_app(body: LabelIn, holder: Holding, wired: Wired, now: Now) -> Response:
    """Return a seed; it counts when its first code was shown, within 10 minutes and on this session.

    Whoever has a factor shows it first; whoever has none must have signed in within 5 minutes.
    """
    setup = wired.proving.authenticators.begin(holder, body.label, now)
    return created(
        AppOut(factor_id=setup.factor_id, secret=setup.secret, uri=setup.uri, expires_at=setup.expires_at)
    )


@routes.post(
    "/me/factors/totp/{factor_id}/confirm",
    summary="Confirm an authenticator app",
    responses=_ADDING | problems(StepUpRequired, SignInStale, FactorWrong, NotFound),
)
@guarded(_OWN)
def confirm_app(factor_id: UUID, body: AppCodeIn, holder: Holding, wired: Wired, now: Now) -> AddedOut:
    """Show the app's first code; every other session ends, and every contact is told."""
    wired.proving.authenticators.confirm(holder, factor_id, body.code, now)
    return AddedOut(factor_id=factor_id)


@routes.post(
    "/me/factors/passkeys/options",
    summary="Begin to add a passkey",
    responses=_ADDING | problems(MethodOff),
)
@guarded(_OWN)
def begin_passkey(body: LabelIn, holder: Holding, wired: Wired, now: Now) -> CeremonyOut:
    """Return a challenge for `navigator.credentials.create`.

    Whoever has a factor shows it first; whoever has none must have signed in within 5 minutes.
    """
    return CeremonyOut.of(wired.proving.passkeys.begin_adding(holder, body.label, now))


@routes.post(
    "/me/factors/passkeys",
    summary="Add a passkey",
    status_code=HTTPStatus.CREATED,
    response_model=AddedOut,
    responses=_ADDING | problems(StepUpRequired, SignInStale, FactorWrong, MethodOff),
)
@guarded(_OWN)
def add_passkey(body: PasskeyMadeIn, holder: Holding, wired: Wired, now: Now) -> Response:
    """Keep a new passkey; every other session ends, and every contact is told. A challenge works once."""
    credential = body.credential.answer()
    added = wired.proving.passkeys.add(holder, body.ceremony_id, credential, label=body.label, now=now)
    return created(AddedOut(factor_id=added))


@routes.post(
    "/auth/step-up/totp",
    summary="Show an authenticator code",
    responses=problems(FactorWrong, FactorMissing, RateLimited),
)
@guarded(_OWN)
def step_up_by_app(body: AppCodeIn, holder: Holding, wired: Wired, now: Now) -> SteppedUpOut:
    """Make this session `strong`. A code works once, wherever it is used, and voids those before it."""
    wired.proving.authenticators.step_up(holder, body.code, now)
    return SteppedUpOut(level="strong", fresh_until=now + STEP_UP_FRESH_FOR)


@routes.post(
    "/auth/step-up/passkey/options",
    summary="Begin to show a passkey",
    responses=problems(FactorMissing, MethodOff),
)
@guarded(_OWN)
def begin_step_up(holder: Holding, wired: Wired, now: Now) -> CeremonyOut:
    """Return a challenge for the caller's own passkeys, for `navigator.credentials.get`."""
    return CeremonyOut.of(wired.proving.passkeys.begin_step_up(holder, now))


@routes.post(
    "/auth/step-up/passkey",
    summary="Show a passkey",
    responses=problems(FactorWrong, MethodOff, RateLimited),
)
@guarded(_OWN)
def step_up_by_passkey(body: PasskeyShownIn, holder: Holding, wired: Wired, now: Now) -> SteppedUpOut:
    """Make this session `strong`, by a passkey. A challenge works once."""
    wired.proving.passkeys.step_up(holder, body.ceremony_id, body.credential.answer(), now)
    return SteppedUpOut(level="passkey", fresh_until=now + STEP_UP_FRESH_FOR)


def created(body: BaseModel) -> Response:
    """Return the answer of a route that made something (201)."""
    return Response(body.model_dump_json(), status_code=HTTPStatus.CREATED, media_type="application/json")
