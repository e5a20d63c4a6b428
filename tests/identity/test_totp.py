"""Authenticator apps: the codes of RFC 6238, used once, guessed seldom, added and removed by nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nerava.identity import challenge_store, factor_store
from nerava.identity.errors import StepUpRequired
from nerava.identity.factors import FactorExists, FactorMissing, FactorWrong, SignInStale
from nerava.identity.totp import code_at, matching_step, step_of
from nerava.identity.user_store import owner_of
from nerava.kernel.ids import new_id
from nerava.platform.db import Database
from nerava.platform.limits import RateLimited
from nerava.platform.problem import NotFound
from nerava.platform.vault import KeyDestroyed
from tests.helpers.parallel import in_parallel
from tests.identity.desk import MAIL, asker, other_than
from tests.identity.prover import Prover, open_prover

pytestmark = pytest.mark.in_turn

RFC_SEED = b"12345678901234567890"


@pytest.fixture
def prover(database: Database, tmp_path: Path) -> Iterator[Prover]:
    with open_prover(database, tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ],
)
def test_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    assert code_at(RFC_SEED, step_of(at)) == code
    assert matching_step(RFC_SEED, code, at) == seconds // 30


@pytest.mark.parametrize(("off", "accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_half_a_minute_off(off: int, accepted: bool) -> None:
    at = datetime(2026, 11, 22, 12, tzinfo=UTC)
    found = matching_step(RFC_SEED, code_at(RFC_SEED, step_of(at) + off), at)
    assert found == (step_of(at) + off if accepted else None)


def test_a_code_makes_the_session_strong(prover: Prover) -> None:
    holder = prover.holder()
    seed = prover.with_app(holder)
    assert prover.standing(holder).strong_at is None
    prover.desk.wait(seconds=30)
    prover.proving.authenticators.step_up(holder, prover.code(seed), prover.desk.now)
    standing = prover.standing(holder)
    assert (standing.strong_at, standing.passkey_at) == (prover.desk.now, None)
    assert standing.methods == ("sms", "totp")
    assert prover.actions() == [("factor.add", "ok"), ("session.step_up", "ok")]


def test_codes_by_sms_and_mail_never_make_a_session_strong(prover: Prover) -> None:
    holder = prover.holder()
    for method in ("sms", "email", "link", "google", "apple"):
        prover.desk.database.run(
            lambda session, method=method: prover.sessions.step_up(
                session, holder.session_id, method, prover.desk.now
            )
        )
    assert prover.standing(holder).strong_at is None


def test_a_step_is_used_once_and_takes_those_before_it_along(prover: Prover) -> None:
    holder = prover.holder()
    seed = prover.with_app(holder)
    now, step_up = prover.desk.now, prover.proving.authenticators.step_up
    with pytest.raises(FactorWrong):
        step_up(holder, prover.code(seed), now)
    step_up(holder, prover.code(seed, 1), now)
    for steps in (1, 0):
        with pytest.raises(FactorWrong):
            step_up(holder, prover.code(seed, steps), now)
    assert prover.actions().count(("session.step_up", "failed")) == 3


def test_one_code_shown_five_times_at_once_works_once(prover: Prover) -> None:
    holder = prover.holder()
    seed = prover.with_app(holder)
    prover.desk.wait(minutes=16)
    code = prover.code(seed)

    def show(number: int) -> bool:
        try:
            prover.proving.authenticators.step_up(replace(holder, asker=asker(number)), code, prover.desk.now)
        except FactorWrong:
            return False
        return True

    assert in_parallel(5, show).count(True) == 1
    assert prover.actions().count(("session.step_up", "ok")) == 1


def test_the_sixth_try_in_a_quarter_is_not_looked_at(prover: Prover) -> None:
    holder = prover.holder()
    seed = prover.with_app(holder)
    prover.desk.wait(minutes=16)
    for _ in range(5):
        with pytest.raises(FactorWrong):
            prover.proving.authenticators.step_up(holder, other_than(prover.code(seed)), prover.desk.now)
    with pytest.raises(RateLimited):
        prover.proving.authenticators.step_up(holder, prover.code(seed), prover.desk.now)
    prover.desk.wait(minutes=15)
    prover.proving.authenticators.step_up(holder, prover.code(seed), prover.desk.now)


def test_whoever_has_no_app_cannot_show_one(prover: Prover) -> None:
    with pytest.raises(FactorMissing):
        prover.proving.authenticators.step_up(prover.holder(), "000000", prover.desk.now)


def test_the_first_factor_is_added_right_after_signing_in(prover: Prover) -> None:
    holder = prover.holder()
    prover.desk.wait(minutes=5, seconds=1)
    with pytest.raises(SignInStale):
        prover.proving.authenticators.begin(holder, "phone", prover.desk.now)
    assert prover.desk.count("factor_totp") == 0


def test_an_app_counts_when_its_first_code_was_shown_and_not_before(prover: Prover) -> None:
    holder = prover.holder()
    setup = prover.proving.authenticators.begin(holder, "phone", prover.desk.now)
    with pytest.raises(FactorMissing):
        prover.proving.authenticators.step_up(holder, "000000", prover.desk.now)
    assert prover.desk.database.read(lambda session: prover.proving.factors.of(session, holder.user_id)) == []
    with pytest.raises(FactorWrong):
        prover.proving.authenticators.confirm(holder, setup.factor_id, "000000", prover.desk.now)
    assert prover.desk.rows("SELECT confirmed_at FROM factor_totp")[0][0] is None


def test_an_app_is_confirmed_where_it_was_set_up_and_within_ten_minutes(prover: Prover) -> None:
    holder = prover.holder()
    begin, confirm = prover.proving.authenticators.begin, prover.proving.authenticators.confirm
    setup = begin(holder, "phone", prover.desk.now)
    for stranger in (replace(holder, session_id=new_id()), replace(holder, user_id=new_id())):
        with pytest.raises(NotFound):
            confirm(stranger, setup.factor_id, "000000", prover.desk.now)
    prover.desk.wait(minutes=10)
    with pytest.raises(NotFound):
        confirm(holder, setup.factor_id, "000000", prover.desk.now)
    assert prover.desk.database.run(lambda session: factor_store.purge(session, prover.desk.now)) == 0
    prover.desk.wait(seconds=1)
    assert prover.desk.database.run(lambda session: factor_store.purge(session, prover.desk.now)) == 1


def test_a_new_factor_ends_all_other_sessions_and_tells_the_user(prover: Prover) -> None:
    prover.holder(prover.desk.enter(MAIL))
    prover.desk.wait(minutes=1)
    prover.desk.enter(MAIL)
    prover.desk.wait(minutes=1)
    holder = prover.holder(prover.desk.enter(MAIL))
    assert prover.open_sessions() == 3
    prover.with_app(holder)
    assert prover.open_sessions() == 1
    assert not prover.standing(holder).ended
    prover.desk.deliver()
    channel, to, text = prover.desk.pigeon.brought[-1]
    assert (channel.value, to) == ("email", MAIL)
    assert text.startswith("An authenticator app was added to your Nerava account.")


def test_who_has_a_factor_shows_it_before_changing_any(prover: Prover) -> None:
    holder = prover.holder()
    seed = prover.with_app(holder)
    [factor] = prover.desk.database.read(lambda session: prover.proving.factors.of(session, holder.user_id))
    for change in (
        lambda: prover.proving.factors.remove(holder, factor.id, prover.desk.now),
        lambda: prover.proving.passkeys.begin_adding(holder, "laptop", prover.desk.now),
        lambda: prover.proving.authenticators.begin(holder, "other", prover.desk.now),
    ):
        with pytest.raises(StepUpRequired):
            change()
    prover.desk.wait(seconds=30)
    prover.proving.authenticators.step_up(holder, prover.code(seed), prover.desk.now)
    with pytest.raises(FactorExists):
        prover.proving.authenticators.begin(holder, "other", prover.desk.now)
    prover.desk.wait(minutes=5, seconds=1)
    with pytest.raises(StepUpRequired):
        prover.proving.factors.remove(holder, factor.id, prover.desk.now)
    prover.proving.authenticators.step_up(holder, prover.code(seed), prover.desk.now)
    with pytest.raises(NotFound):
        prover.proving.factors.remove(holder, new_id(), prover.desk.now)
    prover.proving.factors.remove(holder, factor.id, prover.desk.now)
    assert prover.desk.count("factor_totp") == 0
    assert prover.actions()[-1] == ("factor.remove", "ok")


def test_the_seed_stands_nowhere_and_goes_with_the_users_key(prover: Prover) -> None:
    holder = prover.holder()
    seed = prover.with_app(holder)
    sealed = bytes(prover.desk.rows("SELECT sealed FROM factor_totp")[0][0])
    assert seed not in sealed
    prover.desk.database.run(
        lambda session: prover.desk.desk.vault.destroy(session, owner_of(holder.user_id), prover.desk.now)
    )
    prover.desk.wait(seconds=30)
    with pytest.raises(KeyDestroyed):
        prover.proving.authenticators.step_up(holder, prover.code(seed), prover.desk.now)


def test_a_strong_factor_forgives_wrong_codes(prover: Prover) -> None:
    holder = prover.holder()
    seed = prover.with_app(holder)
    identity = prover.desk.desk.vault.index("identity", f"user:{holder.user_id}")
    prover.desk.database.run(
        lambda session: challenge_store.count_failure(session, identity, prover.desk.now)
    )
    prover.desk.wait(seconds=30)
    prover.proving.authenticators.step_up(replace(holder, asker=asker(9)), prover.code(seed), prover.desk.now)
    assert prover.desk.database.read(lambda session: challenge_store.failures_of(session, identity)) == 0
