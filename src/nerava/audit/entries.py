"""What an entry of the audit log says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID


class ActorKind(StrEnum):
    """What kind of actor it was."""

    USER = "user"
    OPS = "ops"
    PARTNER = "partner"
    SYSTEM = "system"


class Result(StrEnum):
    """What came of it."""

    OK = "ok"
    DENIED = "denied"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that somebody did, tried, or looked at.

    Opaque ids and stable words only: no name, contact, place, secret or free text about a person.

    Attributes:
        actor_kind: A word of `ActorKind`.
        actor_id: Who, as an opaque id; for the system the name of the job.
        action: What, as a stable word with a dot: `session.ended`, `switch.on`.
        object_kind: What it was done to, for example `auth_session`.
        object_id: Which one.
        result: A word of `Result`.
        reason: Why; people of ops give one.
        role: The role the actor acted under.
        session_id: The actor's sign-in session.
        tenant_id: The driver, sponsor, merchant or partner concerned.
        ip_prefix: /24 or /48 of the address; never the whole address.
        client_kind: `web`, `app`, `api`, `cli`.
        ticket: Name of the case in another system.
        before: The changed fields as they were, as JSON values. Only their hash is stored, and with
            a vault their difference, sealed under the key of `subject`. Never a secret.
        after: The changed fields as they are now.
        subject: Whose data `before` and `after` are; erasing its key makes the difference unreadable.
    """

    actor_kind: str
    actor_id: str
    action: str
    object_kind: str
    object_id: str
    result: str = Result.OK
    reason: str | None = None
    role: str | None = None
    session_id: UUID | str | None = None
    tenant_id: UUID | str | None = None
    request_id: str | None = None
    ip_prefix: str | None = None
    client_kind: str | None = None
    ticket: str | None = None
    before: Mapping[str, object] | None = None
    after: Mapping[str, object] | None = None
    subject: str | None = None
