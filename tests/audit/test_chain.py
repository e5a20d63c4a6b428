"""Whoever changes the audit log behind its back is found, down to the row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, select, text

from nerava.audit import Entry, model, record
from nerava.audit.hashing import FIELDS, framed
from nerava.audit.sealing import anchors, head, seal_entries, sign_hour
from nerava.audit.signing import SealKey
from nerava.audit.triggers import HISTORY, WORK_LIST
from nerava.audit.verify import verify
from nerava.kernel.ids import new_id
from nerava.platform.secrets import Secret
from tests.helpers.parallel import in_parallel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from nerava.ledger.findings import Finding
    from nerava.platform.db import Database

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = SealKey(Secret(b"0123456789abcdef0123456789abcdef"))
OTHER = SealKey(Secret(b"fedcba9876543210fedcba9876543210"))


def entry(number: int, **changes: Any) -> Entry:
    return Entry("ops", f"o-{number}", "switch.on", "kill_switch", "earn", reason=f"r-{number}", **changes)


def written(database: Database, count: int) -> None:
    database.run(lambda session: [record(session, entry(n), NOON) for n in range(count)])


def sealed(database: Database, count: int) -> None:
    written(database, count)
    while database.run(seal_entries):
        pass


def proof(database: Database, keys: Sequence[SealKey] = (), outside: Any = ()) -> list[Finding]:
    return database.read(lambda session: verify(session, keys, outside))


def checks(findings: Sequence[Finding]) -> list[str]:
    return [one.check for one in findings]


def tamper(database: Database, *statements: str) -> None:
    """Change rows as somebody who owns the tables and has put the triggers away."""
    tables = (*HISTORY, WORK_LIST)

    def work(session: Session) -> None:
        if database.is_sqlite:
            session.execute(text("PRAGMA defer_foreign_keys = ON"))
            names = session.scalars(
                text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit%'")
            ).all()
            for name in names:
                session.execute(text(f"DROP TRIGGER {name}"))
        else:
            for table in tables:
                session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
        for statement in statements:
            if session.execute(text(statement)).rowcount < 1:  # type: ignore[attr-defined]
                raise AssertionError(f"changed nothing: {statement}")

    database.run(work)


def ids(database: Database) -> list[str]:
    """Return the entries in the order of the chain."""
    query = select(model.block.c.entry_id).order_by(model.block.c.height)
    return [str(one) for one in database.read(lambda session: session.scalars(query).all())]


def test_every_committed_entry_becomes_a_block(database: Database) -> None:
    sealed(database, 5)

    assert database.read(head)[0] == 5
    assert database.read(lambda session: session.execute(select(model.unsealed)).all()) == []
    assert proof(database) == []


def test_sealing_takes_a_bounded_piece_and_goes_on(database: Database) -> None:
    written(database, 5)

    assert [database.run(lambda session: seal_entries(session, limit=2)) for _ in range(4)] == [2, 2, 1, 0]
    assert proof(database) == []


def test_an_entry_that_commits_late_is_linked_later(database: Database) -> None:
    """Its id is older than the head of the chain, and it is in the chain all the same."""
    early = new_id()
    sealed(database, 2)

    def late(session: Session) -> None:
        values = {"actor_kind": "user", "actor_id": "u", "action": "a", "object_kind": "k", "object_id": "o"}
        session.execute(insert(model.entry).values(id=early, at=NOON, result="ok", **values))
        session.execute(insert(model.unsealed).values(entry_id=early))

    database.run(late)
    database.run(seal_entries)

    assert ids(database)[-1] == str(early)
    assert proof(database) == []


def test_many_sealers_and_writers_make_one_chain(database: Database) -> None:
    def work(index: int) -> int:
        if index % 2:
            return database.run(seal_entries)
        database.run(lambda session: record(session, entry(index), NOON))
        return 0

    in_parallel(24, work)
    while database.run(seal_entries):
        pass

    assert database.read(head)[0] == 12
    assert proof(database) == []


def test_an_entry_put_on_the_list_twice_is_linked_once(database: Database) -> None:
    sealed(database, 2)
    first = ids(database)[0]
    database.run(lambda session: session.execute(insert(model.unsealed).values(entry_id=first)))

    assert database.run(seal_entries) == 0
    sealed(database, 1)
    assert database.read(head)[0] == 3
    assert proof(database) == []


@pytest.mark.parametrize(
    "column", [name for name in FIELDS if name not in {"id", "before_hash", "after_hash"}]
)
def test_an_edited_field_names_its_row(database: Database, column: str) -> None:
    sealed(database, 3)
    second = ids(database)[1]
    new = {
        "at": "'2026-03-01T12:00:01.000000+00:00'",
        "actor_kind": "'user'",
        "result": "'denied'",
        "diff_ciphertext": "x'00'" if database.is_sqlite else "'\\x00'",
    }.get(column, "'another'")
    tamper(database, f"UPDATE audit_entry SET {column} = {new} WHERE id = '{second}'")

    (found,) = proof(database)
    assert found.check == "audit-entry-differs"
    assert found.subject == f"block 2, entry {second}"


def test_a_deleted_entry_and_its_block_leave_a_gap(database: Database) -> None:
    sealed(database, 4)
    second = ids(database)[1]
    tamper(
        database,
        f"DELETE FROM audit_block WHERE entry_id = '{second}'",
        f"DELETE FROM audit_entry WHERE id = '{second}'",
    )

    first = proof(database)[0]
    assert (first.check, first.subject.partition(",")[0]) == ("audit-gap", "block 3")


def test_a_gap_that_is_closed_up_does_not_hide(database: Database) -> None:
    sealed(database, 3)
    second = ids(database)[1]
    tamper(
        database,
        f"DELETE FROM audit_block WHERE entry_id = '{second}'",
        f"DELETE FROM audit_entry WHERE id = '{second}'",
        "UPDATE audit_block SET height = 2 WHERE height = 3",
    )

    assert proof(database)[0].subject.startswith("block 2,")


def test_an_entry_slipped_in_behind_the_sealer_is_found(database: Database) -> None:
    sealed(database, 2)
    slipped = new_id()
    values = "'2026-03-01T12:00:00.000000+00:00', 'ops', 'o', 'a', 'k', 'o', 'ok'"
    columns = "id, at, actor_kind, actor_id, action, object_kind, object_id, result"
    tamper(database, f"INSERT INTO audit_entry ({columns}) VALUES ('{slipped}', {values})")

    (found,) = proof(database)
    assert (found.check, found.subject) == ("audit-unlinked", f"entry {slipped}")


def test_entries_that_changed_places_are_found(database: Database) -> None:
    sealed(database, 3)
    one, two, _ = ids(database)
    spare = "00000000-0000-7000-8000-000000000000"
    tamper(
        database,
        f"UPDATE audit_entry SET id = '{spare}' WHERE id = '{one}'",
        f"UPDATE audit_entry SET id = '{one}' WHERE id = '{two}'",
        f"UPDATE audit_entry SET id = '{two}' WHERE id = '{spare}'",
    )

    assert checks(proof(database)) == ["audit-entry-differs", "audit-entry-differs"]


def test_a_cut_tail_is_found_by_the_anchor_kept_outside(database: Database) -> None:
    sealed(database, 4)
    database.run(lambda session: sign_hour(session, KEY, NOON))
    outside = database.read(anchors)
    last = ids(database)[3]
    tamper(
        database,
        "DELETE FROM audit_anchor",
        f"DELETE FROM audit_block WHERE entry_id = '{last}'",
        f"DELETE FROM audit_entry WHERE id = '{last}'",
    )

    assert proof(database, [KEY]) == []
    assert checks(proof(database, [KEY], outside)) == ["audit-tail-cut"]


def test_a_chain_computed_anew_is_found_by_its_anchor(database: Database) -> None:
    sealed(database, 3)
    database.run(lambda session: sign_hour(session, KEY, NOON))
    tamper(
        database,
        "UPDATE audit_entry SET reason = 'none'",
        "INSERT INTO audit_unsealed (entry_id) SELECT entry_id FROM audit_block",
        "DELETE FROM audit_block",
    )
    database.run(seal_entries)

    assert checks(proof(database)) == ["audit-rewritten"]


def test_an_anchor_that_nobody_signed_is_found(database: Database) -> None:
    sealed(database, 3)
    database.run(lambda session: sign_hour(session, OTHER, NOON))

    assert checks(proof(database, [KEY])) == ["audit-signature"]
    assert proof(database, [KEY, OTHER]) == []


def test_an_hour_has_one_anchor(database: Database) -> None:
    sealed(database, 1)
    hours = [NOON, NOON + timedelta(minutes=59), NOON + timedelta(hours=1)]

    signed = [database.run(lambda session, at=at: sign_hour(session, KEY, at)) for at in hours]  # type: ignore[misc]

    assert [one and one.hour for one in signed] == ["2026-03-01T12", None, "2026-03-01T13"]
    assert proof(database, [KEY]) == []


def test_an_empty_log_needs_no_anchor(database: Database) -> None:
    assert database.run(lambda session: sign_hour(session, KEY, NOON)) is None


def test_fields_cannot_run_into_each_other() -> None:
    shapes = [["ab", "c"], ["a", "bc"], ["abc"], ["abc", None], [None, "abc"], ["abc", ""], ["", "abc"]]

    assert len({framed(shape) for shape in shapes}) == len(shapes)


def test_what_has_no_single_spelling_is_not_hashed() -> None:
    with pytest.raises(TypeError):
        framed([1.5])
    with pytest.raises(TypeError):
        framed([True])
