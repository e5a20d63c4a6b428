"""Signing in by a passkey, by the word of Google or Apple, and by the demo's link for ops."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, Field, StringConstraints

from nerava.identity.admission import MethodTooWeak
from nerava.identity.errors import AccountSuspended, InvalidDeviceProof
from nerava.identity.factors import FactorExists, FactorWrong, TooManyFactors
from nerava.identity.issuer_keys import IssuerUnreachable
from nerava.identity.messages import MethodOff
from nerava.identity.oidc import Answer, InvalidIdToken, Provider
from nerava.identity.ops_links import OpsLinkOver
from nerava.identity.passkeys import PasskeyRefused
from nerava.ledger.stops import SwitchedOff
from nerava.platform.limits import RateLimited
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.web.api.arrival import Asking
from nerava.web.api.factors import AddedOut, CeremonyOut, LabelIn, PasskeyMadeIn, PasskeyShownIn, created
from nerava.web.api.fields import Body
from nerava.web.api.sign_ins import TokensOut
from nerava.web.api.signing_in import Token
from nerava.web.api.wiring import Now, Wired, router

routes: Final = router("sign-ins")

_PUBLIC: Final = Policy(public="this is how people sign in", repeats=Repeats.BY_MEANING)


class NonceAskedIn(Body):
    """By whose word somebody wants to sign in."""

    provider: Provider


class NonceOut(BaseModel):
    """A nonce, good for one sign-in within 10 minutes."""

    state_id: UUID
    client_token: str = Field(description="Your secret: keep it, and send it with the ID token")
    nonce: str = Field(description="Ask the provider for an ID token with exactly this `nonce`")
    expires_at: datetime


class IdTokenIn(Body):
    """An ID token that answers a nonce."""

    state_id: UUID
    client_token: Token
    id_token: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,8192}$")]


class OpsLinkIn(Body):
    """What stands behind the `#` of the demo's link."""

    token: Token


class InvitedIn(LabelIn):
    """What stands behind the `#` of a link to ops, and how the new passkey is called."""

    token: Token


class InvitedPasskeyIn(PasskeyMadeIn):
    """The passkey that uses the link up."""

    token: Token


@routes.post(
    "/auth/passkeys/options", summary="Begin to sign in with a passkey", responses=problems(MethodOff)
)
@guarded(_PUBLIC)
def begin_sign_in(wired: Wired, now: Now) -> CeremonyOut:
    """Return a challenge for `navigator.credentials.get`; it names nobody."""
    return CeremonyOut.of(wired.proving.passkeys.begin_sign_in(now))


@routes.post(
    "/auth/passkeys/verify",
    summary="Sign in with a passkey",
    responses=problems(PasskeyRefused, InvalidDeviceProof, AccountSuspended, RateLimited, MethodOff),
)
@guarded(_PUBLIC)
def sign_in_with_passkey(body: PasskeyShownIn, asker: Asking, wired: Wired, now: Now) -> TokensOut:
    """Open a session that is `strong` at once. A challenge works once; people of ops come in no other way."""
    shown = body.credential.answer()
    return TokensOut.of(wired.proving.passkeys.sign_in(body.ceremony_id, shown, asker, now))


@routes.post(
    "/auth/id-tokens/nonces", summary="Begin to sign in by another's word", responses=problems(MethodOff)
)
@guarded(_PUBLIC)
def ask_for_nonce(body: NonceAskedIn, wired: Wired, now: Now) -> NonceOut:
    """Return a nonce for an ID token of Google or Apple."""
    begun = wired.proving.id_tokens.begin(body.provider, now)
    return NonceOut(
        state_id=begun.state_id,
        client_token=begun.client_token,
        nonce=begun.nonce,
        expires_at=begun.expires_at,
    )


@routes.post(
    "/auth/id-tokens",
    summary="Sign in by an ID token",
    responses=problems(
        InvalidIdToken,
        InvalidDeviceProof,
        AccountSuspended,
        MethodTooWeak,
        RateLimited,
        MethodOff,
        IssuerUnreachable,
        SwitchedOff,
    ),
)
@guarded(_PUBLIC)
def sign_in_by_id_token(body: IdTokenIn, asker: Asking, wired: Wired, now: Now) -> TokensOut:
    """Sign in as whom issuer and subject name, and make an account where they name nobody.

    An e-mail address in the token makes nobody the owner of an account.
    """
    answer = Answer(body.state_id, body.client_token, body.id_token)
    return TokensOut.of(wired.proving.id_tokens.enter(answer, asker, now))


@routes.post(
    "/auth/ops-links/consume",
    summary="Sign in as ops in the demo",
    responses=problems(OpsLinkOver, InvalidDeviceProof, AccountSuspended, MethodOff),
)
@guarded(
    Policy(
        public="the link that `nerava demo` printed lets one in; off under production rules",
        repeats=Repeats.BY_MEANING,
    )
)
def consume_ops_link(body: OpsLinkIn, asker: Asking, wired: Wired, now: Now) -> TokensOut:
    """Open a session of ops with a link that works once; it counts as a passkey that was just shown."""
    return TokensOut.of(wired.proving.ops_links.open(body.token, asker, now))


_INVITED: Final = Policy(
    public="the link that `nerava ops invite` printed adds one passkey", repeats=Repeats.BY_MEANING
)


@routes.post(
    "/auth/ops-invites/options",
    summary="Begin to add the passkey of an invitation to ops",
    responses=problems(OpsLinkOver, TooManyFactors, MethodOff),
)
@guarded(_INVITED)
def begin_invited(body: InvitedIn, asker: Asking, wired: Wired, now: Now) -> CeremonyOut:
    """Return a challenge for `navigator.credentials.create`; the link is not used up."""
    holder = wired.proving.invites.holder(body.token, asker, now)
    return CeremonyOut.of(wired.proving.passkeys.begin_adding(holder, body.label, now))


@routes.post(
    "/auth/ops-invites/accept",
    summary="Add the passkey of an invitation to ops",
    status_code=HTTPStatus.CREATED,
    response_model=AddedOut,
    responses=problems(OpsLinkOver, FactorWrong, FactorExists, TooManyFactors, MethodOff),
)
@guarded(_INVITED)
def accept_invited(body: InvitedPasskeyIn, asker: Asking, wired: Wired, now: Now) -> Response:
    """Keep the passkey and use the link up, both or neither. Nobody is signed in: the passkey does that."""
    holder = wired.proving.invites.holder(body.token, asker, now)
    made = body.credential.answer()
    added = wired.proving.passkeys.add(holder, body.ceremony_id, made, label=body.label, now=now)
    return created(AddedOut(factor_id=added))
