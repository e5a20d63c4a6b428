"""Staying signed in and signing out: refresh tokens, and the list of where one is signed in."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from nerava.audit import ActorKind
from nerava.identity.errors import (
    AccountSuspended,
    InvalidDeviceProof,
    InvalidRefreshToken,
    RefreshInProgress,
)
from nerava.identity.guard import Principal, SignedIn
from nerava.identity.session_store import Ended
from nerava.identity.sessions import EndedBy, Opened
from nerava.platform.limits import RateLimited
from nerava.platform.policy import ANY_ROLE, Policy, Repeats, guarded
from nerava.platform.problem import NotFound, problems
from nerava.web.api.arrival import Arrival
from nerava.web.api.wiring import Now, Wired, router

routes: Final = router("sign-ins")

_OWN: Final = Policy(roles=ANY_ROLE, scope="profile:write", repeats=Repeats.BY_MEANING)


class RefreshIn(BaseModel):
    """A refresh token to exchange."""

    model_config = ConfigDict(extra="forbid")

    refresh_token: str = Field(min_length=1, max_length=100, description="The newest one of the session")


class TokensOut(BaseModel):
    """The tokens of a session; each refresh token is good for one exchange."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the name of a scheme
    expires_in: int = Field(description="Seconds that the access token lives")
    refresh_token: str
    session_id: UUID

    @classmethod
    def of(cls, opened: Opened) -> TokensOut:
        """Return the wire form of what a sign-in gives."""
        return cls(
            access_token=opened.access_token,
            expires_in=opened.expires_in,
            refresh_token=opened.refresh_token,
            session_id=opened.session_id,
        )


class SignInOut(BaseModel):
    """One place where the caller is signed in."""

    id: UUID
    kind: str = Field(description="`app`, `command`, or `web:` and for whom")
    client: str = Field(description="`ios`, `android`, `web`, `command` or `unknown`")
    methods: list[str] = Field(description="How the caller signed in")
    device_bound: bool = Field(description="Whether its refresh tokens are worth nothing to other devices")
    opened_at: datetime
    used_at: datetime
    expires_at: datetime
    current: bool = Field(description="Whether this request belongs to it")


class SignInsOut(BaseModel):
    """Where the caller is signed in, the place used last first."""

    sessions: list[SignInOut]


class SignedOutOut(BaseModel):
    """How many sessions were ended."""

    ended: int


@routes.post(
    "/auth/refresh",
    summary="Exchange a refresh token",
    responses=problems(
        InvalidRefreshToken, InvalidDeviceProof, AccountSuspended, RefreshInProgress, RateLimited
    ),
)
@guarded(Policy(public="the refresh token is what lets one in here", repeats=Repeats.BY_MEANING))
def refresh(body: RefreshIn, arrival: Arrival, wired: Wired, now: Now) -> TokensOut:
    """Use a refresh token up and return the next one with a new access token.

    A refresh token that comes again ends its session. Within ten seconds a device that proves its
    key gets the same tokens again instead; without a key it is told to wait for the first answer.
    """
    key = arrival.device_key(body.refresh_token)
    opened = wired.refreshing.refresh(body.refresh_token, device_key=key, place=arrival.place, now=now)
    return TokensOut.of(opened)


@routes.post("/auth/logout", summary="Sign out here", status_code=HTTPStatus.NO_CONTENT)
@guarded(_OWN)
def sign_out(caller: SignedIn, wired: Wired, now: Now) -> None:
    """End the session of this request: refused at once for writes, within a second for reads."""
    mine = caller.session_id
    if mine is not None:
        by = _by(caller)
        wired.database.run(
            lambda session: wired.sessions.end(session, mine, now, because=Ended.SIGNED_OUT, by=by),
            repeatable=True,
            essential=True,
        )


@routes.post("/auth/logout-all", summary="Sign out everywhere")
@guarded(_OWN)
def sign_out_everywhere(caller: SignedIn, wired: Wired, now: Now) -> SignedOutOut:
    """End every session of the caller, this one included."""
    why, by = Ended.SIGNED_OUT_EVERYWHERE, _by(caller)
    ended = wired.database.run(
        lambda session: wired.sessions.end_all(session, caller.subject, now, because=why, by=by),
        essential=True,
    )
    return SignedOutOut(ended=ended)


@routes.get("/me/sessions", summary="Where am I signed in")
@guarded(Policy(roles=ANY_ROLE, scope="profile:read"))
def sign_ins(caller: SignedIn, wired: Wired, now: Now) -> SignInsOut:
    """Return the open sessions of the caller."""
    found = wired.database.read(
        lambda session: [
            SignInOut(
                id=one.id,
                kind=one.kind,
                client=one.client,
                methods=one.methods.split(),
                device_bound=one.device_key is not None,
                opened_at=one.opened_at,
                used_at=one.used_at,
                expires_at=one.expires_at,
                current=one.id == caller.session_id,
            )
            for one in wired.sessions.list(session, caller.subject, now)
        ]
    )
    return SignInsOut(sessions=found)


@routes.delete(
    "/me/sessions/{sign_in_id}",
    summary="Sign out elsewhere",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(NotFound),
)
@guarded(_OWN)
def end_sign_in(sign_in_id: UUID, caller: SignedIn, wired: Wired, now: Now) -> None:
    """End one session of the caller. One that has ended already is not found."""
    by = _by(caller)

    def unit(session: Session) -> bool:
        own = {one.id for one in wired.sessions.list(session, caller.subject, now)}
        return sign_in_id in own and wired.sessions.end(
            session, sign_in_id, now, because=Ended.SIGNED_OUT, by=by
        )

    if not wired.database.run(unit, essential=True):
        raise NotFound


def _by(caller: Principal) -> EndedBy:
    return EndedBy(ActorKind.USER, str(caller.subject), caller.acting.role.value, caller.session_id)
