"""Magic links: one use, one browser or its pair code, ten minutes, and nothing that a log could keep."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from nerava.identity.admission import MethodTooWeak
from nerava.identity.challenges import ChallengeOver, CodeWrong
from nerava.identity.links import LinkAsked, Links, Opening, PairCodeNeeded
from nerava.identity.messages import MethodOff
from nerava.identity.one_time import Guess
from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.identity.sessions import Opened
from nerava.platform.db import Database
from nerava.platform.limits import RateLimited
from tests.helpers.parallel import in_parallel
from tests.identity.desk import MAIL, PAGE, SignIn, asker, open_desk, other_than

pytestmark = pytest.mark.in_turn


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[SignIn]:
    with open_desk(database, tmp_path) as opened:
        yield opened


def ask(desk: SignIn, to: str = MAIL, number: int = 1) -> LinkAsked:
    """Ask for a link."""
    return desk.links.start(to, asker(number), desk.now)


def use(
    desk: SignIn, token: str, browser: str | None = None, pair_code: str | None = None, number: int = 1
) -> Opened:
    """Bring a link back."""
    return desk.links.consume(Opening(token, browser, pair_code), asker(number), desk.now)


def test_the_asking_browser_opens_the_link_at_once(desk: SignIn) -> None:
    asked = ask(desk)
    use(desk, desk.token_for(), asked.browser_token)
    assert [tuple(row) for row in desk.rows("SELECT methods FROM auth_session")] == [("link",)]
    assert [tuple(row) for row in desk.rows("SELECT kind FROM user_contact")] == [("email",)]


def test_a_link_and_a_code_to_one_mailbox_are_one_person(desk: SignIn) -> None:
    desk.enter(MAIL)
    desk.wait(minutes=1)
    asked = ask(desk)
    use(desk, desk.token_for(), asked.browser_token)
    assert (desk.count("app_user"), desk.count("auth_session")) == (1, 2)


def test_the_token_stands_behind_the_hash_and_only_its_hash_is_kept(desk: SignIn) -> None:
    ask(desk)
    token = desk.token_for()
    assert f"{PAGE}#{token}" in desk.pigeon.brought[-1][2]
    assert len(token) == 43
    [(kept,)] = desk.rows("SELECT token_hash FROM sign_in_challenge")
    assert bytes(kept) == hashlib.sha256(token.encode()).digest()


def test_a_link_works_once(desk: SignIn) -> None:
    asked = ask(desk)
    token = desk.token_for()
    use(desk, token, asked.browser_token)
    with pytest.raises(ChallengeOver):
        use(desk, token, asked.browser_token)


def test_of_twenty_at_once_one_opens_it(desk: SignIn) -> None:
    asked = ask(desk)
    token = desk.token_for()

    def open_it(number: int) -> bool:
        try:
            use(desk, token, asked.browser_token, number=number)
        except (ChallengeOver, RateLimited):
            return False
        return True

    assert in_parallel(20, open_it).count(True) == 1
    assert desk.count("auth_session") == 1


def test_after_ten_minutes_it_is_over(desk: SignIn) -> None:
    asked = ask(desk)
    token = desk.token_for()
    desk.wait(minutes=10)
    with pytest.raises(ChallengeOver):
        use(desk, token, asked.browser_token)


def test_one_link_lives_per_mailbox(desk: SignIn) -> None:
    first = ask(desk)
    old = desk.token_for()
    desk.wait(seconds=30)
    second = ask(desk)
    with pytest.raises(ChallengeOver):
        use(desk, old, first.browser_token)
    use(desk, desk.token_for(), second.browser_token)


def test_another_browser_needs_the_pair_code_and_asking_for_it_uses_nothing_up(desk: SignIn) -> None:
    asked = ask(desk)
    token = desk.token_for()
    for browser in (None, "another browser's", *[None] * 5):
        with pytest.raises(PairCodeNeeded):
            use(desk, token, browser, number=desk.count("audit_entry") + 2)
    use(desk, token, None, asked.pair_code, number=9)


def test_three_pair_codes_may_be_tried(desk: SignIn) -> None:
    asked = ask(desk)
    token = desk.token_for()
    for _ in range(3):
        with pytest.raises(CodeWrong):
            use(desk, token, None, other_than(asked.pair_code))
    with pytest.raises(ChallengeOver):
        use(desk, token, None, asked.pair_code)


def test_pair_codes_tried_at_once_are_three(desk: SignIn) -> None:
    asked = ask(desk)
    token = desk.token_for()

    def open_it(number: int) -> type[Exception]:
        try:
            use(desk, token, None, other_than(asked.pair_code), number)
        except (CodeWrong, ChallengeOver, RateLimited) as refused:
            return type(refused)
        raise AssertionError("a wrong pair code opened")

    assert in_parallel(20, open_it).count(CodeWrong) == 3


def test_the_pair_code_is_nothing_without_the_link(desk: SignIn) -> None:
    asked = ask(desk)
    desk.token_for()
    with pytest.raises(ChallengeOver):
        use(desk, "x" * 43, asked.browser_token, asked.pair_code)


def test_a_link_is_no_code_and_a_code_no_link(desk: SignIn) -> None:
    asked = ask(desk)
    token = desk.token_for()
    [(challenge_id,)] = desk.rows("SELECT id FROM sign_in_challenge")
    guess = Guess(UUID(str(challenge_id)), asked.pair_code, asked.browser_token)
    with pytest.raises(ChallengeOver):
        desk.codes.verify(guess, asker(), desk.now)
    use(desk, token, asked.browser_token)


def test_a_link_never_lets_ops_in(desk: SignIn) -> None:
    desk.enter(MAIL)
    [(user_id,)] = desk.rows("SELECT id FROM app_user")
    desk.wait(minutes=1)
    asked = ask(desk)
    token = desk.token_for()
    membership = Membership(Role.OPS_SUPPORT)
    desk.database.run(
        lambda session: grant_role(session, UUID(str(user_id)), membership, granted_by="test", now=desk.now)
    )
    with pytest.raises(MethodTooWeak):
        use(desk, token, asked.browser_token)
    with pytest.raises(ChallengeOver):
        use(desk, token, asked.browser_token)
    assert desk.count("auth_session") == 1


def test_links_are_limited_per_address_and_minute(desk: SignIn) -> None:
    for _ in range(10):
        with pytest.raises(ChallengeOver):
            use(desk, "x" * 43)
    with pytest.raises(RateLimited):
        use(desk, "x" * 43)


def test_without_a_page_links_are_off_and_say_so(desk: SignIn) -> None:
    with pytest.raises(MethodOff):
        Links(desk.desk, None).start(MAIL, asker(), desk.now)
    assert desk.count("sign_in_challenge") == 0
