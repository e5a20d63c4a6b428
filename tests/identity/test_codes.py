"""Codes: what is stored, what is sent, how often one may guess, and what a right one opens."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import event

from nerava.identity.admission import MethodTooWeak
from nerava.identity.asking import SmsRules
from nerava.identity.challenge_store import consume
from nerava.identity.challenges import Asked, ChallengeOver, CodeWrong, WorkNeeded
from nerava.identity.contacts import Channel
from nerava.identity.errors import AccountSuspended
from nerava.identity.granting import roles_held
from nerava.identity.links import Opening
from nerava.identity.messages import MethodOff
from nerava.identity.one_time import WORK_BITS, Guess
from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.identity.sessions import Device
from nerava.kernel.ids import new_id
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.switches import turn_on
from nerava.platform.db import Database
from nerava.platform.db.types import instant_text
from nerava.platform.limit_numbers import CODE_WRONG
from nerava.platform.limits import RateLimited
from tests.helpers.parallel import in_parallel
from tests.identity.desk import ANN, MAIL, SignIn, asker, open_desk, other_than, replaced

pytestmark = pytest.mark.in_turn

BOB = "+12025550177"


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[SignIn]:
    with open_desk(database, tmp_path) as opened:
        yield opened


def work_for(asked: Asked, code: str) -> str:
    """Return a text that proves work for one guess."""
    for number in itertools.count():
        digest = hashlib.sha256(f"{asked.challenge_id}:{code}:{number}".encode()).digest()
        if int.from_bytes(digest, "big") >> (256 - WORK_BITS) == 0:
            return str(number)
    raise AssertionError


def test_the_first_code_makes_a_user_a_driver_and_a_session(desk: SignIn) -> None:
    opened = desk.enter()
    [(user_id, state)] = desk.rows("SELECT id, state FROM app_user")
    user_id = UUID(str(user_id))
    assert state == "active"
    [held] = desk.database.read(lambda session: roles_held(session, user_id))
    assert held.membership.role is Role.DRIVER
    assert desk.rows("SELECT reference FROM driver") == [(f"user:{user_id}",)]
    assert opened.refresh_token.startswith("nvr_")
    assert [tuple(row) for row in desk.rows("SELECT methods FROM auth_session")] == [("sms",)]


def test_the_second_time_it_is_the_same_user(desk: SignIn) -> None:
    desk.enter()
    desk.wait(minutes=1)
    desk.enter()
    assert (desk.count("app_user"), desk.count("user_contact"), desk.count("auth_session")) == (1, 1, 2)


def test_phone_and_mailbox_are_two_people_until_somebody_links_them(desk: SignIn) -> None:
    desk.enter(ANN)
    desk.enter(MAIL)
    assert desk.count("app_user") == 2
    assert {row[0] for row in desk.rows("SELECT methods FROM auth_session")} == {"sms", "email"}


def test_neither_contact_nor_code_lies_anywhere_in_clear(desk: SignIn) -> None:
    asked = desk.ask()
    waiting = dump(desk)
    code = desk.code_for()
    desk.guess(asked, code)
    for content in (waiting, dump(desk)):
        assert "2025550123" not in content
        assert b"2025550123".hex() not in content
        assert f"'{code}'" not in content
        assert code.encode().hex() not in content
        assert asked.client_token not in content


def dump(desk: SignIn) -> str:
    """Return everything that the tables of identity and the audit log hold, bytes as hex."""
    tables = ("sign_in_challenge", "message_job", "user_contact", "app_user", "audit_entry", "auth_session")
    rows = [tuple(row) for table in tables for row in desk.rows(f"SELECT * FROM {table}")]
    return repr(
        [[bytes(one).hex() if isinstance(one, bytes | memoryview) else one for one in row] for row in rows]
    )


def test_what_was_sent_is_wiped(desk: SignIn) -> None:
    desk.ask()
    [(sealed,)] = desk.rows("SELECT sealed FROM message_job")
    assert sealed
    assert desk.deliver() == 1
    assert [tuple(row) for row in desk.rows("SELECT state, sealed FROM message_job")] == [("sent", None)]
    assert desk.deliver() == 0
    [(channel, to, text)] = desk.pigeon.brought
    assert (channel, to) == (Channel.SMS, ANN)
    assert "is your Nerava code" in text


def test_a_used_challenge_forgets_the_contact(desk: SignIn) -> None:
    desk.enter()
    assert [tuple(row) for row in desk.rows("SELECT contact_sealed FROM sign_in_challenge")] == [(None,)]


def test_a_code_works_once(desk: SignIn) -> None:
    asked = desk.ask()
    code = desk.code_for()
    desk.guess(asked, code)
    with pytest.raises(ChallengeOver):
        desk.guess(asked, code)


def test_a_code_works_until_ten_minutes_are_over(desk: SignIn) -> None:
    asked = desk.ask()
    code = desk.code_for()
    desk.wait(minutes=10)
    with pytest.raises(ChallengeOver):
        desk.guess(asked, code)
    desk.wait(microseconds=-1)
    desk.guess(asked, code)


def test_a_new_code_voids_the_old_one(desk: SignIn) -> None:
    first = desk.ask()
    old = desk.code_for()
    desk.wait(seconds=30)
    second = desk.ask()
    with pytest.raises(ChallengeOver):
        desk.guess(first, old)
    desk.guess(second, desk.code_for())


def test_five_guesses_are_evaluated_and_the_sixth_is_not_even_read(desk: SignIn) -> None:
    asked = desk.ask()
    code = desk.code_for()
    for _ in range(5):
        with pytest.raises(CodeWrong):
            desk.guess(asked, other_than(code))
    with pytest.raises(ChallengeOver):
        desk.guess(asked, code)


def test_a_guess_is_counted_before_it_is_compared(desk: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = desk.ask()
    code = desk.code_for()

    def crash(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(type(desk.desk.pepper), "matches", crash)
        with pytest.raises(KeyboardInterrupt):
            desk.guess(asked, other_than(code))
    assert [tuple(row) for row in desk.rows("SELECT attempts FROM sign_in_challenge")] == [(1,)]


def test_the_code_is_worth_nothing_without_the_asking_clients_secret(desk: SignIn) -> None:
    asked = desk.ask()
    code = desk.code_for()
    with pytest.raises(ChallengeOver):
        desk.guess(replaced(asked, client_token="another"), code)  # noqa: S106
    with pytest.raises(ChallengeOver):
        desk.guess(replaced(asked, challenge_id=new_id()), code)
    assert [tuple(row) for row in desk.rows("SELECT attempts FROM sign_in_challenge")] == [(0,)]
    desk.guess(asked, code)


def test_fifty_parallel_guesses_are_five_guesses(desk: SignIn) -> None:
    asked = desk.ask()
    code = desk.code_for()

    def guess(number: int) -> type[Exception]:
        try:
            desk.guess(asked, other_than(code), number)
        except (CodeWrong, ChallengeOver, RateLimited) as refused:
            return type(refused)
        raise AssertionError("a wrong code opened")

    assert in_parallel(50, guess).count(CodeWrong) == 5
    with pytest.raises((ChallengeOver, RateLimited)):
        desk.guess(asked, code)


def test_a_right_code_from_twenty_at_once_opens_one_session(desk: SignIn) -> None:
    asked = desk.ask()
    code = desk.code_for()

    def guess(number: int) -> bool:
        try:
            desk.guess(asked, code, number)
        except (ChallengeOver, RateLimited):
            return False
        return True

    assert in_parallel(20, guess).count(True) == 1
    assert (desk.count("app_user"), desk.count("auth_session")) == (1, 1)


def test_using_up_is_one_conditional_update_with_one_winner(desk: SignIn) -> None:
    asked = desk.ask()
    now = desk.now

    def use_up(_: int = 0) -> bool:
        return desk.database.run(lambda session: consume(session, asked.challenge_id, now))

    assert in_parallel(20, use_up).count(True) == 1
    for column in ("used_at", "voided_at"):
        desk.change("UPDATE sign_in_challenge SET used_at = NULL, voided_at = NULL")
        desk.change(f"UPDATE sign_in_challenge SET {column} = created_at")
        assert not use_up()
    desk.change("UPDATE sign_in_challenge SET used_at = NULL, voided_at = NULL")
    desk.change("UPDATE sign_in_challenge SET created_at = :at", at=stored(desk, now - timedelta(minutes=10)))
    desk.change("UPDATE sign_in_challenge SET expires_at = :at", at=stored(desk, now))
    assert not use_up()


def stored(desk: SignIn, at: datetime) -> str | datetime:
    """Return an instant as the database stores it."""
    return instant_text(at) if desk.database.is_sqlite else at


def test_code_and_link_at_once_make_one_user(desk: SignIn) -> None:
    asked = desk.ask(MAIL)
    code = desk.code_for(MAIL)
    desk.wait(seconds=30)
    link = desk.links.start(MAIL, asker(), desk.now)
    opening = Opening(desk.token_for(), link.browser_token)

    def enter(number: int) -> None:
        if number == 0:
            desk.guess(asked, code)
        else:
            desk.links.consume(opening, asker(), desk.now)

    in_parallel(2, enter)
    assert (desk.count("app_user"), desk.count("user_contact"), desk.count("auth_session")) == (1, 1, 2)


def test_a_contact_gets_ten_codes_a_day_and_one_every_half_minute(desk: SignIn) -> None:
    sent = 0
    for number in range(24 * 6):
        with contextlib.suppress(RateLimited):
            desk.ask(number=number)
            sent += 1
        desk.wait(minutes=10)
    assert sent == 10
    desk.wait(hours=1)
    desk.ask()
    desk.wait(seconds=29)
    with pytest.raises(RateLimited):
        desk.ask()


def test_an_identity_gets_fifty_guesses_a_day(desk: SignIn) -> None:
    wrong = 0
    for round_ in range(10):
        asked = desk.ask(number=round_)
        code = desk.code_for()
        for _ in range(6):
            with contextlib.suppress(ChallengeOver, RateLimited):
                try:
                    desk.guess(asked, other_than(code), round_)
                except CodeWrong:
                    wrong += 1
        desk.wait(hours=2)
    assert wrong == 50
    desk.wait(hours=3)


def test_after_a_hundred_failures_in_a_row_codes_are_off_and_nobody_is_told(desk: SignIn) -> None:
    desk.enter()
    desk.wait(minutes=1)
    asked = desk.ask()
    code = desk.code_for()
    with pytest.raises(CodeWrong):
        desk.guess(asked, other_than(code))
    desk.change("UPDATE sign_in_failures SET in_a_row = 100")
    with pytest.raises(ChallengeOver):
        desk.guess(asked, code)
    desk.wait(minutes=1)
    assert desk.ask()
    assert desk.deliver() == 1
    assert len(desk.pigeon.brought) == 2
    assert desk.rows("SELECT state FROM message_job ORDER BY id DESC LIMIT 1")[0][0] == "muted"


def test_a_right_code_begins_the_count_of_failures_anew(desk: SignIn) -> None:
    asked = desk.ask()
    code = desk.code_for()
    for _ in range(4):
        with pytest.raises(CodeWrong):
            desk.guess(asked, other_than(code))
    assert [tuple(row) for row in desk.rows("SELECT in_a_row FROM sign_in_failures")] == [(4,)]
    desk.guess(asked, code)
    assert desk.count("sign_in_failures") == 0


def flood(desk: SignIn) -> None:
    """Guess wrong until everybody's budget is spent, from many places at many people."""
    for number in itertools.count(100):
        asked = desk.ask(f"someone{number}@example.org", number)
        code = desk.code_for(f"someone{number}@example.org")
        for _ in range(5):
            try:
                desk.guess(asked, other_than(code), number)
            except CodeWrong:
                continue
            except WorkNeeded:
                return


