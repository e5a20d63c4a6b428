"""Messages: sent by a worker, under a lease, at most three times, and wiped when they are over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from nerava.identity import challenge_store, message_store
from nerava.identity.contacts import Channel
from nerava.identity.messages import Messages, Outgoing
from nerava.kernel.outcomes import Outcome
from nerava.ledger.switches import turn_on
from nerava.platform.db import Database
from tests.helpers.parallel import in_parallel
from tests.identity.desk import ANN, MAIL, SignIn, open_desk

pytestmark = pytest.mark.in_turn


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[SignIn]:
    with open_desk(database, tmp_path) as opened:
        yield opened


def states(desk: SignIn) -> list[tuple[str, bool, int]]:
    """Return state, whether the text is still there, and attempts of every message."""
    rows = desk.rows("SELECT state, sealed IS NOT NULL, attempts FROM message_job ORDER BY id")
    return [(row[0], bool(row[1]), row[2]) for row in rows]


@dataclass
class Killed:
    """A messenger in whose hands the process dies after sending."""

    brought: list[str] = field(default_factory=list)

    def bring(self, message: Outgoing) -> Outcome[str]:
        """Send and die."""
        self.brought.append(message.to)
        raise KeyboardInterrupt


def test_what_a_messenger_cannot_send_is_tried_three_times_and_then_given_up(
    desk: SignIn, caplog: pytest.LogCaptureFixture
) -> None:
    desk.ask()
    desk.pigeon.is_ill = True
    assert desk.deliver() == 1
    assert states(desk) == [("waiting", True, 1)]
    assert desk.deliver() == 0
    desk.wait(seconds=2)
    desk.deliver()
    desk.wait(seconds=9)
    assert desk.deliver() == 0
    desk.wait(seconds=1)
    desk.deliver()
    assert states(desk) == [("failed", False, 3)]
    assert "was not sent: OSError" in caplog.text
    assert ANN not in caplog.text


def test_a_messenger_that_recovers_brings_it_late_rather_than_never(desk: SignIn) -> None:
    desk.ask()
    desk.pigeon.is_ill = True
    desk.deliver()
    desk.pigeon.is_ill = False
    desk.wait(seconds=2)
    desk.deliver()
    assert states(desk) == [("sent", False, 2)]
    assert len(desk.pigeon.brought) == 1


def test_one_messenger_that_is_ill_does_not_keep_the_others_from_sending(desk: SignIn) -> None:
    desk.ask(ANN)
    desk.ask(MAIL)
    ill, well = desk.pigeon, type(desk.pigeon)()
    ill.is_ill = True
    messages = Messages(desk.database, desk.desk.vault, {Channel.SMS: ill, Channel.EMAIL: well})
    assert messages.deliver(desk.now) == 2
    assert [to for _, to, _ in well.brought] == [MAIL]


def test_whoever_dies_after_sending_leaves_the_message_to_the_next_after_the_lease(desk: SignIn) -> None:
    desk.ask()
    killed = Killed()
    dying = Messages(desk.database, desk.desk.vault, {Channel.SMS: killed})
    for attempt in range(3):
        with pytest.raises(KeyboardInterrupt):
            dying.deliver(desk.now)
        assert states(desk) == [("waiting", True, attempt + 1)]
        assert dying.deliver(desk.now) == 0
        desk.wait(seconds=30)
    assert dying.deliver(desk.now) == 0
    assert states(desk) == [("failed", False, 3)]
    assert killed.brought == [ANN] * 3


def test_a_code_that_is_too_late_is_not_sent(desk: SignIn) -> None:
    desk.ask()
    desk.wait(minutes=10)
    assert desk.deliver() == 1
    assert states(desk) == [("late", False, 1)]
    assert desk.pigeon.brought == []


def test_eight_workers_send_each_message_once(desk: SignIn) -> None:
    for number in range(12):
        desk.ask(f"someone{number}@example.org", number)
    in_parallel(8, lambda _: desk.deliver())
    desk.deliver()
    assert sorted(to for _, to, _ in desk.pigeon.brought) == sorted(
        f"someone{number}@example.org" for number in range(12)
    )
    assert set(states(desk)) == {("sent", False, 1)}


def test_sms_wait_while_they_are_switched_off_and_mail_goes_out(desk: SignIn) -> None:
    desk.ask(ANN)
    desk.ask(MAIL)
    desk.database.run(lambda session: turn_on(session, "sms", by="ops:1", reason="test", now=desk.now))
    desk.deliver()
    assert [to for _, to, _ in desk.pigeon.brought] == [MAIL]
    assert sorted(states(desk)) == [("sent", False, 1), ("waiting", True, 0)]


def test_what_cannot_be_opened_is_given_up(desk: SignIn, caplog: pytest.LogCaptureFixture) -> None:
    desk.ask(ANN)
    desk.change("UPDATE message_job SET sealed = :other", other=b"\x01" + bytes(80))
    assert desk.deliver() == 1
    assert states(desk) == [("failed", False, 1)]
    assert "cannot be opened" in caplog.text


def test_a_user_is_told_at_every_verified_contact(desk: SignIn) -> None:
    desk.enter(ANN)
    [(user_id,)] = desk.rows("SELECT id FROM app_user")
    told = desk.database.run(
        lambda session: desk.desk.messages.notify(
            session, UUID(str(user_id)), "Somebody signed in.", desk.now
        )
    )
    assert told == 1
    desk.deliver()
    assert desk.pigeon.brought[-1] == (Channel.SMS, ANN, "Somebody signed in.")


def test_challenges_and_messages_go_after_seven_days_and_contacts_when_they_are_over(desk: SignIn) -> None:
    desk.ask()
    desk.wait(minutes=10)

    def purge() -> int:
        now = desk.now
        return desk.database.run(
            lambda session: challenge_store.purge(session, now) + message_store.purge(session, now)
        )

    assert purge() == 1
    assert [tuple(row) for row in desk.rows("SELECT contact_sealed FROM sign_in_challenge")] == [(None,)]
    desk.wait(days=6)
    assert purge() == 0
    desk.clock.move_to(desk.now + timedelta(days=1))
    assert purge() == 2
    assert (desk.count("sign_in_challenge"), desk.count("message_job")) == (0, 0)
