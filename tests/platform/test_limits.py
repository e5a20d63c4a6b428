"""Limits let through exactly what their numbers say: at the boundary, in parallel, after a restart."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from nerava.kernel.clock import FixedClock
from nerava.platform.client_address import Client
from nerava.platform.db import Database, EngineOptions
from nerava.platform.limit_numbers import (
    API,
    API_KEY_FAILURE,
    CAPTURE_WRONG,
    HOUR,
    LIMITS,
    MINUTE,
    RING_MAX,
    SMS_START,
    Limit,
    LimitSet,
    Per,
    every_limit,
)
from nerava.platform.limit_window import NOTHING, Standing, judge
from nerava.platform.limits import Limits, RateLimited, limit_headers
from nerava.platform.limits_store import LimitState
from nerava.platform.problem import NOWHERE, problem_response
from nerava.platform.secrets import SecretKind, Secrets
from tests.helpers.parallel import Processes, in_parallel

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
US = timedelta(microseconds=1)
SECRETS = Secrets({SecretKind.IDENTIFIER: base64.b64encode(bytes(range(32))).decode()}, FixedClock(NOON))
HOME = Client("198.51.100.7", "198.51.100.0/24")

THREE: LimitSet = LimitSet("three", (Per.TARGET, 3, MINUTE))
HUNDRED: LimitSet = LimitSet("hundred", (Per.TARGET, 100, timedelta(seconds=100)))
FIFTY: LimitSet = LimitSet("fifty", (Per.TARGET, 50, MINUTE))


@pytest.fixture
def limits(database: Database) -> Limits:
    """Limits on the fresh database."""
    return Limits(database, SECRETS)


def accepted(limits: Limits, hits: list[tuple[Limit, str]], now: datetime) -> bool:
    """Hit and return whether it was accepted."""
    try:
        limits.hit_now(hits, now)
    except RateLimited:
        return False
    return True


def refusal(limits: Limits, hits: list[tuple[Limit, str]], now: datetime) -> RateLimited:
    """Hit in vain and return why."""
    with pytest.raises(RateLimited) as refused:
        limits.hit_now(hits, now)
    return refused.value


def rows(database: Database) -> int:
    """Return how many rows of limits there are."""
    return database.read(lambda session: session.scalar(select(func.count()).select_from(LimitState))) or 0


def test_a_window_slides_to_the_microsecond(limits: Limits) -> None:
    hits = THREE.keyed(target="x")
    for second in (0, 10, 20):
        assert accepted(limits, hits, NOON + timedelta(seconds=second))
    first_leaves = NOON + MINUTE
    assert not accepted(limits, hits, first_leaves - US)
    assert accepted(limits, hits, first_leaves)
    assert not accepted(limits, hits, first_leaves + timedelta(seconds=10) - US)
    assert accepted(limits, hits, first_leaves + timedelta(seconds=10))


def test_what_was_refused_does_not_count(limits: Limits) -> None:
    hits = THREE.keyed(target="x")
    assert [accepted(limits, hits, NOON) for _ in range(50)] == [True] * 3 + [False] * 47
    assert [accepted(limits, hits, NOON + MINUTE) for _ in range(4)] == [True] * 3 + [False]


def test_a_large_quota_is_a_bucket_that_empties_evenly(limits: Limits) -> None:
    hits = HUNDRED.keyed(target="x")
    assert sum(accepted(limits, hits, NOON) for _ in range(120)) == 100
    assert not accepted(limits, hits, NOON + timedelta(seconds=1) - US)
    assert [accepted(limits, hits, NOON + timedelta(seconds=1)) for _ in range(2)] == [True, False]
    assert sum(accepted(limits, hits, NOON + timedelta(seconds=500)) for _ in range(120)) == 100


@given(st.lists(st.integers(min_value=0, max_value=40), max_size=60), st.integers(min_value=1, max_value=6))
def test_no_window_ever_holds_more_than_the_quota_and_none_is_refused_without_need(
    pauses: list[int], quota: int
) -> None:
    limit = Limit("any", quota, MINUTE, Per.TARGET)
    window = 60_000_000
    counts, now, log = NOTHING, 1_000_000_000, []
    for pause in pauses:
        now += pause * 1_000_000
        judged = judge(limit, quota, counts, now)
        recent = [at for at in log if at > now - window]
        assert judged.accepted == (len(recent) < quota)
        if judged.accepted:
            log.append(now)
            assert judged.standing.remaining == quota - len(recent) - 1
        counts = judged.counts


def test_a_clock_that_steps_back_opens_no_window(limits: Limits) -> None:
    for hits, quota in ((THREE.keyed(target="x"), 3), (HUNDRED.keyed(target="x"), 100)):
        for _ in range(quota):
            assert accepted(limits, hits, NOON)
        for back in (US, timedelta(minutes=10), timedelta(days=2)):
            assert not accepted(limits, hits, NOON - back)


def test_a_hit_by_a_clock_that_is_behind_counts_at_the_time_of_the_last_one(limits: Limits) -> None:
    hits = THREE.keyed(target="x")
    for at in (NOON, NOON, NOON - timedelta(minutes=10)):
        assert accepted(limits, hits, at)
    assert not accepted(limits, hits, NOON + MINUTE - US)
    assert accepted(limits, hits, NOON + MINUTE)


def test_all_limits_are_hit_or_none(limits: Limits, database: Database) -> None:
    other = LimitSet("other", (Per.IDENTITY, 5, HOUR))
    both = THREE.keyed(target="x") + other.keyed(identity="me")
    for _ in range(3):
        limits.hit_now(both, NOON)
    assert [one.limit.id for one in refusal(limits, both, NOON).violated] == ["three-target-1m"]
    (standing,) = limits.check_now(other.keyed(identity="me"), NOON)
    assert standing.remaining == 2
    assert rows(database) == 2


def test_many_are_counted_at_once_as_if_one_after_the_other(limits: Limits, database: Database) -> None:
    [limit] = THREE.limits
    [other] = FIFTY.limits
    asked = [[(limit, "a"), (other, str(number))] for number in range(5)] + [[(limit, "b")]]

    answers = limits.hit_each_now(asked, NOON)

    assert [isinstance(one, RateLimited) for one in answers] == [False, False, False, True, True, False]
    assert [one[0].remaining for one in answers[:3] if not isinstance(one, RateLimited)] == [2, 1, 0]
    assert not accepted(limits, [(limit, "a")], NOON)
    assert accepted(limits, [(limit, "b")], NOON)
    refused = database.read(lambda session: limits.check(session, [(other, "3")], NOON))
    assert [one.remaining for one in refused] == [50], "who is refused by one limit counts for none"


def test_a_refusal_that_is_caught_leaves_the_callers_work_alone(limits: Limits, database: Database) -> None:
    kept, spent = THREE.keyed(target="kept"), THREE.keyed(target="spent")
    for _ in range(3):
        limits.hit_now(spent, NOON)

    def work(session: Any) -> None:
        limits.hit(session, kept, NOON)
        for _ in range(5):
            with pytest.raises(RateLimited):
                limits.hit(session, [*kept, *spent], NOON)

    database.run(work)
    assert limits.check_now(kept, NOON)[0].remaining == 2


def test_what_is_rolled_back_does_not_count(limits: Limits, database: Database) -> None:
    class Changed(Exception):
        pass

    def work(session: Any) -> None:
        limits.hit(session, THREE.keyed(target="x"), NOON)
        raise Changed

    for _ in range(5):
        with pytest.raises(Changed):
            database.run(work)
    assert limits.check_now(THREE.keyed(target="x"), NOON)[0].remaining == 3


def test_a_check_counts_nothing_and_refuses_what_a_hit_would(limits: Limits) -> None:
    hits = THREE.keyed(target="x")
    for _ in range(10):
        limits.check_now(hits, NOON)
    for _ in range(3):
        limits.hit_now(hits, NOON)
    with pytest.raises(RateLimited):
        limits.check_now(hits, NOON)
    limits.check_now(hits, NOON + MINUTE)


def test_a_penalty_begins_with_the_last_hit_of_the_quota(limits: Limits) -> None:
    hits = API_KEY_FAILURE.keyed(client=HOME)
    for second in range(20):
        limits.hit_now(hits, NOON + timedelta(seconds=second))
    spent = NOON + timedelta(seconds=19)
    refused = refusal(limits, hits, NOON + timedelta(seconds=70))
    assert refused.violated[0].limit.id == "api-key-failure-address-1m"
    assert refused.retry_after_s == 600 - 51
    assert not accepted(limits, hits, spent + timedelta(minutes=10) - US)
    assert accepted(limits, hits, spent + timedelta(minutes=10))
    # The block of addresses has no penalty: a neighbour is not locked out with it.
    neighbour = Client("198.51.100.8", HOME.block)
    assert accepted(limits, API_KEY_FAILURE.keyed(client=neighbour), spent + timedelta(minutes=10))


def test_a_register_is_locked_for_a_quarter_after_five_wrong_codes(limits: Limits) -> None:
    hits = CAPTURE_WRONG.keyed(target="register", identity="merchant", client=HOME)
    for _ in range(5):
        limits.hit_now(hits, NOON)
    assert refusal(limits, hits, NOON + timedelta(minutes=14)).retry_after_s == 60
    assert accepted(limits, hits, NOON + timedelta(minutes=15))


def test_forgiven_keys_start_anew(limits: Limits, database: Database) -> None:
    hits = CAPTURE_WRONG.keyed(target="register", identity="merchant", client=HOME)
    for _ in range(5):
        limits.hit_now(hits, NOON)
    database.run(lambda session: limits.forgive(session, hits[:1]))
    assert accepted(limits, hits, NOON)


@pytest.mark.parametrize("limit_set", [THREE, FIFTY, HUNDRED], ids=lambda one: one.name)
def test_sixty_four_at_once_are_counted_one_by_one(limits: Limits, limit_set: LimitSet) -> None:
    (limit,) = limit_set.limits
    answers = in_parallel(64, lambda _: accepted(limits, limit_set.keyed(target="x"), NOON))
    assert sum(answers) == min(64, limit.quota)


def test_many_limits_hit_at_once_in_any_order_never_wait_in_a_circle(limits: Limits) -> None:
    def call(number: int) -> bool:
        hits = SMS_START.keyed(
            target=f"t{number}",
            identity=f"i{number % 7}",
            client=Client(f"a{number % 3}", "b"),
            prefix="1415555",
        )
        return accepted(limits, hits if number % 2 else hits[::-1], NOON)

    # 20 per number prefix is the smallest that all of them share.
    assert sum(in_parallel(64, call)) == 20


def _hit(limits: Limits, number: int, key: str, limit_set: LimitSet) -> tuple[int, bool]:
    return os.getpid(), accepted(limits, limit_set.keyed(target=key), NOON)


def _enter(url: str) -> tuple[Limits, Callable[[], None]]:
    database = Database(url, EngineOptions(pool_size=16, pool_wait_ms=30_000, lock_timeout_ms=30_000))
    return Limits(database, SECRETS), database.close


def test_processes_share_a_limit_exactly(database_url: Callable[[str], Any]) -> None:
    with database_url("postgresql") as url, Processes(4) as crowd:
        answers = crowd.at(url, _enter).run(_hit, 400, "x", FIFTY)
    assert len({pid for pid, _ in answers}) == 4
    assert sum(passed for _, passed in answers) == 50


def test_a_restart_forgets_nothing(url: str) -> None:
    for expected in ([True, True, True], [False] * 3):
        database = Database(url)
        try:
            limits = Limits(database, SECRETS)
            assert [accepted(limits, THREE.keyed(target="x"), NOON) for _ in range(3)] == expected
        finally:
            database.close()


def test_the_rows_name_nobody_and_tell_limits_apart(limits: Limits, database: Database) -> None:
    limits.hit_now(
        SMS_START.keyed(target="+14155550100", identity="+14155550100", client=HOME, prefix="+1"), NOON
    )
    found = database.run(lambda session: session.scalars(select(LimitState)).all())
    assert len({one.key_hmac for one in found}) == len(found) == len(SMS_START.limits)
    assert all(len(one.key_hmac) == 32 and b"4155550100" not in one.key_hmac for one in found)


def test_rows_go_when_they_say_nothing_any_more_and_not_before(limits: Limits, database: Database) -> None:
    three, hundred = THREE.keyed(target="x"), HUNDRED.keyed(target="x")
    limits.hit_now(three, NOON)
    limits.hit_now(hundred, NOON)
    limits.hit_now(API_KEY_FAILURE.keyed(client=HOME), NOON)

    def purge(now: datetime) -> int:
        return database.run(lambda session: limits.purge(session, now))

    assert purge(NOON + MINUTE) == 0
    assert rows(database) == 4
    assert purge(NOON + 2 * MINUTE + US) == 4
    assert rows(database) == 0


def test_purging_while_others_hit_loses_no_hit(limits: Limits, database: Database) -> None:
    for number in range(30):
        limits.hit_now(THREE.keyed(target=str(number)), NOON)
    later = NOON + 3 * MINUTE

    def call(number: int) -> bool:
        if number % 4 == 0:
            database.run(lambda session: limits.purge(session, later))
            return False
        return accepted(limits, THREE.keyed(target=str(number % 3)), later)

    assert sum(in_parallel(64, call)) == 9


def test_settings_make_a_quota_smaller_and_never_larger(database: Database) -> None:
    (limit,) = THREE.limits
    for wanted, quota in ((1, 1), (3, 3), (99, 3)):
        assert Limits(database, SECRETS, tighter={limit.id: wanted}).quota_of(limit) == quota
    tight = Limits(database, SECRETS, tighter={limit.id: 1})
    assert [accepted(tight, THREE.keyed(target="x"), NOON) for _ in range(2)] == [True, False]


def test_a_quota_made_smaller_later_counts_what_was_there(database: Database) -> None:
    (limit,) = THREE.limits
    hits = THREE.keyed(target="x")
    for second in range(3):
        Limits(database, SECRETS).hit_now(hits, NOON + timedelta(seconds=second))
    tight = Limits(database, SECRETS, tighter={limit.id: 2})
    assert refusal(tight, hits, NOON + timedelta(seconds=3)).retry_after_s == 58
    assert accepted(tight, hits, NOON + timedelta(seconds=61))


def test_a_refusal_says_which_limit_and_when_to_come_back(limits: Limits) -> None:
    hits = THREE.keyed(target="x")
    for _ in range(3):
        limits.hit_now(hits, NOON)
    refused = refusal(limits, hits, NOON + timedelta(seconds=20, microseconds=1))
    answer = problem_response(refused, NOWHERE)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "40"
    assert answer.headers["ratelimit-policy"] == '"three-target-1m";q=3;w=60'
    assert answer.headers["ratelimit"] == '"three-target-1m";r=0;t=40'
    assert b"three-target-1m: 3 in 60 s" in bytes(answer.body)
    assert not accepted(limits, hits, NOON + timedelta(seconds=59))
    assert accepted(limits, hits, NOON + timedelta(seconds=60, microseconds=1))


def test_the_limit_that_lasts_longest_decides_when_to_come_back(limits: Limits) -> None:
    both = LimitSet("both", (Per.TARGET, 1, MINUTE), (Per.TARGET, 1, HOUR)).keyed(target="x")
    limits.hit_now(both, NOON)
    refused = refusal(limits, both, NOON)
    assert refused.retry_after_s == 3_600
    assert [one.limit.id for one in refused.violated] == ["both-target-1h", "both-target-1m"]
    assert (
        limit_headers(refused.violated)["RateLimit"]
        == '"both-target-1h";r=0;t=3600, "both-target-1m";r=0;t=60'
    )


def test_only_what_must_teach_nothing_is_neutral() -> None:
    by_prefix = next(one for one in SMS_START.limits if one.per is Per.PREFIX)
    by_address = next(one for one in SMS_START.limits if one.per is Per.ADDRESS)

    def refused(*violated: Limit) -> bool:
        return RateLimited([Standing(one, one.quota, 0, MINUTE) for one in violated]).neutral

    assert refused(by_prefix)
    assert not refused(by_prefix, by_address)
    assert [one.id for one in every_limit() if one.neutral] == ["sms-start-prefix-1h"]


def test_a_limit_cannot_be_left_out_by_leaving_out_its_key() -> None:
    with pytest.raises(AssertionError, match="per address"):
        SMS_START.keyed(target="x", identity="x", prefix="x")


def test_limits_have_names_of_their_own_that_fit_and_numbers_that_can_be_kept() -> None:
    every = list(every_limit())
    assert len({one.id for one in every}) == len(every)
    assert all(len(one.id) <= 40 and one.quota >= 1 and one.window > timedelta(0) for one in every)
    for one in every:
        if one.quota > RING_MAX:
            assert one.window // US % one.quota == 0, one.id
    assert len({one.name for one in LIMITS}) == len(LIMITS)
    assert {one.id: one.quota for one in API.limits} == {
        "api-identity-1m": 120,
        "api-address-1m": 300,
        "api-block-1m": 3_000,
    }