def test_two_hundred_wrong_codes_an_hour_ask_strangers_for_work(desk: SignIn) -> None:
    flood(desk)
    [(wrong,)] = desk.rows("SELECT sum(in_a_row) FROM sign_in_failures")
    assert wrong == 200
    asked = desk.ask()
    code = desk.code_for()
    with pytest.raises(WorkNeeded):
        desk.guess(asked, code)
    with pytest.raises(WorkNeeded):
        desk.guess(asked, code, work=work_for(asked, other_than(code)))
    assert desk.rows("SELECT attempts FROM sign_in_challenge ORDER BY id DESC LIMIT 1")[0][0] == 0
    desk.guess(asked, code, work=work_for(asked, code))


def test_a_known_device_signs_in_as_usual_while_strangers_have_to_work(desk: SignIn) -> None:
    mine, foreign = Device("k" * 43), Device("f" * 43)

    def guess(asked: Asked, code: str, device: Device) -> None:
        offered = Guess(asked.challenge_id, code, asked.client_token)
        desk.codes.verify(offered, replace(asker(), device=device), desk.now)

    guess(desk.ask(), desk.code_for(), mine)
    desk.wait(seconds=30)
    asked = desk.ask()
    code = desk.code_for()
    for _ in range(200):
        desk.desk.limits.hit_now(CODE_WRONG.keyed(), desk.now)
    with pytest.raises(WorkNeeded):
        guess(asked, code, foreign)
    guess(asked, code, mine)


