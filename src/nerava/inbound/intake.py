"""The door for events of providers: check the signature, store, answer; working on it comes later."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from sqlalchemy.dialects import postgresql, sqlite

from nerava.inbound.events import EventUnreadable, ProviderEvent, ProviderOff
from nerava.inbound.model import EventState, InboundEvent
from nerava.kernel.ids import new_id
from nerava.platform.vault import Place

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.inbound.events import Challenge, Receiver
    from nerava.platform.db import Database
    from nerava.platform.vault import Vault

_TABLE: Final[Any] = InboundEvent.__table__
_WIDTHS: Final = {name: _TABLE.c[name].type.length for name in ("account", "event_id", "kind", "object_id")}


class Intake:
    """Takes events in. Safe to share between threads.

    Args:
        receivers: By the provider's word in the path. One that is missing is off.
        challenges: Of those providers that ask whether we are who listens.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        receivers: Mapping[str, Receiver],
        challenges: Mapping[str, Challenge] | None = None,
    ) -> None:
        self._database = database
        self._vault = vault
        self._receivers = dict(receivers)
        self._challenges = dict(challenges or {})

    def challenge(self, provider: str, body: bytes) -> Mapping[str, str] | None:
        """Return the answer to a provider that wants to know whether we are who listens, else None.

        Raises:
            EventUnreadable: It asks for what could be the proof of something else (400).
        """
        answer = self._challenges.get(provider)
        return None if answer is None else answer(body)

    def take(self, provider: str, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
        """Store an event and return whether it was new. When it returns, the event is committed.

        Goes on while everything else is read-only: what is not taken now may never come again.

        Raises:
            ProviderOff: Nobody listens to this provider (503).
            SignatureRefused: It was not the provider, or not now (401).
            EventUnreadable: It was the provider, but this is no event (400).
        """
        receiver = self._receivers.get(provider)
        if receiver is None:
            raise ProviderOff
        event = receiver.read(headers, body, now)
        for name, width in _WIDTHS.items():
            if len(getattr(event, name)) > width:
                raise EventUnreadable(f"its {name} is too long")

        def store(session: Session) -> bool:
            row_id = new_id()
            row = {
                "id": row_id,
                "provider": event.provider,
                "account": event.account,
                "event_id": event.event_id,
                "kind": event.kind,
                "object_id": event.object_id,
                "created_s": event.created_s,
                "body": self._vault.encrypt(session, owner_of(provider), place_of(row_id), body, now),
                "body_sha256": hashlib.sha256(body).digest(),
                "state": EventState.RECEIVED.value,
                "attempts": 0,
                "received_at": now,
                "due_at": now,
            }
            dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
            stored = dialect.insert(InboundEvent).values(row).on_conflict_do_nothing()
            return session.scalar(stored.returning(InboundEvent.id)) is not None

        return self._database.run(store, repeatable=True, essential=True)


def owner_of(provider: str) -> str:
    """Return whose key seals the bodies of a provider's events."""
    return f"provider:{provider}"


def place_of(row_id: object) -> Place:
    """Return where the body of an event stands."""
    return Place(InboundEvent.__tablename__, "body", str(row_id))


def event_of(row: InboundEvent, body: bytes) -> ProviderEvent:
    """Return a stored event as it was told."""
    return ProviderEvent(
        provider=row.provider,
        account=row.account,
        event_id=row.event_id,
        kind=row.kind,
        object_id=row.object_id,
        created_s=row.created_s,
        body=_document(body),
    )


def _document(body: bytes) -> dict[str, Any]:
    """Return what was sent: an object of JSON, a list of events, or a form."""
    if body.lstrip()[:1] in {b"{", b"["}:
        read: dict[str, Any] | list[Any] = json.loads(body)
        return {"events": read} if isinstance(read, list) else read
    return dict(parse_qsl(body.decode(), keep_blank_values=True))
