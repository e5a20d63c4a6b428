"""Signing in by a code or a link that is sent to a phone or a mailbox."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

from fastapi import Cookie, Response
from pydantic import BaseModel, Field, StringConstraints

from nerava.identity.admission import MethodTooWeak
from nerava.identity.challenges import ChallengeOver, CodeWrong, WorkNeeded
from nerava.identity.contacts import Channel, ContactInvalid
from nerava.identity.errors import AccountSuspended, InvalidDeviceProof
from nerava.identity.links import Opening, PairCodeNeeded
from nerava.identity.messages import MethodOff
from nerava.identity.one_time import LIFE, Guess
from nerava.identity.outside_codes import CodeUnchecked
from nerava.identity.second_proof import SecondProofNeeded
from nerava.ledger.stops import SwitchedOff
from nerava.platform.limits import RateLimited
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.web.api.arrival import Asking
from nerava.web.api.fields import Body
from nerava.web.api.sign_ins import TokensOut
from nerava.web.api.wiring import Now, Wired, router

routes: Final = router("sign-ins")

BROWSER_COOKIE: Final = "__Host-nv_ml"
"""What the browser that asked for a link keeps; the link opens at once in no other."""

Code = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]
To = Annotated[
    str,
    Field(
        min_length=1,
        max_length=320,
        description="A phone number with `+` and its calling code, or an e-mail address",
        examples=["+12025550123", "ann@example.org"],
    ),
]


class CodeAskedIn(Body):
    """Where a code is to be sent."""

    channel: Channel
    to: To


class CodeAskedOut(BaseModel):
    """A challenge that a code answers. It says nothing about whether anybody is known there."""

    challenge_id: UUID
    client_token: str = Field(description="Your secret: keep it, and send it with the code")
    expires_at: datetime


class CodeIn(Body):
    """A code that somebody received."""

    code: Code
    client_token: Token = Field(description="As given when the code was asked for")
    work: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = Field(
        default=None, description="A proof of work, where `work-needed` asked for one"
    )


class LinkAskedIn(Body):
    """The mailbox that a link is to be sent to."""

    to: To


class LinkAskedOut(BaseModel):
    """A link is on its way. It says nothing about whether anybody is known there."""

    pair_code: str = Field(description="Show it, for whoever opens the link in another browser")
    expires_at: datetime


class LinkIn(Body):
    """What stands behind the `#` of a link."""

    token: Token
    pair_code: Code | None = Field(
        default=None, description="The code that the asking browser shows, in any other browser"
    )


_ASKED: Final = problems(ContactInvalid, MethodOff, SwitchedOff, RateLimited, InvalidDeviceProof)
_OPENED: Final = problems(
    CodeWrong, ChallengeOver, AccountSuspended, MethodTooWeak, SwitchedOff, RateLimited, InvalidDeviceProof
)


@routes.post(
    "/auth/codes",
    summary="Send me a code",
    status_code=HTTPStatus.ACCEPTED,
    response_model=CodeAskedOut,
    responses=_ASKED,
)
@guarded(Policy(public="this is how people sign in", repeats=Repeats.BY_MEANING))
def ask_for_code(body: CodeAskedIn, asker: Asking, wired: Wired, now: Now) -> Response:
    """Send six digits, good for 10 minutes and 5 guesses, and void the code sent there before."""
    asked = wired.codes.start(body.channel, body.to, asker, now)
    answer = CodeAskedOut(
        challenge_id=asked.challenge_id, client_token=asked.client_token, expires_at=asked.expires_at
    )
    return _accepted(answer)


@routes.post(
    "/auth/codes/{challenge_id}/verify",
    summary="Sign in with a code",
    responses=_OPENED | problems(WorkNeeded, CodeUnchecked, SecondProofNeeded),
)
@guarded(Policy(public="this is how people sign in", repeats=Repeats.BY_MEANING))
def verify_code(challenge_id: UUID, body: CodeIn, asker: Asking, wired: Wired, now: Now) -> TokensOut:
    """Sign in, and make a driver's account where there is none. A code works once."""
    guess = Guess(challenge_id, body.code, body.client_token, body.work)
    return TokensOut.of(wired.codes.verify(guess, asker, now))


@routes.post(
    "/auth/links",
    summary="Send me a link",
    status_code=HTTPStatus.ACCEPTED,
    response_model=LinkAskedOut,
    responses=_ASKED,
)
@guarded(Policy(public="this is how people sign in", repeats=Repeats.BY_MEANING))
def ask_for_link(body: LinkAskedIn, asker: Asking, wired: Wired, now: Now) -> Response:
    """Send a link, good for 10 minutes and one use, and void the one sent there before.

    The cookie of the answer makes this browser the one in which the link opens at once.
    """
    asked = wired.links.start(body.to, asker, now)
    answer = _accepted(LinkAskedOut(pair_code=asked.pair_code, expires_at=asked.expires_at))
    keep_browser_token(answer, asked.browser_token)
    return answer


@routes.post(
    "/auth/links/consume",
    summary="Sign in with a link",
    response_model=TokensOut,
    responses=_OPENED | problems(AccountSuspended, MethodTooWeak, PairCodeNeeded),
)
@guarded(Policy(public="this is how people sign in", repeats=Repeats.BY_MEANING))
def consume_link(
    body: LinkIn,
    asker: Asking,
    wired: Wired,
    now: Now,
    browser_token: Annotated[str | None, Cookie(alias=BROWSER_COOKIE, max_length=100)] = None,
) -> Response:
    """Sign in, and make a driver's account where there is none. Looking at a link uses nothing up."""
    opened = wired.links.consume(Opening(body.token, browser_token, body.pair_code), asker, now)
    answer = Response(TokensOut.of(opened).model_dump_json(), media_type="application/json")
    answer.delete_cookie(BROWSER_COOKIE, secure=True, httponly=True, samesite="strict")
    return answer


def keep_browser_token(answer: Response, token: str) -> None:
    """Let the browser that asked for a link keep by what it is known, out of scripts' reach."""
    life_s = int(LIFE.total_seconds())
    answer.set_cookie(BROWSER_COOKIE, token, max_age=life_s, secure=True, httponly=True, samesite="strict")


def _accepted(body: BaseModel) -> Response:
    return Response(body.model_dump_json(), status_code=HTTPStatus.ACCEPTED, media_type="application/json")