def test_strangers_and_friends_cost_the_same_statements_and_rows(desk: SignIn) -> None:
    desk.enter(ANN)
    desk.wait(minutes=1)
    statements: list[str] = []
    engine = desk.database._engine  # noqa: SLF001 - the test counts what goes over the wire
    event.listen(engine, "before_cursor_execute", lambda *one: statements.append(one[2].split("WHERE")[0]))

    def asked(to: str, number: int) -> tuple[list[str], list[int]]:
        statements.clear()
        desk.ask(to, number)
        return list(statements), [desk.count(table) for table in ("sign_in_challenge", "message_job")]

    friend, rows = asked(ANN, 7)
    stranger, more_rows = asked(BOB, 8)
    assert stranger == friend
    assert more_rows == [count + 1 for count in rows]
    [(_, _, to_friend), (_, _, to_stranger)] = sent(desk)
    assert to_friend[6:] == to_stranger[6:]


def sent(desk: SignIn) -> list[tuple[Channel, str, str]]:
    """Return what the worker sends now."""
    before = len(desk.pigeon.brought)
    desk.deliver()
    return desk.pigeon.brought[before:]


def test_ops_get_no_code_and_cannot_use_one(desk: SignIn) -> None:
    asked = desk.ask()
    code = desk.code_for()
    desk.guess(asked, code)
    [(user_id,)] = desk.rows("SELECT id FROM app_user")
    desk.wait(minutes=1)
    asked = desk.ask()
    code = desk.code_for()
    desk.database.run(
        lambda session: grant_role(
            session, UUID(str(user_id)), Membership(Role.OPS_FINANCE), granted_by="test", now=desk.now
        )
    )
    with pytest.raises(MethodTooWeak):
        desk.guess(asked, code)
    with pytest.raises(ChallengeOver):
        desk.guess(asked, code)
    desk.wait(minutes=1)
    brought = len(desk.pigeon.brought)
    desk.ask()
    desk.deliver()
    assert len(desk.pigeon.brought) == brought
    assert desk.count("auth_session") == 1


