"""Encryption of what must not be read in a dump: contacts, provider tokens, seeds, raw bodies."""

from __future__ import annotations

import hashlib
import hmac
import secrets as csprng
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id
from nerava.platform.secrets import Secret, SecretKind, Secrets
from nerava.platform.vault_store import OWNER_CHARACTERS_MAX, DataKey

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

VERSION: Final = b"\x01"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
ID_BYTES: Final = 16
HEAD_BYTES: Final = len(VERSION) + ID_BYTES + NONCE_BYTES


class Unreadable(NeravaError):
    """A sealed value does not open: damaged, moved to another row, of another owner, or its key is gone."""

    code = "value-unreadable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "A stored value cannot be read"


class KeyDestroyed(NeravaError):
    """The owner was erased; nothing of theirs can be read or written any more."""

    code = "key-destroyed"
    status = HTTPStatus.GONE
    title = "This was erased"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value stands; in any other place it does not open."""

    table: str
    column: str
    row_id: UUID | str


class Vault:
    """Seals values under a key of their owner and opens them again. Safe to share between threads.

    A sealed value is version ‖ data key id ‖ nonce ‖ ciphertext ‖ tag (AES-256-GCM), bound to its
    table, column, row and owner. There is no form without encryption: whatever fails, fails.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def encrypt(self, session: Session, owner: str, place: Place, plain: bytes, now: datetime) -> bytes:
        """Return `plain` sealed for one place; the owner's first value makes the owner's key.

        Raises:
            KeyDestroyed: The owner was erased (410).
            SecretMissing: There is no key-encryption key (503).
        """
        row = self._key_in_use(session, owner, now)
        nonce = csprng.token_bytes(NONCE_BYTES)
        body = AESGCM(self._unwrapped(row)).encrypt(nonce, plain, _bound(owner, place))
        return VERSION + row.id.bytes + nonce + body

    def decrypt(self, session: Session, owner: str, place: Place, sealed: bytes) -> bytes:
        """Return what was sealed for this place and this owner.

        Raises:
            Unreadable: It does not open here (503).
            KeyDestroyed: The owner was erased (410).
        """
        if len(sealed) < HEAD_BYTES + TAG_BYTES or sealed[:1] != VERSION:
            raise Unreadable
        key_id = UUID(bytes=sealed[1 : 1 + ID_BYTES])
        statement = select(DataKey).where(DataKey.id == key_id, DataKey.owner == owner)
        row = session.scalar(statement.execution_options(populate_existing=True))
        if row is None:
            raise Unreadable
        nonce = sealed[1 + ID_BYTES : HEAD_BYTES]
        try:
            return AESGCM(self._unwrapped(row)).decrypt(nonce, sealed[HEAD_BYTES:], _bound(owner, place))
        except InvalidTag:
            raise Unreadable from None

    def destroy(self, session: Session, owner: str, now: datetime) -> None:
        """Destroy every key of an owner, and see to it that there will be no other. Repeats safely."""
        tombstone = {"wrapped": None, "destroyed_at": now}
        self._insert_unless_known(session, owner, now, tombstone)
        living = update(DataKey).where(DataKey.owner == owner, DataKey.destroyed_at.is_(None))
        # Again until none is left: who was renewing a key that we waited for has made another one.
        while session.execute(living.values(**tombstone).returning(DataKey.id)).all():
            pass

    def renew(self, session: Session, owner: str, now: datetime) -> None:
        """Give an owner a new key for what is new; the old one goes on reading. Twice makes two.

        Raises:
            KeyDestroyed: The owner was erased (410).
        """
        row = self._key_in_use(session, owner, now)
        # A key that was destroyed meanwhile stays in use, so that no other takes its place.
        session.execute(
            update(DataKey)
            .where(DataKey.id == row.id, DataKey.retired_at.is_(None), DataKey.destroyed_at.is_(None))
            .values(retired_at=now)
        )
        if self._key_in_use(session, owner, now).destroyed_at is not None:
            raise KeyDestroyed

    def index(self, purpose: str, value: str) -> bytes:
        """Return 32 bytes by which a value is looked up; they tell nothing to who lacks the key.

        `purpose` keeps the same value in two columns apart. Normalise the value first.
        """
        key = self._secrets.get(SecretKind.IDENTIFIER).reveal()
        return hmac.digest(key, _framed(purpose, value), hashlib.sha256)

    def rewrap(self, session: Session, limit: int) -> int:
        """Wrap at most `limit` data keys under the newest key-encryption key; return how many were.

        0 means that no older one is needed any more. Repeats safely, in any number of processes.

        Raises:
            Unreadable: A data key was wrapped by a key-encryption key that is not configured (503).
        """
        current = self._secrets.get(SecretKind.KEY_ENCRYPTION)
        statement = (
            select(DataKey)
            .where(DataKey.kek_id != current.id, DataKey.wrapped.is_not(None))
            .order_by(DataKey.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        rows = session.scalars(statement.execution_options(populate_existing=True)).all()
        for row in rows:
            row.wrapped = _wrapped(current, row.id, row.owner, self._unwrapped(row))
            row.kek_id = current.id
        session.flush()
        return len(rows)

    def keys_by_kek(self, session: Session) -> dict[str, int]:
        """Return how many data keys each key-encryption key wraps; one with none may be removed."""
        statement = select(DataKey.kek_id, func.count()).where(DataKey.wrapped.is_not(None))
        rows = session.execute(statement.group_by(DataKey.kek_id))
        return {kek: count for kek, count in rows}  # noqa: C416 - a row is typed only when unpacked

    def _key_in_use(self, session: Session, owner: str, now: datetime) -> DataKey:
        statement = select(DataKey).where(DataKey.owner == owner, DataKey.retired_at.is_(None))
        row = session.scalar(statement.execution_options(populate_existing=True))
        if row is None:
            kek, key_id = self._secrets.get(SecretKind.KEY_ENCRYPTION), new_id()
            wrapped = _wrapped(kek, key_id, owner, csprng.token_bytes(KEY_BYTES))
            self._insert_unless_known(
                session, owner, now, {"id": key_id, "wrapped": wrapped, "kek_id": kek.id}
            )
            row = session.scalars(statement.execution_options(populate_existing=True)).one()
        return row

    def _insert_unless_known(
        self, session: Session, owner: str, now: datetime, values: Mapping[str, object]
    ) -> None:
        """Insert the owner's key in use, unless there is one; waits for who is just inserting it."""
        if not 0 < len(owner) <= OWNER_CHARACTERS_MAX:
            raise AssertionError(f"an owner is named by 1 to {OWNER_CHARACTERS_MAX} characters")
        dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
        row = {"id": new_id(), "kek_id": "", "owner": owner, "created_at": now, **values}
        session.execute(dialect.insert(DataKey).values(**row).on_conflict_do_nothing())

    def _unwrapped(self, row: DataKey) -> bytes:
        if row.wrapped is None:
            raise KeyDestroyed
        for kek in self._secrets.accepted(SecretKind.KEY_ENCRYPTION):
            if kek.id == row.kek_id:
                nonce, body = row.wrapped[:NONCE_BYTES], row.wrapped[NONCE_BYTES:]
                try:
                    return AESGCM(kek.reveal()).decrypt(nonce, body, _framed(str(row.id), row.owner))
                except InvalidTag:
                    raise Unreadable from None
        message = f"the key-encryption key {row.kek_id} is not configured"
        raise Unreadable(message)


def _wrapped(kek: Secret, key_id: UUID, owner: str, key: bytes) -> bytes:
    nonce = csprng.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(kek.reveal()).encrypt(nonce, key, _framed(str(key_id), owner))


def _bound(owner: str, place: Place) -> bytes:
    return _framed(place.table, place.column, str(place.row_id), owner)


def _framed(*parts: str) -> bytes:
    """Return the parts with their lengths, so that no two lists of parts read the same."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
