"""Twilio Verify over real HTTP: codes that we do not know, and numbers that go to somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from nerava.identity.asking import SmsRules
from nerava.identity.challenges import ChallengeOver, Codes, CodeWrong
from nerava.identity.contacts import Channel, Contact, ContactKind
from nerava.identity.messages import Messages, contact_index
from nerava.identity.one_time import Guess
from nerava.identity.outside_codes import CodeUnchecked
from nerava.identity.roles import Membership, Role
from nerava.identity.second_proof import SecondProofNeeded
from nerava.identity.service import grant_role
from nerava.identity.sessions import Device
from nerava.integrations.twilio.verify import CodesByVerify, TwilioVerify, VerifyAccess
from nerava.kernel.ids import new_id
from nerava.kernel.outcomes import Misconfigured, Ok, Refused, RetryLater, Unknown
from nerava.platform.db import Database
from nerava.simulators.faults import Kind
from tests.helpers.town import Town
from tests.identity.desk import SignIn, asker, open_desk, other_than
from tests.integrations.messages.conftest import ANN, CLOCK, NOON, Post

ON_SQLITE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
OPS = "+12025550188"


@pytest.fixture
def verify(post: Post) -> Iterator[TwilioVerify]:
    """Our service at the simulated Verify."""
    twilio, (key, secret) = post.simulators.twilio, post.simulators.twilio.login
    access = VerifyAccess(twilio.service, key, secret, post.simulators.url_of("twilio-verify"))
    opened = TwilioVerify(access, now=CLOCK.now)
    yield opened
    opened.close()


@pytest.fixture
def desk(database: Database, post: Post, verify: TwilioVerify, tmp_path: Path) -> Iterator[SignIn]:
    """A desk whose codes for phones are made by Verify."""
    with open_desk(database, tmp_path, at=NOON, sms=SmsRules(("+1",), 1_000)) as opened:
        plain = opened.desk
        messengers = {Channel.SMS: CodesByVerify(verify, post.sms), Channel.EMAIL: opened.pigeon}
        messages = Messages(database, plain.vault, messengers)
        opened.desk = replace(plain, messages=messages, keeper=verify)
        opened.codes = Codes(opened.desk)
        yield opened


@pytest.mark.trap("V1")
def test_a_wrong_code_is_a_success_that_says_pending(post: Post, verify: TwilioVerify) -> None:
    assert isinstance(verify.start(ANN), Ok)
    right = post.simulators.twilio.code_of(ANN)
    assert verify.check(ANN, other_than(right)) == Ok(value=False)
    assert [one.status for one in post.simulators.requests("twilio-verify")] == [201, 200]
    assert verify.check(ANN, right) == Ok(value=True)


@pytest.mark.trap("V2")
def test_a_code_that_was_used_or_is_too_old_is_over_and_not_unknown(post: Post, verify: TwilioVerify) -> None:
    verify.start(ANN)
    right = post.simulators.twilio.code_of(ANN)
    assert [verify.check(ANN, right) for _ in range(2)] == [Ok(value=True), Refused("over")]
    verify.start(ANN)
    right = post.simulators.twilio.code_of(ANN)
    post.advance(minutes=10)
    assert verify.check(ANN, right) == Refused("over")


def test_five_checks_and_five_sends_are_limits_of_the_number(post: Post, verify: TwilioVerify) -> None:
    assert [isinstance(verify.start(ANN), Ok) for _ in range(6)] == [True] * 5 + [False]
    assert verify.start(ANN) == Refused("60203", "60203")
    wrong = other_than(post.simulators.twilio.code_of(ANN))
    assert [verify.check(ANN, wrong) for _ in range(5)] == [Ok(value=False)] * 5
    assert verify.check(ANN, wrong) == Refused("60202", "60202")
    post.simulators.twilio.tie_down("+12025550150")
    assert verify.start("+12025550150") == Refused("unreachable", "60205")


def test_a_start_is_sent_once_and_a_check_twice_where_the_answer_is_lost(
    post: Post, verify: TwilioVerify
) -> None:
    post.simulators.faults.add(Kind.ANSWER_LOST)
    assert isinstance(verify.start(ANN), Unknown)
    assert isinstance(verify.check(ANN, "000000"), Unknown)
    assert len(post.simulators.requests("twilio-verify")) == 1 + 2


def test_only_one_kind_of_too_many_is_tried_again_and_a_wrong_service_needs_a_person(
    post: Post, verify: TwilioVerify
) -> None:
    post.simulators.faults.add(Kind.RATE, retry_after="seconds", seconds=60, times=1)
    assert isinstance(verify.start(ANN), RetryLater)
    assert len(post.simulators.requests("twilio-verify")) == 1
    access = VerifyAccess("VA0", *post.simulators.twilio.login, post.simulators.url_of("twilio-verify"))
    other = TwilioVerify(access, now=CLOCK.now)
    assert other.start(ANN) == Misconfigured("no-such-service")
    other.close()


def test_a_code_of_verify_opens_a_session_and_our_row_counts_the_guesses(desk: SignIn, post: Post) -> None:
    asked = desk.ask()
    desk.deliver()
    right = post.simulators.twilio.code_of(ANN)
    assert desk.pigeon.brought == []
    with pytest.raises(CodeWrong):
        desk.guess(asked, other_than(right))
    assert desk.guess(asked, right).refresh_token.startswith("nvr_")
    with pytest.raises(ChallengeOver):
        desk.guess(asked, right)
    assert [tuple(row) for row in desk.rows("SELECT attempts FROM sign_in_challenge")] == [(2,)]
    checks = [one for one in post.simulators.requests("twilio-verify") if one.path.endswith("Check")]
    assert len(checks) == 2


@ON_SQLITE
def test_five_guesses_are_all_there_are_whatever_twilio_says(desk: SignIn, post: Post) -> None:
    asked = desk.ask()
    desk.deliver()
    right = post.simulators.twilio.code_of(ANN)
    for _ in range(5):
        with pytest.raises(CodeWrong):
            desk.guess(asked, other_than(right))
    with pytest.raises(ChallengeOver):
        desk.guess(asked, right)
    checks = [one for one in post.simulators.requests("twilio-verify") if one.path.endswith("Check")]
    assert len(checks) == 5


@ON_SQLITE
def test_a_number_that_gets_no_code_is_answered_like_one_that_does(desk: SignIn, post: Post) -> None:
    user_id = desk.database.run(
        lambda session: desk.desk.admission.enrol(session, *_known_as(desk, OPS), desk.now)
    )
    role = Membership(Role.OPS_SUPPORT, None)
    desk.database.run(lambda session: grant_role(session, user_id, role, granted_by="test", now=desk.now))
    asked, known = desk.ask(OPS), desk.ask(ANN, 2)
    desk.deliver()
    assert {one["to"] for one in post.simulators.twilio.messages()} == {ANN}
    for one, number in ((asked, 1), (known, 2)):
        with pytest.raises(CodeWrong):
            desk.guess(one, "000000", number)
    checks = [one for one in post.simulators.requests("twilio-verify") if one.path.endswith("Check")]
    assert len(checks) == 2


@ON_SQLITE
def test_while_twilio_does_not_answer_nobody_is_told_that_a_code_is_wrong(desk: SignIn, post: Post) -> None:
    asked = desk.ask()
    desk.deliver()
    right = post.simulators.twilio.code_of(ANN)
    post.simulators.faults.add(Kind.STATUS, status=503, path="*Check", times=2)
    with pytest.raises(CodeUnchecked):
        desk.guess(asked, right)
    assert desk.guess(asked, right).refresh_token


@pytest.mark.trap("V8")
@ON_SQLITE
def test_a_number_of_somebody_else_opens_no_wallet_on_a_new_device(
    desk: SignIn, post: Post, town: Town
) -> None:
    device = Device("a" * 43)
    mine = replace(asker(), device=device)

    def enter(who: object) -> object:
        desk.wait(minutes=9)
        asked = desk.codes.start(Channel.SMS, ANN, who, desk.now)  # type: ignore[arg-type]
        desk.deliver()
        right = post.simulators.twilio.code_of(ANN)
        guess = Guess(asked.challenge_id, right, asked.client_token)
        desk.wait(minutes=9)
        return desk.codes.verify(guess, who, desk.now)  # type: ignore[arg-type]

    enter(mine)
    [(user_id,)] = desk.rows("SELECT id FROM app_user")
    owner = UUID(str(user_id))
    role = Membership(Role.DRIVER, town.driver)
    desk.database.run(lambda session: grant_role(session, owner, role, granted_by="test", now=desk.now))
    # Without points, and then without another way in, there is nothing that could be asked for.
    assert enter(asker(3))
    town.rewarded(500)
    assert enter(asker(4))
    contact, contact_ix = _known_as(desk, "ann@example.org")
    desk.database.run(
        lambda session: desk.desk.admission.keep_contact(
            session, owner, contact, contact_ix, desk.now, contact_id=new_id()
        )
    )
    with pytest.raises(SecondProofNeeded):
        enter(asker(5))
    assert enter(mine)
    assert desk.enter("ann@example.org", 6)
    refused = "SELECT count(*) FROM audit_entry WHERE action = 'session.open' AND result = 'denied'"
    assert desk.rows(refused)[0][0] == 1


def _known_as(desk: SignIn, value: str) -> tuple[Contact, bytes]:
    contact = Contact(ContactKind.EMAIL if "@" in value else ContactKind.PHONE, value)
    return contact, contact_index(desk.desk.vault, contact)
