"""Contacts are added by who receives the code there, one owner each, told to the old ones, never the last removed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nerava.identity.challenges import Asked, ChallengeOver, CodeWrong
from nerava.identity.contacts import Channel
from nerava.identity.factors import Holder
from nerava.identity.one_time import Guess
from nerava.identity.own_contacts import CONTACTS_MAX, ContactTaken, LastContact, TooManyContacts
from nerava.identity.people import OwnContact
from nerava.kernel.errors import NeravaError
from nerava.platform.db import Database
from nerava.platform.problem import NotFound
from tests.helpers.parallel import in_parallel
from tests.identity.desk import ANN, MAIL, other_than
from tests.identity.prover import Prover, open_prover


@pytest.fixture
def prover(database: Database, tmp_path: Path) -> Iterator[Prover]:
    with open_prover(database, tmp_path) as opened:
        yield opened


def ask(prover: Prover, holder: Holder, to: str = MAIL) -> Asked:
    """Ask for a code to a new contact."""
    channel = Channel.EMAIL if "@" in to else Channel.SMS
    return prover.proving.contacts.start(holder, channel, to, prover.desk.now)


def verify(prover: Prover, holder: Holder, asked: Asked, code: str) -> OwnContact:
    """Bring the code."""
    guess = Guess(asked.challenge_id, code, asked.client_token)
    return prover.proving.contacts.verify(holder, guess, prover.desk.now)


def add(prover: Prover, holder: Holder, to: str = MAIL) -> OwnContact:
    """Add a contact."""
    asked = ask(prover, holder, to)
    return verify(prover, holder, asked, prover.desk.code_for(to))


def own(prover: Prover, holder: Holder) -> list[str]:
    """Return where somebody is reached."""
    found = prover.desk.database.read(lambda session: prover.proving.contacts.of(session, holder.user_id))
    return [one.value for one in found]


def told(prover: Prover, begins: str) -> list[str]:
    """Return where a notice arrived."""
    prover.desk.deliver()
    return [to for _, to, text in prover.desk.pigeon.brought if text.startswith(begins)]


def test_a_contact_is_added_signs_in_and_the_old_one_is_told(prover: Prover) -> None:
    ann = prover.holder()
    prover.desk.wait(minutes=1)
    prover.desk.enter(ANN, 3)
    assert prover.open_sessions() == 2

    added = add(prover, ann)

    assert own(prover, ann) == [ANN, MAIL]
    assert told(prover, "An e-mail address was added") == [ANN]
    assert prover.open_sessions() == 1
    prover.desk.wait(minutes=1)
    assert prover.holder(prover.desk.enter(MAIL, 4)).user_id == ann.user_id
    assert prover.desk.count("app_user") == 1
    found = prover.desk.rows("SELECT object_kind, object_id FROM audit_entry WHERE action = 'contact.add'")
    assert [tuple(row) for row in found] == [("user_contact", str(added.id))]
    prover.desk.wait(minutes=1)
    assert add(prover, ann) == added


def test_what_is_somebody_elses_looks_the_same_until_the_code_is_right(prover: Prover) -> None:
    bob, ann = prover.holder(prover.desk.enter(MAIL, 2)), prover.holder()
    prover.desk.wait(minutes=1)
    for to in (MAIL, "nobody@example.org"):
        asked = ask(prover, ann, to)
        with pytest.raises(CodeWrong):
            verify(prover, ann, asked, other_than(prover.desk.code_for(to)))
    prover.desk.wait(minutes=1)
    asked = ask(prover, ann)
    with pytest.raises(ContactTaken):
        verify(prover, ann, asked, prover.desk.code_for(MAIL))
    with pytest.raises(ChallengeOver):
        verify(prover, ann, asked, prover.desk.code_for(MAIL))
    assert (own(prover, ann), own(prover, bob)) == ([ANN], [MAIL])


def test_a_code_for_a_contact_signs_nobody_in_and_is_for_its_own_session(prover: Prover) -> None:
    ann, bob = prover.holder(), prover.holder(prover.desk.enter("bob@example.org", 2))
    prover.desk.wait(minutes=1)
    again = prover.holder(prover.desk.enter(ANN, 3))
    asked = ask(prover, ann)
    code = prover.desk.code_for(MAIL)
    for other in (bob, again):
        with pytest.raises(NotFound):
            verify(prover, other, asked, code)
    with pytest.raises(ChallengeOver):
        prover.desk.guess(asked, code, 4)
    to_sign_in = prover.desk.ask("carl@example.org", 5)
    with pytest.raises(NotFound):
        verify(prover, ann, to_sign_in, prover.desk.code_for("carl@example.org"))
    assert prover.desk.count("app_user") == 2
    assert verify(prover, ann, asked, code).value == MAIL


def test_of_two_accounts_that_add_one_contact_at_once_one_has_it(prover: Prover) -> None:
    ann, bob = prover.holder(), prover.holder(prover.desk.enter("bob@example.org", 2))
    asked = ask(prover, ann)
    code = prover.desk.code_for(MAIL)
    prover.desk.wait(minutes=1)
    to_sign_in = prover.desk.ask(MAIL, 3)
    other_code = prover.desk.code_for(MAIL)

    def attempt(number: int) -> OwnContact | object:
        try:
            if number:
                return prover.desk.guess(to_sign_in, other_code, 3)
            return verify(prover, ann, asked, code)
        except ContactTaken as taken:
            return taken

    outcomes = in_parallel(2, attempt)
    assert not any(isinstance(one, NeravaError) and not isinstance(one, ContactTaken) for one in outcomes)
    assert prover.desk.count("user_contact") == 3
    assert own(prover, bob) == ["bob@example.org"]


def test_the_last_contact_stays_however_many_are_removed_at_once(prover: Prover) -> None:
    ann = prover.holder()
    for number in range(3):
        add(prover, ann, f"ann{number}@example.org")
        prover.desk.wait(minutes=1)
    contacts = prover.desk.database.read(lambda session: prover.proving.contacts.of(session, ann.user_id))

    def remove(number: int) -> bool:
        try:
            prover.proving.contacts.remove(ann, contacts[number].id, prover.desk.now)
        except LastContact:
            return False
        return True

    assert sorted(in_parallel(4, remove)) == [False, True, True, True]
    assert len(own(prover, ann)) == 1


def test_a_removed_contact_is_told_lets_nobody_in_and_is_free_again(prover: Prover) -> None:
    ann, bob = prover.holder(), prover.holder(prover.desk.enter("bob@example.org", 2))
    added = add(prover, ann)
    with pytest.raises(NotFound):
        prover.proving.contacts.remove(bob, added.id, prover.desk.now)
    prover.proving.contacts.remove(ann, added.id, prover.desk.now)
    assert told(prover, "An e-mail address was removed") == [ANN, MAIL]
    prover.desk.wait(minutes=1)
    assert prover.holder(prover.desk.enter(MAIL, 4)).user_id != ann.user_id


def test_an_account_has_ten_contacts_at_most(prover: Prover) -> None:
    ann = prover.holder()
    for number in range(CONTACTS_MAX - 1):
        prover.desk.wait(hours=25)
        add(prover, ann, f"ann{number}@example.org")
    prover.desk.wait(hours=25)
    with pytest.raises(TooManyContacts):
        ask(prover, ann, "one.more@example.org")


def test_a_user_guesses_five_times_at_a_new_contact(prover: Prover) -> None:
    ann = prover.holder()
    asked = ask(prover, ann)
    code = prover.desk.code_for(MAIL)
    for _ in range(5):
        with pytest.raises(CodeWrong):
            verify(prover, ann, asked, other_than(code))
    with pytest.raises(ChallengeOver):
        verify(prover, ann, asked, code)
    assert own(prover, ann) == [ANN]
