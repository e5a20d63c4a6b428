"""Writing the audit log: one row in the transaction of the change it tells of."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple, Self

import orjson
from sqlalchemy import func, insert

from nerava.audit import model
from nerava.kernel.ids import new_id
from nerava.ledger.effects import Effect
from nerava.platform.vault import KeyDestroyed, Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from nerava.audit.entries import Entry
    from nerava.ledger.values import Verdict
    from nerava.platform.vault import Vault

SALT_BYTES: Final = 16
_SQLITE_NOW: Final = "%Y-%m-%dT%H:%M:%f000+00:00"


class _Change(NamedTuple):
    """How the fields of an entry are kept."""

    before_hash: bytes | None
    after_hash: bytes | None
    diff: bytes | None


class AuditLog:
    """The one door to the audit log. Safe to share between threads.

    With a vault, what changed is kept too, sealed under the key of whom it is about; the hashes
    are then salted, and the salt lies in the sealed difference. So when the subject is erased
    nobody can find out what changed by hashing guesses, and the chain stays whole, because it
    covers the ciphertext.
    """

    def __init__(self, vault: Vault | None = None) -> None:
        self._vault = vault

    def record(self, session: Session, entry: Entry, now: datetime) -> UUID:
        """Write an entry in the caller's transaction and return its id.

        It stands when that commits; so it is written together with what it tells of, or not at
        all. `now` is aware UTC.
        """
        entry_id = new_id()
        _write(session, entry, entry_id, now, self._change(session, entry, entry_id, now))
        return entry_id

    def difference(
        self, session: Session, subject: str, entry_id: UUID, sealed: bytes
    ) -> dict[str, list[Any]]:
        """Return what changed: by field what it was and what it became, None where it was absent.

        Raises:
            KeyDestroyed: The subject was erased (410).
            Unreadable: It is not this entry's, or of another subject (503).
        """
        if self._vault is None:
            raise AssertionError("without a vault nothing was sealed")
        plain = self._vault.decrypt(session, subject, _place(entry_id), sealed)
        changed: dict[str, list[Any]] = orjson.loads(plain)["changed"]
        return changed

    def _change(self, session: Session, entry: Entry, entry_id: UUID, now: datetime) -> _Change:
        if self._vault is None or entry.subject is None or (entry.before is None and entry.after is None):
            return _plain_change(entry)
        salt = secrets.token_bytes(SALT_BYTES)
        before, after = dict(entry.before or {}), dict(entry.after or {})
        changed = {
            name: [before.get(name), after.get(name)]
            for name in sorted(before.keys() | after.keys())
            if before.get(name) != after.get(name)
        }
        plain = _canonical({"salt": salt.hex(), "changed": changed})
        try:
            diff = self._vault.encrypt(session, entry.subject, _place(entry_id), plain, now)
        except KeyDestroyed:  # The subject is erased; that something changed may still be told.
            diff = None
        return _Change(_hash(entry.before, salt), _hash(entry.after, salt), diff)


def record(session: Session, entry: Entry, now: datetime | None = None) -> UUID:
    """Write an entry without a vault: of what changed hashes alone are kept.

    Otherwise as `AuditLog.record`; without `now` the database's own time is taken.
    """
    entry_id = new_id()
    at = now if now is not None else _database_time(session)
    _write(session, entry, entry_id, at, _plain_change(entry))
    return entry_id


@dataclass(frozen=True, slots=True)
class RecordEntry(Effect):
    """An entry that commits together with the chain it tells of, and only if that was posted now."""

    applies_to: ClassVar[Literal["posted", "any"]] = "posted"

    entry: Entry
    now: datetime

    @classmethod
    def apply_batch(cls, session: Session, items: Sequence[tuple[Self, Verdict]]) -> None:
        """Write the entries."""
        for effect, _ in items:
            record(session, effect.entry, effect.now)


def _write(
    session: Session,
    entry: Entry,
    entry_id: UUID,
    at: datetime | ColumnElement[Any],
    change: _Change,
) -> None:
    session.execute(
        insert(model.entry).values(
            id=entry_id,
            at=at,
            actor_kind=str(entry.actor_kind),
            actor_id=entry.actor_id,
            role=entry.role,
            session_id=_text(entry.session_id),
            action=entry.action,
            object_kind=entry.object_kind,
            object_id=entry.object_id,
            tenant_id=_text(entry.tenant_id),
            reason=entry.reason,
            ticket=entry.ticket,
            request_id=entry.request_id,
            ip_prefix=entry.ip_prefix,
            client_kind=entry.client_kind,
            before_hash=change.before_hash,
            after_hash=change.after_hash,
            diff_ciphertext=change.diff,
            result=str(entry.result),
        )
    )
    session.execute(insert(model.unsealed).values(entry_id=entry_id))


def _database_time(session: Session) -> ColumnElement[Any]:
    if session.get_bind().dialect.name == "postgresql":
        return func.clock_timestamp()
    return func.strftime(_SQLITE_NOW, "now")


def _place(entry_id: UUID) -> Place:
    return Place(model.entry.name, model.entry.c.diff_ciphertext.name, entry_id)


def _text(value: UUID | str | None) -> str | None:
    return None if value is None else str(value)


def _plain_change(entry: Entry) -> _Change:
    return _Change(_hash(entry.before), _hash(entry.after), None)


def _hash(fields: Mapping[str, object] | None, salt: bytes = b"") -> bytes | None:
    return None if fields is None else hashlib.sha256(salt + _canonical(fields)).digest()


def _canonical(fields: Mapping[str, object]) -> bytes:
    return orjson.dumps(dict(fields), option=orjson.OPT_SORT_KEYS)