def test_a_suspended_account_is_told_after_the_right_code_only(desk: SignIn) -> None:
    desk.enter()
    desk.change("UPDATE app_user SET state = 'suspended'")
    desk.wait(minutes=1)
    asked = desk.ask()
    code = desk.code_for()
    with pytest.raises(CodeWrong):
        desk.guess(asked, other_than(code))
    with pytest.raises(AccountSuspended):
        desk.guess(asked, code)
    assert desk.count("auth_session") == 1


def test_the_audit_log_tells_of_sign_up_sign_in_and_failure(desk: SignIn) -> None:
    asked = desk.ask()
    code = desk.code_for()
    with pytest.raises(CodeWrong):
        desk.guess(asked, other_than(code))
    desk.guess(asked, code)
    rows = desk.rows("SELECT action, result, reason, object_kind FROM audit_entry ORDER BY id")
    assert [tuple(row) for row in rows] == [
        ("challenge.guess", "failed", None, "sign_in_challenge"),
        ("user.sign_up", "ok", "phone", "app_user"),
        ("session.open", "ok", "sms", "app_user"),
    ]


def test_at_most_twenty_sms_an_hour_reach_one_number_prefix_and_nobody_learns_it(desk: SignIn) -> None:
    answers = 0
    for number in range(120):
        desk.wait(seconds=2)
        with contextlib.suppress(RateLimited):
            desk.ask(f"+1202555{number:04d}", number)
            answers += 1
    while desk.deliver():
        pass
    assert answers == 120
    assert len(desk.pigeon.brought) == 20


