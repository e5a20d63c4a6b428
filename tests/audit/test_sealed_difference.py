"""What changed is readable while its subject is known, and to nobody afterwards; the chain stays whole."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from sqlalchemy import select

from nerava.audit import AuditLog, Entry, model
from nerava.audit.sealing import seal_entries
from nerava.audit.verify import verify
from nerava.kernel.clock import FixedClock
from nerava.platform.secrets import Secrets
from nerava.platform.vault import KeyDestroyed, Unreadable, Vault

if TYPE_CHECKING:
    from pathlib import Path

    from nerava.platform.db import Database

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHANGED = Entry(
    "user",
    "u-1",
    "contact.changed",
    "user_contact",
    "c-1",
    before={"to": "canary-old", "kind": "phone"},
    after={"to": "canary-new", "kind": "phone"},
    subject="u-1",
)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(made_secrets(tmp_path))


def row_of(database: Database) -> Any:
    return database.read(lambda session: session.execute(select(model.entry)).one())


def test_what_changed_can_be_read_again(database: Database, vault: Vault) -> None:
    log = AuditLog(vault)
    entry_id = database.run(lambda session: log.record(session, CHANGED, NOON))
    row = row_of(database)

    found = database.read(lambda session: log.difference(session, "u-1", entry_id, row.diff_ciphertext))

    assert found == {"to": ["canary-old", "canary-new"]}
    assert b"canary" not in row.diff_ciphertext


def test_the_hash_cannot_be_found_by_guessing(database: Database, vault: Vault) -> None:
    database.run(lambda session: AuditLog(vault).record(session, CHANGED, NOON))

    guess = orjson.dumps(dict(CHANGED.after or {}), option=orjson.OPT_SORT_KEYS)
    assert row_of(database).after_hash != hashlib.sha256(guess).digest()


def test_an_erased_subject_leaves_a_whole_chain(database: Database, vault: Vault) -> None:
    log = AuditLog(vault)
    entry_id = database.run(lambda session: log.record(session, CHANGED, NOON))
    database.run(seal_entries)

    database.run(lambda session: vault.destroy(session, "u-1", NOON))

    sealed = row_of(database).diff_ciphertext
    with pytest.raises(KeyDestroyed):
        database.read(lambda session: log.difference(session, "u-1", entry_id, sealed))
    assert database.read(verify) == []


def test_what_happens_after_the_erasure_is_told_without_what_changed(
    database: Database, vault: Vault
) -> None:
    database.run(lambda session: vault.destroy(session, "u-1", NOON))

    database.run(lambda session: AuditLog(vault).record(session, CHANGED, NOON))

    row = row_of(database)
    assert (row.action, row.diff_ciphertext) == ("contact.changed", None)


def test_a_difference_opens_in_its_own_row_alone(database: Database, vault: Vault) -> None:
    log = AuditLog(vault)
    first = database.run(lambda session: log.record(session, CHANGED, NOON))
    sealed = row_of(database).diff_ciphertext
    other = database.run(lambda session: log.record(session, CHANGED, NOON))

    assert first != other
    with pytest.raises(Unreadable):
        database.read(lambda session: log.difference(session, "u-1", other, sealed))


def made_secrets(folder: Path) -> Secrets:
    return Secrets({}, FixedClock(NOON), made_in=folder)
