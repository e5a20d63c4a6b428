"""No table that knows a person is forgotten: the list is compared with the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Column, Table, Uuid

from nerava.migrations.tables import metadata
from nerava.privacy.holdings import HOLDINGS, NOBODYS, OnErase

if TYPE_CHECKING:
    from collections.abc import Iterable

SUBJECT_COLUMNS = {
    "account_id", "actor_id", "checker", "contact_ix", "driver_id", "identity_ix", "made_by", "maker", "principal",
    "subject", "used_by", "user_id",
}  # fmt: skip
"""Columns that name a person, whatever else the table is about."""


def forgotten(tables: Iterable[Table]) -> set[str]:
    """Return the tables about which nobody has said whether they know a person."""
    return {table.name for table in tables} - {one.table for one in HOLDINGS} - set(NOBODYS)


def test_every_table_of_the_schema_is_either_exported_or_known_to_have_no_person() -> None:
    assert forgotten(metadata().tables.values()) == set()
    named = [one.table for one in HOLDINGS]
    assert len(named) == len(set(named))
    assert set(named) | set(NOBODYS) <= set(metadata().tables)
    assert set(named).isdisjoint(NOBODYS)


def test_a_new_table_is_noticed() -> None:
    fresh = Table("hovercraft", metadata().__class__(), Column("driver_id", Uuid()))
    assert forgotten([*metadata().tables.values(), fresh]) == {"hovercraft"}


@pytest.mark.parametrize("name", sorted(NOBODYS))
def test_no_table_without_a_person_has_a_column_that_names_one(name: str) -> None:
    assert not SUBJECT_COLUMNS & set(metadata().tables[name].columns.keys())


def test_secrets_are_in_no_copy_and_what_is_deleted_goes_before_what_it_refers_to() -> None:
    secret = {
        "wrapped",
        "token_hash",
        "secret_hash",
        "signing_key",
        "hash",
        "code_mac",
        "contact_ix",
        "sealed",
    }
    order = [one.table for one in HOLDINGS]
    for one in HOLDINGS:
        assert not secret & set(one.columns), one.table
        if one.on_erase is OnErase.DELETE:
            for key in metadata().tables[one.table].foreign_keys:
                other = key.column.table.name
                if other in NOBODYS:
                    continue  # Nobody's tables lose no rows to an erasure.
                assert order.index(one.table) <= order.index(other), (one.table, other)
