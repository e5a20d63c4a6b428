"""A user sees the own contacts; when a user goes, nothing leads back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from nerava.identity.challenges import CodeWrong
from nerava.identity.contacts import ContactKind
from nerava.identity.people import OwnContact, forget_user, forgive_user, own_contacts
from nerava.identity.user_store import owner_of
from nerava.platform.db import Database
from nerava.platform.vault import KeyDestroyed, Unreadable
from tests.identity.desk import ANN, MAIL, NOON, SignIn, open_desk, other_than


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[SignIn]:
    with open_desk(database, tmp_path) as opened:
        yield opened


def user_of(desk: SignIn) -> UUID:
    """Return the only user there is."""
    [(user_id,)] = desk.rows("SELECT id FROM app_user WHERE state = 'active'")
    return UUID(str(user_id))


def contacts(desk: SignIn, user_id: UUID) -> list[OwnContact]:
    """Return what the user sees."""
    return desk.database.read(lambda session: own_contacts(session, desk.desk.vault, user_id))


def forget(desk: SignIn, user_id: UUID) -> None:
    """Forget a user."""
    desk.database.run(lambda session: forget_user(session, desk.desk.vault, user_id))


def test_a_user_sees_the_own_contact_and_when_it_was_verified(desk: SignIn) -> None:
    desk.enter(ANN)
    [found] = contacts(desk, user_of(desk))
    assert (found.kind, found.value, found.verified_at) == (ContactKind.PHONE, ANN, NOON)
    assert ANN not in repr(found)


def test_nothing_leads_back_to_who_was_forgotten_and_twice_is_once(desk: SignIn) -> None:
    desk.enter(ANN)
    user_id = user_of(desk)
    desk.wait(minutes=1)
    asked = desk.ask(ANN)
    with pytest.raises(CodeWrong):
        desk.guess(asked, other_than(desk.code_for(ANN)))
    desk.wait(minutes=1)
    desk.ask(ANN)
    desk.ask(MAIL)
    for _ in range(2):
        forget(desk, user_id)
        assert {table: desk.count(table) for table in LEFT} == LEFT
    assert [tuple(row) for row in desk.rows("SELECT state FROM app_user")] == [("erased",)]
    desk.deliver()
    assert [to for _, to, _ in desk.pigeon.brought] == [ANN, ANN, MAIL]


LEFT = {
    "user_contact": 0,
    "external_identity": 0,
    "sign_in_failures": 0,
    "sign_in_challenge": 1,
    "message_job": 1,
    "app_user": 1,
}


def test_who_comes_back_is_somebody_new(desk: SignIn) -> None:
    desk.enter(ANN)
    old = user_of(desk)
    forget(desk, old)
    desk.wait(minutes=1)
    desk.enter(ANN)
    assert user_of(desk) != old


def test_a_contact_is_unreadable_without_the_users_key_and_in_any_other_row(desk: SignIn) -> None:
    desk.enter(ANN)
    user_id = user_of(desk)
    desk.change("UPDATE user_contact SET id = '01a205a1-edfe-7270-8cce-d0cde604aede'")
    with pytest.raises(Unreadable):
        contacts(desk, user_id)
    desk.database.run(lambda session: desk.desk.vault.destroy(session, owner_of(user_id), desk.now))
    with pytest.raises(KeyDestroyed):
        contacts(desk, user_id)


def test_codes_that_were_switched_off_can_be_given_back(desk: SignIn) -> None:
    desk.enter(ANN)
    desk.wait(minutes=1)
    asked = desk.ask(ANN)
    code = desk.code_for(ANN)
    with pytest.raises(CodeWrong):
        desk.guess(asked, other_than(code))
    desk.change("UPDATE sign_in_failures SET in_a_row = 100")
    user_id = user_of(desk)
    desk.database.run(lambda session: forgive_user(session, desk.desk.vault, user_id))
    desk.guess(asked, code)
