"""A sealed value opens in its own place, for its own owner, and never again once the owner is erased."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError

from nerava.kernel.clock import FixedClock
from nerava.platform.db import Database
from nerava.platform.secrets import SecretKind, SecretMissing, Secrets
from nerava.platform.vault import KeyDestroyed, Place, Unreadable, Vault
from nerava.platform.vault_store import DataKey
from tests.helpers.parallel import in_parallel

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
OWNER = "driver:1"
PLACE = Place("user_contact", "sealed", "row-1")
PLAIN = b"+1 415 555 0100"


def keyed(*versions: str, identifier: bytes = b"i" * 32) -> Vault:
    """Return a vault whose key-encryption keys have these names; each name has its own bytes."""
    keks = ",".join(f"{one}:{base64.b64encode(one.encode().ljust(32)).decode()}" for one in versions)
    given = {SecretKind.IDENTIFIER: base64.b64encode(identifier).decode()}
    if versions:
        given[SecretKind.KEY_ENCRYPTION] = keks
    return Vault(Secrets(given, FixedClock(NOON)))


VAULT = keyed("kek_2026_01")


def seal(database: Database, vault: Vault = VAULT, owner: str = OWNER, place: Place = PLACE) -> bytes:
    """Return the example, sealed."""
    return database.run(lambda session: vault.encrypt(session, owner, place, PLAIN, NOON))


def opened(
    database: Database, sealed: bytes, vault: Vault = VAULT, owner: str = OWNER, place: Place = PLACE
) -> bytes:
    """Return what was sealed."""
    return database.read(lambda session: vault.decrypt(session, owner, place, sealed))


def destroy(database: Database, owner: str = OWNER) -> None:
    """Destroy an owner's keys."""
    database.run(lambda session: VAULT.destroy(session, owner, NOON))


def keys(database: Database) -> list[DataKey]:
    """Return every data key there is."""
    return database.run(lambda session: list(session.scalars(select(DataKey).order_by(DataKey.id))))


def test_what_is_sealed_opens_and_never_looks_the_same_twice(database: Database) -> None:
    first, second = seal(database), seal(database)
    assert opened(database, first) == opened(database, second) == PLAIN
    assert first != second
    assert PLAIN not in first
    # One key for the owner, named in both values behind the version.
    (key,) = keys(database)
    assert first[:17] == second[:17] == b"\x01" + key.id.bytes
    assert len(first) == 1 + 16 + 12 + len(PLAIN) + 16


@pytest.mark.parametrize(
    ("owner", "place"),
    [
        ("driver:2", PLACE),
        (OWNER, Place("user_contact", "sealed", "row-2")),
        (OWNER, Place("user_contact", "other", "row-1")),
        (OWNER, Place("other", "sealed", "row-1")),
        (OWNER, Place("user_contactsealed", "", "row-1")),
    ],
)
def test_a_value_that_was_moved_does_not_open(database: Database, owner: str, place: Place) -> None:
    sealed = seal(database)
    seal(database, owner="driver:2")
    with pytest.raises(Unreadable):
        opened(database, sealed, owner=owner, place=place)


def test_no_bit_of_a_value_can_be_changed_and_no_part_left_out(database: Database) -> None:
    sealed = seal(database)
    damaged = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))]
    shortened = [sealed[:length] for length in range(len(sealed))]
    for one in [*damaged, *shortened, sealed + b"\0"]:
        with pytest.raises(Unreadable):
            opened(database, one)


def test_a_wrapped_key_given_to_another_owner_does_not_open(database: Database) -> None:
    sealed = seal(database)
    database.run(lambda session: session.execute(update(DataKey).values(owner="driver:2")))
    with pytest.raises(Unreadable):
        opened(database, sealed, owner="driver:2")


def test_the_database_holds_nothing_that_opens_it(database: Database) -> None:
    sealed = seal(database)
    with pytest.raises(Unreadable):
        opened(database, sealed, vault=keyed("kek_2025_01"))
    other = Vault(
        Secrets(
            {SecretKind.KEY_ENCRYPTION: f"kek_2026_01:{base64.b64encode(b'x' * 32).decode()}"},
            FixedClock(NOON),
        )
    )
    with pytest.raises(Unreadable):
        opened(database, sealed, vault=other)


def test_without_a_key_encryption_key_nothing_is_sealed(database: Database) -> None:
    with pytest.raises(SecretMissing):
        seal(database, vault=keyed())
    assert keys(database) == []


def test_an_erased_owner_can_neither_be_read_nor_written_ever_again(database: Database) -> None:
    sealed, others = seal(database), seal(database, owner="driver:2")
    destroy(database)
    destroy(database)
    with pytest.raises(KeyDestroyed):
        opened(database, sealed)
    with pytest.raises(KeyDestroyed):
        seal(database)
    with pytest.raises(KeyDestroyed):
        database.run(lambda session: VAULT.renew(session, OWNER, NOON))
    assert opened(database, others, owner="driver:2") == PLAIN
    (row,) = [one for one in keys(database) if one.owner == OWNER]
    assert (row.wrapped, row.destroyed_at) == (None, NOON)


