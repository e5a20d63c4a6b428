"""A driver's tokens for charging networks: what is shown at a charge point, and which session is whose."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from nerava.identity.guard import TenantId
from nerava.integrations.ocpi.guard import RoamingOff
from nerava.platform.idempotency import Answer
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.roaming import tokens
from nerava.roaming.tokens import TooManyTokens, UnknownToken
from nerava.web.api.keyed import Keyed, run_once
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from starlette.responses import Response

routes: Final = router("charging tokens")


class ChargingTokenOut(BaseModel):
    """A token. Networks name its `uid` in every session that it started."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    uid: str
    kind: str = Field(description="APP_USER or RFID")
    contract_id: str
    is_valid: bool
    made_at: datetime


class ChargingTokensOut(BaseModel):
    """My tokens, the newest first."""

    tokens: list[ChargingTokenOut]


@routes.get("/me/charging-tokens", summary="My tokens for charging networks")
@guarded(Policy(roles=("driver",), scope="profile:read"))
def my_tokens(driver_id: TenantId, wired: Wired) -> ChargingTokensOut:
    """Return my tokens, ended ones included."""

    def look(session: Session) -> ChargingTokensOut:
        found = tokens.tokens_of(session, driver_id)
        return ChargingTokensOut(tokens=[ChargingTokenOut.model_validate(one) for one in found])

    return wired.database.read(look)


@routes.post(
    "/me/charging-tokens",
    summary="Get a token for charging networks",
    status_code=HTTPStatus.CREATED,
    response_model=ChargingTokenOut,
    responses=problems(TooManyTokens, RoamingOff),
)
@guarded(Policy(roles=("driver",), scope="profile:write", repeats=Repeats.KEY_ACCEPTED))
def new_token(driver_id: TenantId, request: Keyed, wired: Wired, now: Now) -> Response:
    """Get a token; every connected network learns of it within a minute. Ten valid ones at most."""
    if wired.roaming is None:
        raise RoamingOff

    def work(session: Session) -> Answer:
        made = tokens.issue(session, driver_id, now)
        return Answer.of(ChargingTokenOut.model_validate(made), HTTPStatus.CREATED)

    return run_once(wired, request, work, now=now)


@routes.delete(
    "/me/charging-tokens/{token_id}",
    summary="End one of my tokens",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(UnknownToken),
)
@guarded(Policy(roles=("driver",), scope="profile:write", repeats=Repeats.BY_MEANING))
def end_token(token_id: UUID, driver_id: TenantId, wired: Wired, now: Now) -> None:
    """End a token: it is refused at once where networks ask us, and soon where they remember."""
    wired.database.run(lambda session: tokens.block(session, driver_id, token_id, now), repeatable=True)
