"""`GooglePasses` over Google's REST interface: insert what is new, patch what is there."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from nerava.integrations.google_wallet.objects import loyalty_class, loyalty_object
from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater, Unknown
from nerava.platform.outbound import Lost, NotSent, Outbound, Reply, Surroundings
from nerava.platform.provider_calls import GWALLET_WRITE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from nerava.integrations.google_wallet.account import ServiceAccount
    from nerava.integrations.google_wallet.objects import Program
    from nerava.passes.ports import Content
    from nerava.platform.outbound import Result

BASE_URL: Final = "https://walletobjects.googleapis.com"
SAVE_URL: Final = "https://pay.google.com/gp/v/save/"
EXISTS: Final = "exists"
MISSING: Final = "missing"
_BY_STATUS: Final = {HTTPStatus.CONFLICT: EXISTS, HTTPStatus.NOT_FOUND: MISSING}
_OBJECTS: Final = "/walletobjects/v1/loyaltyObject"
_CLASSES: Final = "/walletobjects/v1/loyaltyClass"


class GoogleWallet:
    """Passes of one class. Safe to share between threads.

    Args:
        program: Whose passes these are.
        account: Signs links, and gets tokens.
        origins: Pages of ours that may show the button with the link.
    """

    def __init__(
        self,
        program: Program,
        account: ServiceAccount,
        *,
        now: Callable[[], datetime],
        origins: tuple[str, ...] = (),
        base_url: str | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        self._program = program
        self._account = account
        self._origins = origins
        self._outbound = Outbound(base_url or BASE_URL, now=now, surroundings=surroundings)
        self._has_class = False

    def close(self) -> None:
        """Close the connections."""
        self._outbound.close()
        self._account.close()

    def save_link(self, content: Content, now: datetime) -> str:
        """Return where somebody saves their pass; asks nobody outside.

        Class and object go with it whole, so that it works before Google was told of them.
        """
        claims = {
            "aud": "google",
            "typ": "savetowallet",
            "iat": int(now.timestamp()),
            "origins": list(self._origins),
            "payload": {
                "loyaltyClasses": [loyalty_class(self._program)],
                "loyaltyObjects": [loyalty_object(self._program, content)],
            },
        }
        return SAVE_URL + self._account.signed(claims)

    def put(self, content: Content, *, is_known: bool) -> Outcome[None]:
        """Have Google show this, in a new object or in the one that is there. Repeats safely."""
        told = loyalty_object(self._program, content)
        path = f"{_OBJECTS}/{quote(self._program.object_id(content), safe='')}"
        if is_known or content.is_voided:
            done = self._ask("PATCH", path, told)
            if not (isinstance(done, Refused) and done.code == MISSING):
                return done
            if content.is_voided:
                return Ok(None)  # Nobody ever saved it.
        ready = self._class()
        if not isinstance(ready, Ok):
            return ready
        done = self._ask("POST", _OBJECTS, told)
        if isinstance(done, Refused) and done.code == EXISTS:
            # Somebody used the link before we came here, or an answer of ours was lost.
            return self._ask("PATCH", path, told)
        if isinstance(done, Refused) and done.code == MISSING:
            self._has_class = False  # somebody removed it; the next call makes it again
        return done

    def _class(self) -> Outcome[None]:
        """Make sure that the class is there, once for each process."""
        if self._has_class:
            return Ok(None)
        done = self._ask("POST", _CLASSES, loyalty_class(self._program))
        if isinstance(done, Refused) and done.code == EXISTS:
            done = Ok(None)
        self._has_class = isinstance(done, Ok)
        return done

    def _ask(self, method: str, path: str, told: Mapping[str, Any]) -> Outcome[None]:
        token = self._account.token()
        if not isinstance(token, str):
            return token
        result = self._send(method, path, told, token)
        if isinstance(result, Reply) and result.status == HTTPStatus.UNAUTHORIZED:
            newer = self._account.token(other_than=token)
            if not isinstance(newer, str):
                return newer
            result = self._send(method, path, told, newer)
        if isinstance(result, NotSent):
            return RetryLater(result.code, result.not_before)
        if isinstance(result, Lost):
            return Unknown(result.code)
        return Ok(None) if result.is_success and result.object() is not None else _failure(result)

    def _send(self, method: str, path: str, told: Mapping[str, Any], token: str) -> Result:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        return self._outbound.ask(
            method, path, GWALLET_WRITE.call, headers=headers, body=json.dumps(told).encode()
        )


def _failure(reply: Reply) -> Outcome[None]:
    if reply.is_success:
        return Unknown("schema-drift")
    if reply.status in _BY_STATUS:
        return Refused(_BY_STATUS[HTTPStatus(reply.status)])
    error = (reply.object() or {}).get("error")
    told = error.get("status") if isinstance(error, dict) else None
    word = str(told).lower().replace("_", "-")[:40] if told else f"status-{reply.status}"
    if reply.is_busy:
        return RetryLater(word)
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unknown(word)
    return Misconfigured(word)
