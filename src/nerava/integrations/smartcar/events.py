"""`Receiver` of Smartcar's webhooks: the signature over the bytes, the challenge, and what they tell."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import TYPE_CHECKING, Any, Final

from nerava.inbound.events import EventUnreadable, Handled, ProviderEvent, SignatureRefused
from nerava.integrations.smartcar.api import instant
from nerava.integrations.smartcar.signals import is_ours, signals_in
from nerava.platform.live_secrets import versions
from nerava.vehicles.hearing import Hearing, Notice, Trouble
from nerava.vehicles.ports import ACCOUNT_TROUBLE, RECONNECT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from nerava.inbound.events import Handler
    from nerava.platform.live_secrets import LiveSecret

NAME: Final = "smartcar"
VERIFY: Final = "VERIFY"
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""The answer to a challenge is made like a signature: what could be a message is not answered."""


class SmartcarEvents:
    """Checks and reads events.

    Args:
        tokens: The application's management token; two while one is being replaced.
    """

    def __init__(self, tokens: Iterable[str] | LiveSecret) -> None:
        self._tokens = versions(tokens)

    @property
    def is_on(self) -> bool:
        """Whether there is a token to check with; without one nobody listens."""
        return bool(self._tokens())

    def read(self, headers: Mapping[str, str], body: bytes, now: datetime) -> ProviderEvent:
        """Return the event, once its signature over these bytes is right.

        Raises:
            SignatureRefused: Missing or wrong (401).
            EventUnreadable: Signed, but no event (400).
        """
        given = headers.get("sc-signature", "").strip().lower().encode()
        right = [hmac.new(one, body, hashlib.sha256).hexdigest().encode() for one in self._tokens()]
        # Every token is compared, so that the time says nothing about which of them was close.
        if not any([hmac.compare_digest(one, given) for one in right]):  # noqa: C419 - all are compared, however many are right
            raise SignatureRefused
        try:
            read: Any = json.loads(body)
            kind, data, meta = read["eventType"], read["data"], read.get("meta") or {}
            about = data.get("vehicle") or {}
            told_at = instant(meta.get("deliveredAt")) or now
            event = ProviderEvent(
                provider=NAME,
                account="",
                event_id=read["eventId"],
                kind=kind,
                object_id=str(about.get("id") or ""),
                created_s=int(told_at.timestamp()),
                body=read,
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise EventUnreadable from None
        texts = (read["eventId"], read["eventType"])
        if not all(isinstance(one, str) and one for one in texts):
            raise EventUnreadable
        return event

    def challenge(self, body: bytes) -> dict[str, str] | None:
        """Return the answer to a request to prove that we know the token; None if it is no such request.

        Nothing is done because of it and nothing is stored, signed or not, once or ten times.

        Raises:
            EventUnreadable: The challenge is not a word (400).
        """
        if len(body) > 1_000 or b"VERIFY" not in body or not self.is_on:  # noqa: PLR2004 - bytes
            return None
        try:
            read: Any = json.loads(body)
        except (ValueError, RecursionError):
            return None
        if not isinstance(read, dict) or read.get("eventType") != VERIFY:
            return None
        data = read.get("data")
        word = data.get("challenge") if isinstance(data, dict) else None
        if not isinstance(word, str) or not _CHALLENGE.fullmatch(word):
            raise EventUnreadable
        return {"challenge": hmac.new(self._tokens()[0], word.encode(), hashlib.sha256).hexdigest()}


def smartcar_handlers(hearing: Hearing) -> dict[str, Handler]:
    """Return who works on which events."""

    def state(event: ProviderEvent, now: datetime) -> Handled:
        return hearing.take(notice_of(event.body), now)

    return {"VEHICLE_STATE": state, "VEHICLE_ERROR": state}


def notice_of(body: Mapping[str, Any]) -> Notice:
    """Return what an event tells about a car; what is only tried out is not live."""
    data = _object(body, "data")
    meta = _object(body, "meta")
    mode = str(meta.get("mode") or "LIVE").upper()
    return Notice(
        provider=NAME,
        account=str(_object(data, "user").get("id") or ""),
        external_id=str(_object(data, "vehicle").get("id") or ""),
        is_live=mode == "LIVE",
        signals=signals_in(data.get("signals")),
        troubles=[one for one in map(_trouble, _list(data, "errors")) if one is not None],
    )


def _trouble(error: object) -> Trouble | None:
    """Return what keeps us from reading a car; None for what concerns nothing that we read."""
    if not isinstance(error, dict):
        return None
    concerned = error.get("signals")
    if isinstance(concerned, list) and concerned and not any(map(is_ours, concerned)):
        return None
    is_over = str(error.get("state") or "").upper() == "RESOLVED"
    match error.get("type"):
        case "CONNECTED_SERVICES_ACCOUNT":
            return Trouble(f"{ACCOUNT_TROUBLE}{error.get('code') or ''}", is_over)
        case "PERMISSION" | "AUTHENTICATION":
            return Trouble(RECONNECT, is_over)
        case _:
            return None


def _object(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = of.get(name)
    return found if isinstance(found, dict) else {}


def _list(of: Mapping[str, Any], name: str) -> list[Any]:
    found = of.get(name)
    return found if isinstance(found, list) else []