def test_nobody_learns_from_a_value_that_another_owner_was_erased(database: Database) -> None:
    sealed = seal(database)
    destroy(database)
    with pytest.raises(Unreadable):
        opened(database, sealed, owner="driver:2")


def test_an_owner_who_had_nothing_yet_is_erased_too(database: Database) -> None:
    destroy(database)
    with pytest.raises(KeyDestroyed):
        seal(database)


def test_a_key_has_bytes_or_is_destroyed(database: Database) -> None:
    seal(database)
    with pytest.raises(IntegrityError):
        database.run(lambda session: session.execute(text("UPDATE data_key SET wrapped = NULL")))


def test_a_renewed_key_seals_what_is_new_and_the_old_one_reads_on(database: Database) -> None:
    before = seal(database)
    database.run(lambda session: VAULT.renew(session, OWNER, NOON))
    after = seal(database)
    assert before[1:17] != after[1:17]
    assert opened(database, before) == opened(database, after) == PLAIN
    destroy(database)
    for sealed in (before, after):
        with pytest.raises(KeyDestroyed):
            opened(database, sealed)


def test_many_first_values_at_once_make_one_key(database: Database) -> None:
    sealed = in_parallel(64, lambda _: seal(database))
    assert {opened(database, one) for one in sealed} == {PLAIN}
    assert len(keys(database)) == 1


def test_erasing_while_others_seal_leaves_nothing_that_opens(database: Database) -> None:
    for number in range(5):
        owner = f"driver:{number}"
        seal(database, owner=owner)
        for sealed in in_parallel(16, lambda part, owner=owner: _in_turmoil(database, owner, part)):
            if sealed is not None:
                with pytest.raises(KeyDestroyed):
                    opened(database, sealed, owner=owner)
    assert all(one.wrapped is None for one in keys(database))


def _in_turmoil(database: Database, owner: str, part: int) -> bytes | None:
    """Destroy an owner's keys, renew them, or seal something."""
    try:
        if part == 0:
            destroy(database, owner)
            return None
        if part % 2:
            database.run(lambda session: VAULT.renew(session, owner, NOON))
        return seal(database, owner=owner)
    except KeyDestroyed:
        return None


def test_a_new_key_encryption_key_takes_over_without_a_pause(database: Database) -> None:
    sealed = {owner: seal(database, owner=owner) for owner in (f"driver:{number}" for number in range(7))}
    destroy(database, "driver:0")
    both, alone = keyed("kek_2026_02", "kek_2026_01"), keyed("kek_2026_02")
    seal(database, vault=both, owner="driver:new")

    def rewrap(limit: int) -> int:
        return database.run(lambda session: both.rewrap(session, limit))

    counts = lambda: database.read(both.keys_by_kek)  # noqa: E731 - asked three times
    assert counts() == {"kek_2026_01": 6, "kek_2026_02": 1}
    assert [rewrap(4), rewrap(4), rewrap(4)] == [4, 2, 0]
    assert counts() == {"kek_2026_02": 7}
    for owner in list(sealed)[1:]:
        assert opened(database, sealed[owner], vault=alone, owner=owner) == PLAIN
        with pytest.raises(Unreadable):
            opened(database, sealed[owner], owner=owner)


def test_processes_that_rewrap_at_once_do_it_once(database: Database) -> None:
    for number in range(30):
        seal(database, owner=f"driver:{number}")
    both = keyed("kek_2026_02", "kek_2026_01")
    done = in_parallel(8, lambda _: database.run(lambda session: both.rewrap(session, 10)))
    rest = database.run(lambda session: both.rewrap(session, 100))
    assert sum(done) + rest == 30
    assert database.read(both.keys_by_kek) == {"kek_2026_02": 30}


@given(st.text(max_size=8), st.text(max_size=8), st.text(max_size=8), st.text(max_size=8))
def test_an_index_tells_purposes_and_values_apart(one: str, value: str, other: str, another: str) -> None:
    assert len(VAULT.index(one, value)) == 32
    assert (VAULT.index(one, value) == VAULT.index(other, another)) == ((one, value) == (other, another))


def test_an_index_depends_on_its_key() -> None:
    assert VAULT.index("phone", "1") == keyed("kek_2030_01").index("phone", "1")
    assert VAULT.index("phone", "1") != keyed(identifier=b"j" * 32).index("phone", "1")


def test_a_dump_of_the_database_holds_no_plain_text(
    database_url: Callable[[str], Any], tmp_path: Path
) -> None:
    with database_url("sqlite") as url:
        database = Database(url)
        try:
            seal(database)
        finally:
            database.close()
        files = list(tmp_path.glob("*.sqlite3*"))
        assert files
        assert all(PLAIN not in file.read_bytes() for file in files)
