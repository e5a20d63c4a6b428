"""How a seller lets our application in, and how that ends."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nerava.simulators.square.core import instant_text
from nerava.simulators.square.problems import SquareProblem, bad

if TYPE_CHECKING:
    from nerava.simulators.square.core import Asked, SquareCore
    from nerava.simulators.wire import Json

LIFE: Final = timedelta(days=30)
SHORT_LIFE: Final = timedelta(hours=24)
CODE_LIFE_S: Final = 300


def new_code(square: SquareCore, merchant: str) -> str:
    """Return the code that the consent page hands over; good once, for five minutes."""
    code = f"sq0cgb-{square.new_id()}"
    square.state.codes[code] = {"merchant": merchant, "expires_s": square.timeline.now_s() + CODE_LIFE_S}
    return code


def new_token(square: SquareCore, merchant: str, *, short: bool = False, refresh: str | None = None) -> Json:
    """Return a token of a seller as the token call does."""
    expires_at = square.timeline.now() + (SHORT_LIFE if short else LIFE)
    token = f"EAAAl{square.new_id(59)}"
    refresh = refresh or f"EQAAl{square.new_id(59)}"
    square.state.tokens[token] = {"merchant": merchant, "expires_s": int(expires_at.timestamp())}
    square.state.refresh[refresh] = merchant
    return {
        "access_token": token,
        "token_type": "bearer",
        "expires_at": instant_text(expires_at),
        "merchant_id": merchant,
        "refresh_token": refresh,
        "short_lived": short,
    }


def obtain(square: SquareCore, asked: Asked) -> Json:
    """Answer `POST /oauth2/token`."""
    if asked.need("client_id") != square.state.application:
        raise SquareProblem(401, "AUTHENTICATION_ERROR", "UNAUTHORIZED", "Not authorized: unknown client.")
    if asked.need("client_secret") != square.state.secret:
        raise SquareProblem(401, "AUTHENTICATION_ERROR", "UNAUTHORIZED", "Not authorized: wrong secret.")
    short = bool(asked.body.get("short_lived", False))
    match asked.need("grant_type"):
        case "authorization_code":
            code = square.state.codes.pop(asked.need("code"), None)
            if code is None or code["expires_s"] < square.timeline.now_s():
                raise bad("The code is unknown, used or too old.", "code")
            return new_token(square, code["merchant"], short=short)
        case "refresh_token":
            given = asked.need("refresh_token")
            merchant = square.state.refresh.get(given)
            if merchant is None:
                raise SquareProblem(
                    401, "AUTHENTICATION_ERROR", "UNAUTHORIZED", "The refresh token is not valid."
                )
            return new_token(square, merchant, short=short, refresh=given)
        case _:
            raise bad("Must be authorization_code or refresh_token", "grant_type")


def revoke_by_call(square: SquareCore, asked: Asked) -> Json:
    """Answer `POST /oauth2/revoke`."""
    merchant = asked.body.get("merchant_id")
    if merchant is None:
        token = square.state.tokens.get(asked.need("access_token"))
        merchant = token and token["merchant"]
    if merchant not in square.state.sellers:
        raise bad("Nothing was authorized for this.", "access_token")
    revoke(square, str(merchant), "APPLICATION")
    return {"success": True}


def revoke(square: SquareCore, merchant: str, by: str = "MERCHANT") -> None:
    """End the access to a seller: all tokens of him are void at once."""
    state = square.state
    state.tokens = {token: one for token, one in state.tokens.items() if one["merchant"] != merchant}
    state.refresh = {token: one for token, one in state.refresh.items() if one != merchant}
    revocation = {"revoked_at": square.now_text(), "revoker_type": by}
    data = {"type": "revocation", "id": square.new_id(), "object": {"revocation": revocation}}
    square.tell("oauth.authorization.revoked", merchant, data)
