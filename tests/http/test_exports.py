"""People get a copy of all that is kept about them, once a day, for a day, and nobody else does (S22)."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from nerava.identity.contacts import Contact, ContactKind
from nerava.identity.messages import contact_index
from nerava.identity.user_store import UserContact, owner_of
from nerava.kernel.ids import new_id
from nerava.platform.db import Database
from nerava.platform.db.errors import DatabaseUnavailable
from nerava.platform.vault import Place
from nerava.privacy import archive
from nerava.privacy.exports import Exports
from nerava.privacy.holdings import HOLDINGS
from nerava.privacy.model import ExportJob
from tests.http.flows import work_off
from tests.http.test_problems import assert_problem

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tests.http.conftest import Caller, House

PATH = "/v1/me/exports"
MAIL = "ann@example.org"


def give_contact(house: House, caller: Caller, address: str = MAIL) -> None:
    """Let somebody have a verified mailbox."""
    one, now = house.installation, house.installation.clock.now()
    row_id, contact = new_id(), Contact(ContactKind.EMAIL, address)

    def unit(session: Session) -> None:
        place = Place("user_contact", "sealed", row_id)
        sealed = one.vault.encrypt(session, owner_of(caller.subject), place, address.encode(), now)
        ix = contact_index(one.vault, contact)
        session.add(
            UserContact(
                id=row_id, user_id=caller.subject, kind="email", contact_ix=ix, sealed=sealed, verified_at=now
            )
        )

    one.database.run(unit)


def copy_of(caller: Caller, house: House) -> tuple[str, dict[str, Any]]:
    """Ask for a copy, wait, fetch it, and return its id and its data."""
    asked = caller.post(PATH)
    assert (asked.status_code, asked.json()["state"]) == (202, "waiting")
    work_off(house)
    address = f"{PATH}/{asked.json()['id']}"
    assert caller.get(address).json()["state"] == "ready"
    answer = caller.get(f"{address}/archive")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as file:
        data: dict[str, Any] = json.loads(file.read("data.json"))
        counted = json.loads(file.read("manifest.json"))["rows"]
        assert counted == {name: len(rows) for name, rows in data.items()}
        for name, rows in data.items():
            table = file.read(f"csv/{name}.csv").decode()
            assert len(list(csv.reader(io.StringIO(table, newline="")))) == 1 + len(rows)
        assert {one.compress_type for one in file.infolist()} == {zipfile.ZIP_DEFLATED}
        assert set(file.namelist()) >= {f"csv/{name}.csv" for name in data}
    return asked.json()["id"], data


def test_a_copy_that_is_too_large_fails_and_holds_up_no_other(
    sqlite_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = sqlite_house.user(), sqlite_house.user()
    asked = ann.post(PATH).json()["id"]
    with monkeypatch.context() as small:
        small.setattr(archive, "COPY_MAX", 1_000)
        work_off(sqlite_house)

    assert ann.get(f"{PATH}/{asked}").json()["state"] == "failed"
    assert_problem(ann.get(f"{PATH}/{asked}/archive"), 410, "export-gone")
    copy_of(bob, sqlite_house)


def test_a_copy_waits_while_the_database_is_away(sqlite_house: House) -> None:
    one, ann = sqlite_house.installation, sqlite_house.user()
    asked = ann.post(PATH).json()["id"]

    with closing(Away(str(one.database.url))) as away, pytest.raises(DatabaseUnavailable):
        Exports(away, one.vault, one.limits, one.audit).make(one.clock.now())

    assert ann.get(f"{PATH}/{asked}").json()["state"] == "waiting"
    work_off(sqlite_house)
    assert ann.get(f"{PATH}/{asked}").json()["state"] == "ready"


class Away(Database):
    """A database that goes away in the middle of a long look."""

    def read(self, work: Any, *, patient: bool = False) -> Any:
        """Answer quick looks only."""
        if patient:
            raise DatabaseUnavailable
        return super().read(work)


def test_a_copy_holds_every_table_and_the_contacts_in_clear(house: House) -> None:
    ann, bob = house.user(), house.user()
    give_contact(house, ann)
    give_contact(house, bob, "bob@example.org")

    export_id, data = copy_of(ann, house)

    assert set(data) == {one.table for one in HOLDINGS} | {"contacts"}
    assert [one["value"] for one in data["contacts"]] == [MAIL]
    assert [one["id"] for one in data["app_user"]] == [str(ann.subject)]
    assert [one["id"] for one in data["driver"]] == [str(ann.tenant_id)]
    assert data["ledger_account"][0]["code"] == f"driver:{ann.tenant_id}:nova"
    whole = json.dumps(data)
    assert str(bob.subject) not in whole
    assert "bob@example.org" not in whole
    assert_problem(bob.get(f"{PATH}/{export_id}/archive"), 404, "not-found")


def test_a_copy_is_sealed_at_rest_and_wiped_after_a_day(house: House) -> None:
    ann = house.user()
    export_id, _ = copy_of(ann, house)
    jobs = select(ExportJob.sealed).where(ExportJob.id == UUID(export_id))
    sealed = house.installation.database.read(lambda session: session.scalar(jobs))
    assert sealed is not None
    assert b"PK" not in sealed[:40]
    assert str(ann.subject).encode() not in sealed

    now = house.installation.clock.now()
    assert house.installation.exports.make(now + timedelta(hours=24)) == 1
    assert house.installation.database.read(lambda session: session.scalar(jobs)) is None
    assert_problem(ann.get(f"{PATH}/{export_id}/archive"), 410, "export-gone")


def test_a_copy_that_is_over_is_refused_before_it_is_wiped(house: House) -> None:
    ann = house.user()
    export_id, _ = copy_of(ann, house)
    over = house.installation.clock.now() - timedelta(seconds=1)
    house.installation.database.run(
        lambda session: session.execute(update(ExportJob).values(expires_at=over))
    )
    assert_problem(ann.get(f"{PATH}/{export_id}/archive"), 410, "export-gone")


def test_one_copy_in_a_day_and_only_right_after_showing_a_factor(house: House) -> None:
    ann = house.user()
    first = ann.post(PATH)
    assert ann.post(PATH).json()["id"] == first.json()["id"]
    assert_problem(ann.get(f"{PATH}/{first.json()['id']}/archive"), 409, "export-not-ready")
    work_off(house)
    assert_problem(ann.post(PATH), 429, "rate-limited")
    house.grow_cold(ann)
    assert_problem(ann.post(PATH), 403, "step-up-required")
    assert_problem(ann.get(f"{PATH}/{first.json()['id']}/archive"), 403, "step-up-required")
