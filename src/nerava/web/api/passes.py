"""A driver's passes for the wallets of phones: a copy of what they have, which pays nothing."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from nerava.drivers import pass_changes
from nerava.drivers.errors import UnknownDriver
from nerava.drivers.pass_store import PassKind
from nerava.identity.guard import TenantId
from nerava.integrations.apple_wallet.files import MEDIA_TYPE
from nerava.passes.errors import PassesOff
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.web.api.wiring import Now, Wired, router

routes: Final = router("wallet passes")

_READS: Final = Policy(roles=("driver",), scope="wallet:read")
_MAKES: Final = Policy(roles=("driver",), scope="wallet:read", repeats=Repeats.BY_MEANING)
_ENDS: Final = Policy(roles=("driver",), scope="profile:write", repeats=Repeats.BY_MEANING)

Kind = Literal["apple", "google"]


class PassOut(BaseModel):
    """One of my passes."""

    model_config = ConfigDict(from_attributes=True)

    kind: Kind
    serial: str = Field(description="What its QR code says, too; no register takes it for a code")
    made_at: datetime
    told_at: datetime | None = Field(description="When phones were last told that it changed")
    phones: int | None = Field(description="How many phones have it; null for google, who does not say")


class PassesOut(BaseModel):
    """My passes, and which ones there are."""

    offered: list[Kind]
    passes: list[PassOut]


class SaveLinkOut(BaseModel):
    """Where a pass is saved."""

    save_url: str = Field(description="For a button in the app, or on a page of ours")


@routes.get("/me/passes", summary="My passes")
@guarded(_READS)
def my_passes(driver_id: TenantId, wired: Wired) -> PassesOut:
    """Return the passes that are good, and which kinds there are here."""
    found = wired.database.read(lambda session: wired.passes.of_driver(session, driver_id))
    return PassesOut(
        offered=[kind.value for kind in wired.passes.offered],
        passes=[PassOut.model_validate(one) for one in found],
    )


@routes.post(
    "/me/passes/apple",
    summary="Get my pass for Apple Wallet",
    response_class=Response,
    responses={
        **problems(PassesOff, UnknownDriver),
        200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
    },
)
@guarded(_MAKES)
def apple_pass(driver_id: TenantId, wired: Wired, now: Now) -> Response:
    """Get the file that a phone adds to its wallet. It is one pass, however often it is asked for."""
    headers = {"content-disposition": 'attachment; filename="nerava.pkpass"', "cache-control": "no-store"}
    return Response(wired.passes.apple_pass(driver_id, now), media_type=MEDIA_TYPE, headers=headers)


@routes.post(
    "/me/passes/google",
    summary="Get my pass for Google Wallet",
    responses=problems(PassesOff, UnknownDriver),
)
@guarded(_MAKES)
def google_pass(driver_id: TenantId, wired: Wired, now: Now) -> SaveLinkOut:
    """Get the link that saves it. It is one pass, however often it is asked for."""
    return SaveLinkOut(save_url=wired.passes.google_link(driver_id, now))


@routes.delete("/me/passes/apple", summary="End my pass for Apple Wallet", status_code=HTTPStatus.NO_CONTENT)
@guarded(_ENDS)
def end_apple(driver_id: TenantId, wired: Wired, now: Now) -> None:
    """End the pass: phones that have it show that it is over. Whoever asks for one then gets another."""
    _end(driver_id, PassKind.APPLE, wired, now)


@routes.delete(
    "/me/passes/google", summary="End my pass for Google Wallet", status_code=HTTPStatus.NO_CONTENT
)
@guarded(_ENDS)
def end_google(driver_id: TenantId, wired: Wired, now: Now) -> None:
    """End the pass: the wallet shows that it is over. Whoever asks for one then gets another."""
    _end(driver_id, PassKind.GOOGLE, wired, now)


def _end(driver_id: TenantId, kind: PassKind, wired: Wired, now: Now) -> None:
    wired.database.run(
        lambda session: pass_changes.void(session, [driver_id], now, kind=kind.value), repeatable=True
    )
