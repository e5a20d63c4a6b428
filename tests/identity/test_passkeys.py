"""Passkeys: one answer to one challenge, from our pages, by a verified user, and never from two copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from nerava.identity.admission import MethodTooWeak
from nerava.identity.errors import AccountSuspended, StepUpRequired
from nerava.identity.factors import (
    FactorExists,
    FactorMissing,
    FactorWrong,
    Holder,
    LastPasskey,
    SignInStale,
    TooManyFactors,
)
from nerava.identity.messages import MethodOff
from nerava.identity.passkeys import LIFE, PASSKEYS_MAX, PasskeyRefused, Passkeys
from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.kernel.ids import new_id
from nerava.platform.db import Database
from nerava.platform.limits import RateLimited
from tests.helpers.authenticator import Authenticator, Bent
from tests.helpers.parallel import in_parallel
from tests.identity.desk import MAIL, asker
from tests.identity.prover import Prover, open_prover

pytestmark = pytest.mark.in_turn

BENT = {
    "another origin": Bent(origin="https://nerava.example.evil.example"),
    "the origin in another spelling": Bent(origin="https://NERAVA.example"),
    "no transport security": Bent(origin="http://nerava.example"),
    "another domain": Bent(domain="evil.example"),
    "another challenge": Bent(challenge=bytes(32)),
    "the other ceremony": Bent(kind="webauthn.other"),
    "nobody was verified": Bent(verified=False),
    "nobody was there": Bent(present=False),
}
FORGED = BENT | {
    "another key": Bent(key=ec.generate_private_key(ec.SECP256R1())),
    "another user": Bent(handle=new_id().bytes),
}


@pytest.fixture
def prover(database: Database, tmp_path: Path) -> Iterator[Prover]:
    with open_prover(database, tmp_path) as opened:
        yield opened


@pytest.fixture
def holder(prover: Prover) -> Holder:
    return prover.holder(prover.desk.enter(MAIL))


def enter(prover: Prover, authenticator: Authenticator, bent: Bent | None = None, number: int = 1) -> Any:
    """Sign in with a passkey."""
    passkeys, now = prover.proving.passkeys, prover.desk.now
    ceremony = passkeys.begin_sign_in(now)
    answer = authenticator.answer(ceremony.options, bent or Bent())
    return passkeys.sign_in(ceremony.id, answer, asker(number), now)


def make_ops(prover: Prover, holder: Holder) -> None:
    """Give somebody a role of ops."""
    role = Membership(Role.OPS_ADMIN)
    prover.desk.database.run(
        lambda session: grant_role(session, holder.user_id, role, granted_by="test", now=prover.desk.now)
    )


def test_a_passkey_signs_in_and_is_strong_at_once(prover: Prover, holder: Holder) -> None:
    opened = enter(prover, prover.with_passkey(holder))
    standing = prover.standing(prover.holder(opened))
    assert standing.user_id == holder.user_id
    assert standing.methods == ("passkey",)
    assert standing.strong_at == standing.passkey_at == prover.desk.now


def test_a_challenge_names_nobody_and_asks_for_a_verified_user(prover: Prover, holder: Holder) -> None:
    prover.with_passkey(holder)
    ceremony = prover.proving.passkeys.begin_sign_in(prover.desk.now)
    assert ceremony.options["allowCredentials"] == []
    assert ceremony.options["userVerification"] == "required"
    assert ceremony.options["rpId"] == "nerava.example"


@pytest.mark.parametrize("bent", FORGED.values(), ids=FORGED)
def test_an_answer_that_is_not_right_in_every_part_lets_nobody_in(
    prover: Prover, holder: Holder, bent: Bent
) -> None:
    authenticator = prover.with_passkey(holder)
    with pytest.raises(PasskeyRefused):
        enter(prover, authenticator, bent)
    [(last_used_at, count)] = prover.desk.rows("SELECT last_used_at, sign_count FROM factor_passkey")
    assert (last_used_at, count) == (None, 0)
    failed = prover.desk.rows("SELECT count(*) FROM audit_entry WHERE object_kind = 'passkey_ceremony'")
    assert failed[0][0] == 1
    enter(prover, authenticator)


@pytest.mark.parametrize("bent", BENT.values(), ids=BENT)
def test_a_passkey_is_added_from_our_pages_by_a_verified_user_only(
    prover: Prover, holder: Holder, bent: Bent
) -> None:
    passkeys, now = prover.proving.passkeys, prover.desk.now
    ceremony = passkeys.begin_adding(holder, "laptop", now)
    with pytest.raises(FactorWrong):
        passkeys.add(holder, ceremony.id, Authenticator().make(ceremony.options, bent), label="x", now=now)
    with pytest.raises(FactorWrong):  # The challenge is used up by the first answer.
        passkeys.add(holder, ceremony.id, Authenticator().make(ceremony.options), label="x", now=now)
    assert prover.desk.count("factor_passkey") == 0


@pytest.mark.parametrize(
    "answer",
    [{}, {"rawId": 7}, {"rawId": "é"}, {"id": "AA", "rawId": "AA", "type": "public-key", "response": {}}],
)
def test_an_answer_that_is_none_is_refused(prover: Prover, holder: Holder, answer: dict[str, Any]) -> None:
    passkeys, now = prover.proving.passkeys, prover.desk.now
    with pytest.raises(PasskeyRefused):
        passkeys.sign_in(passkeys.begin_sign_in(now).id, answer, asker(), now)
    with pytest.raises(FactorWrong):
        passkeys.add(holder, passkeys.begin_adding(holder, "x", now).id, answer, label="x", now=now)


def test_one_answer_that_comes_five_times_at_once_opens_one_session(prover: Prover, holder: Holder) -> None:
    # One that does not count, so that nothing but the challenge refuses the others.
    authenticator = prover.with_passkey(holder, Authenticator(counts=False))
    passkeys, now = prover.proving.passkeys, prover.desk.now
    ceremony = passkeys.begin_sign_in(now)
    answer = authenticator.answer(ceremony.options)

    def come(number: int) -> bool:
        try:
            passkeys.sign_in(ceremony.id, answer, asker(number), now)
        except PasskeyRefused:
            return False
        return True

    assert in_parallel(5, come).count(True) == 1
    assert prover.open_sessions() == 2


def test_a_challenge_ends_after_five_minutes_and_is_good_for_its_own_kind(
    prover: Prover, holder: Holder
) -> None:
    authenticator, passkeys = prover.with_passkey(holder), prover.proving.passkeys
    late = passkeys.begin_sign_in(prover.desk.now)
    answer = authenticator.answer(late.options)
    with pytest.raises(PasskeyRefused):
        passkeys.sign_in(late.id, answer, asker(), prover.desk.now + LIFE)
    other = passkeys.begin_step_up(holder, prover.desk.now)
    with pytest.raises(PasskeyRefused):
        passkeys.sign_in(other.id, authenticator.answer(other.options), asker(), prover.desk.now)
    passkeys.step_up(holder, other.id, authenticator.answer(other.options), prover.desk.now)


def test_a_copy_that_counts_behind_is_refused(prover: Prover, holder: Holder) -> None:
    original = prover.with_passkey(holder)
    copy = replace(original)
    enter(prover, original)
    enter(prover, original)
    with pytest.raises(PasskeyRefused):
        enter(prover, copy)
    assert prover.desk.rows("SELECT sign_count FROM factor_passkey")[0][0] == 2


def test_a_passkey_that_never_counts_goes_on_so(prover: Prover, holder: Holder) -> None:
    authenticator = prover.with_passkey(holder, Authenticator(counts=False))
    enter(prover, authenticator)
    enter(prover, authenticator)


def test_a_passkey_is_shown_again_on_a_session_of_its_user_only(prover: Prover, holder: Holder) -> None:
    authenticator, passkeys = prover.with_passkey(holder), prover.proving.passkeys
    ceremony = passkeys.begin_step_up(holder, prover.desk.now)
    assert [one["type"] for one in ceremony.options["allowCredentials"]] == ["public-key"]
    stranger = prover.holder()
    with pytest.raises(FactorMissing):
        passkeys.begin_step_up(stranger, prover.desk.now)
    for other in (stranger, replace(holder, session_id=stranger.session_id)):
        with pytest.raises(FactorWrong):
            passkeys.step_up(other, ceremony.id, authenticator.answer(ceremony.options), prover.desk.now)
    passkeys.step_up(holder, ceremony.id, authenticator.answer(ceremony.options), prover.desk.now)
    standing = prover.standing(holder)
    assert standing.passkey_at == standing.strong_at == prover.desk.now
    with pytest.raises(FactorWrong):
        passkeys.step_up(holder, ceremony.id, authenticator.answer(ceremony.options), prover.desk.now)


def test_the_sixth_try_in_a_quarter_uses_nothing_up(prover: Prover, holder: Holder) -> None:
    authenticator, passkeys = prover.with_passkey(holder), prover.proving.passkeys
    for _ in range(5):
        with pytest.raises(PasskeyRefused):
            enter(prover, authenticator, FORGED["another key"])
    ceremony = passkeys.begin_sign_in(prover.desk.now)
    with pytest.raises(RateLimited):
        passkeys.sign_in(ceremony.id, authenticator.answer(ceremony.options), asker(), prover.desk.now)
    assert prover.desk.rows("SELECT count(*) FROM passkey_ceremony WHERE used_at IS NULL")[0][0] == 1


def test_a_passkey_is_one_accounts_and_an_account_has_ten_at_most(prover: Prover, holder: Holder) -> None:
    passkeys, now = prover.proving.passkeys, prover.desk.now
    mine = prover.with_passkey(holder)
    stranger = prover.holder()
    with pytest.raises(FactorExists):
        prover.with_passkey(stranger, replace(mine))
    ceremony = passkeys.begin_step_up(holder, now)
    assert len(ceremony.options["allowCredentials"]) == 1
    passkeys.step_up(holder, ceremony.id, mine.answer(ceremony.options), now)
    for _ in range(PASSKEYS_MAX - 1):
        prover.with_passkey(holder)
    with pytest.raises(TooManyFactors):
        prover.with_passkey(holder)


def test_a_new_passkey_ends_other_sessions_and_a_stale_sign_in_adds_none(
    prover: Prover, holder: Holder
) -> None:
    prover.desk.wait(minutes=1)
    other = prover.holder(prover.desk.enter(MAIL))
    prover.with_passkey(holder)
    assert (prover.standing(other).ended, prover.standing(holder).ended) == (True, False)
    prover.desk.deliver()
    assert prover.desk.pigeon.brought[-1][2].startswith("A passkey was added to your Nerava account.")
    with pytest.raises(StepUpRequired):
        prover.with_passkey(holder)
    stranger = prover.holder()
    prover.desk.wait(minutes=5, seconds=1)
    with pytest.raises(SignInStale):
        prover.with_passkey(stranger)


def test_ops_come_in_by_passkey_and_nothing_else_and_keep_one(prover: Prover, holder: Holder) -> None:
    authenticator = prover.with_passkey(holder)
    prover.desk.wait(minutes=1)
    asked = prover.desk.ask(MAIL)
    code = prover.desk.code_for(MAIL)
    make_ops(prover, holder)
    with pytest.raises(MethodTooWeak):
        prover.desk.guess(asked, code)
    opened = prover.holder(enter(prover, authenticator))
    life = prover.standing(opened).expires_at - prover.desk.now
    assert life.total_seconds() == 8 * 3_600
    [factor] = prover.desk.database.read(lambda session: prover.proving.factors.of(session, holder.user_id))
    with pytest.raises(LastPasskey):
        prover.proving.factors.remove(opened, factor.id, prover.desk.now)
    prover.with_passkey(opened)
    prover.proving.factors.remove(opened, factor.id, prover.desk.now)
    with pytest.raises(PasskeyRefused):
        enter(prover, authenticator)


def test_an_authenticator_app_does_not_let_ops_change_factors(prover: Prover, holder: Holder) -> None:
    seed = prover.with_app(holder)
    prover.desk.wait(seconds=30)
    prover.proving.authenticators.step_up(holder, prover.code(seed), prover.desk.now)
    prover.with_passkey(holder)
    make_ops(prover, holder)
    with pytest.raises(StepUpRequired) as refused:
        prover.with_passkey(holder)
    assert refused.value.step_up == "passkey"


def test_a_suspended_account_has_no_use_of_its_passkey(prover: Prover, holder: Holder) -> None:
    authenticator = prover.with_passkey(holder)
    prover.desk.change("UPDATE app_user SET state = 'suspended'")
    with pytest.raises(AccountSuspended):
        enter(prover, authenticator)
    assert prover.desk.rows("SELECT count(*) FROM audit_entry WHERE result = 'denied'")[0][0] == 1


def test_without_a_domain_passkeys_are_off(prover: Prover, holder: Holder) -> None:
    off = Passkeys(prover.proving.factors, prover.desk.desk.admission, None)
    with pytest.raises(MethodOff):
        off.begin_sign_in(prover.desk.now)
    with pytest.raises(MethodOff):
        off.sign_in(new_id(), {}, asker(), prover.desk.now)
    with pytest.raises(MethodOff):
        off.begin_adding(holder, "x", prover.desk.now)
    with pytest.raises(MethodOff):
        off.begin_step_up(holder, prover.desk.now)
