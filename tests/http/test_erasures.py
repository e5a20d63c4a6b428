"""Who wants to be forgotten is, after three days, for good, and the books do not notice (S22)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from nerava.identity.people import own_contacts
from nerava.kernel.ids import new_id
from nerava.ledger.templates.promo_grant import promo_grant
from nerava.platform.db.backup import back_up, restore
from nerava.platform.vault import KeyDestroyed
from nerava.privacy.erasure_list import ErasureList, ErasureListDamaged
from tests.http.conftest import opened_house
from tests.http.flows import fill_promo
from tests.http.rows import rows_of
from tests.http.test_exports import MAIL, copy_of, give_contact
from tests.http.test_problems import assert_problem

if TYPE_CHECKING:
    from pathlib import Path

    from tests.http.conftest import Caller, House

PATH = "/v1/me/erasure"
DAY = timedelta(days=1)


def ask(caller: Caller, *, gives_up_points: bool = False) -> Any:
    """Ask to be forgotten."""
    return caller.post(PATH, {"gives_up_points": gives_up_points})


def after(house: House, span: timedelta) -> int:
    """Let the erasures go on as they would after this span, until nothing is left to do."""
    now, done = house.installation.clock.now() + span, 0
    while one := house.installation.erasures.advance(now):
        done += one
    return done


def list_of(house: House) -> ErasureList:
    """Return the list of who was erased, as an earlier life of the installation kept it."""
    return ErasureList(house.installation.settings.erasure_list, house.installation.vault)


def rich(house: House, points: int = 500) -> Caller:
    """Return somebody with a mailbox and points."""
    ann = house.user()
    give_contact(house, ann)
    fill_promo(house, points)
    house.books.must(
        promo_grant(kind="goodwill", reference_id=new_id(), driver_id=ann.tenant_id, points=points)
    )
    return ann


def totals(house: House) -> list[Any]:
    """Return what the ledger holds in each account, without those that a lapse changes."""
    query = text("SELECT account_id, debits_posted, credits_posted FROM ledger_balance ORDER BY account_id")
    return house.installation.database.read(lambda session: [tuple(row) for row in session.execute(query)])


def test_an_erased_person_leaves_no_contact_no_device_and_no_way_in(house: House) -> None:
    ann, bob = house.user(), house.user()
    give_contact(house, ann)
    copy_of(ann, house)
    assert (ask(ann).status_code, ann.get(PATH).json()["state"]) == (202, "cooling")
    assert after(house, timedelta(hours=71)) == 0
    before = totals(house)

    assert after(house, timedelta(hours=73)) == 1

    assert ann.client.post("/v1/me/exports", headers=ann.headers()).status_code == 401
    found = rows_of(house)
    for name in ("user_contact", "export_job", "message_job", "refresh_token", "consent"):
        assert found[name] == [], name
    for name in ("auth_session", "role_membership", "factor_passkey", "factor_totp"):
        assert not [row for row in found[name] if str(ann.subject) in row], name
    assert [row for row in found["role_membership"] if str(bob.subject) in row]
    assert not [row for rows in found.values() for row in rows if MAIL in row]
    assert f"user:{ann.subject}" not in "".join(found["driver"])
    with pytest.raises(KeyDestroyed):
        house.installation.database.run(
            lambda session: house.installation.vault.renew(
                session, f"user:{ann.subject}", house.installation.clock.now()
            )
        )
    assert (
        house.installation.database.read(
            lambda session: own_contacts(session, house.installation.vault, ann.subject)
        )
        == []
    )
    assert totals(house) == before
    assert house.findings() == []
    assert house.installation.erasures.replay(house.installation.clock.now()) == 0
    assert rows_of(house) == found


def test_it_can_be_undone_while_it_cools_and_then_nothing_happens(house: House) -> None:
    ann = house.user()
    give_contact(house, ann)
    first = ask(ann).json()
    assert ask(ann).json() == first
    assert ann.client.delete(PATH, headers=ann.headers()).status_code == 204
    assert_problem(ann.get(PATH), 404, "not-found")
    assert after(house, 40 * DAY) == 0
    assert ann.get("/v1/wallet").status_code == 200
    assert_problem(ask(ann), 429, "rate-limited")
    house.grow_cold(ann)
    assert_problem(ask(ann), 403, "step-up-required")


def test_points_hold_it_until_the_notice_is_over_and_then_they_lapse(house: House) -> None:
    ann = rich(house)
    ask(ann)
    assert after(house, 4 * DAY) == 0
    assert (ann.get(PATH).json()["state"], ann.get(PATH).json()["held_because"]) == ("held", "points")
    assert ann.get("/v1/wallet").json()["posted"] == 500

    assert after(house, 31 * DAY) == 1
    assert house.installation.ledger.balance("platform:breakage").posted == 500
    assert house.installation.ledger.balance(f"driver:{ann.tenant_id}:nova").posted == 0
    assert house.findings() == []


def test_points_that_are_given_up_lapse_with_the_account(house: House) -> None:
    ann = rich(house)
    ask(ann, gives_up_points=True)
    assert after(house, 4 * DAY) == 1
    assert house.installation.ledger.balance("platform:breakage").posted == 500
    assert house.findings() == []


def test_a_backup_from_before_brings_nobody_back(sqlite_house: House, tmp_path: Path) -> None:
    house = sqlite_house
    ann = rich(house)
    ask(ann, gives_up_points=True)
    back_up(house.installation.settings.database.url, tmp_path / "copy", clock=house.installation.clock)
    assert after(house, 4 * DAY) == 1

    elsewhere = f"sqlite:///{tmp_path / 'elsewhere' / 'nerava.sqlite3'}"
    restore(tmp_path / "copy", elsewhere)
    with opened_house(elsewhere, tmp_path) as restored:
        assert len(rows_of(restored)["user_contact"]) == 1
        with restored.client:  # It starts, and before it serves it erases again.
            assert rows_of(restored)["user_contact"] == []
        assert restored.installation.ledger.balance("platform:breakage").posted == 500
        assert restored.installation.erasures.replay(restored.installation.clock.now()) == 0
        assert restored.findings() == []


def test_what_is_on_the_list_is_erased_again(house: House) -> None:
    ann = rich(house)
    house.installation.settings.erasure_list.unlink(missing_ok=True)
    listed = list_of(house)
    listed.add(ann.subject, house.installation.clock.now())
    listed.add(ann.subject, house.installation.clock.now())
    assert listed.listed() == (ann.subject,)

    assert house.installation.erasures.replay(house.installation.clock.now()) == 1
    assert rows_of(house)["user_contact"] == []
    assert house.installation.erasures.replay(house.installation.clock.now()) == 0
    assert house.findings() == []


def test_a_list_from_which_a_name_was_taken_is_refused(sqlite_house: House) -> None:
    listed, now = list_of(sqlite_house), sqlite_house.installation.clock.now()
    for _ in range(3):
        listed.add(new_id(), now)
    path = sqlite_house.installation.settings.erasure_list
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[2])
    with pytest.raises(ErasureListDamaged, match="line 2"):
        sqlite_house.installation.erasures.replay(now)
    path.write_bytes(b"".join(lines) + b'{"user": "torn')
    assert len(listed.listed()) == 3
    listed.add(new_id(), now)
    assert len(listed.listed()) == 4