@pytest.mark.parametrize("to", ["+442079460000", "+18765550123"])
def test_no_sms_goes_where_money_is_not_meant_to_go(desk: SignIn, to: str) -> None:
    desk.ask(to)
    assert desk.deliver() == 1
    assert desk.pigeon.brought == []


def test_the_days_sms_are_capped(database: Database, tmp_path: Path) -> None:
    with open_desk(database, tmp_path, sms=SmsRules(("+1",), per_day=3)) as desk:
        for number in range(6):
            desk.ask(f"+1202{number}550123", number)
        desk.deliver()
        assert len(desk.pigeon.brought) == 3


def test_the_sms_switch_stops_sms_and_nothing_else(desk: SignIn) -> None:
    desk.database.run(lambda session: turn_on(session, "sms", by="ops:1", reason="pumping", now=desk.now))
    with pytest.raises(SwitchedOff):
        desk.ask(ANN)
    desk.enter(MAIL)


def test_the_signup_switch_lets_friends_in_and_tells_strangers_nothing(desk: SignIn) -> None:
    desk.enter(ANN)
    desk.wait(minutes=1)
    late = desk.ask(BOB)
    code = desk.code_for(BOB)
    desk.database.run(lambda session: turn_on(session, "signup", by="ops:1", reason="a farm", now=desk.now))
    with pytest.raises(SwitchedOff):
        desk.guess(late, code)
    desk.wait(minutes=1)
    brought = len(desk.pigeon.brought)
    desk.ask(BOB)
    desk.deliver()
    assert len(desk.pigeon.brought) == brought
    desk.enter(ANN)
    assert desk.count("app_user") == 1


def test_five_sign_ups_an_hour_from_one_place(desk: SignIn) -> None:
    for number in range(5):
        desk.wait(minutes=2)
        desk.enter(f"someone{number}@example.org")
    desk.wait(minutes=2)
    asked = desk.ask("late@example.org")
    code = desk.code_for("late@example.org")
    with pytest.raises(RateLimited):
        desk.guess(asked, code)
    assert desk.count("app_user") == 5
    desk.guess(asked, code, number=2)


def test_without_a_messenger_the_method_is_off_and_says_so(desk: SignIn) -> None:
    del desk.desk.messages._messengers[Channel.SMS]  # noqa: SLF001 - as an installation without one
    with pytest.raises(MethodOff):
        desk.ask(ANN)
    assert desk.count("sign_in_challenge") == 0


def test_times_are_told_with_the_answer(desk: SignIn) -> None:
    assert desk.ask().expires_at == desk.now + timedelta(minutes=10)
