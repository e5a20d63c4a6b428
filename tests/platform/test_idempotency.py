"""One key, one effect, one answer: at any concurrency, through refusals, cancellations and lost commits."""

from __future__ import annotations

import hashlib
import re
import threading
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import exc, select, text
from sqlalchemy.orm import Session

from nerava.kernel.errors import NeravaError
from nerava.platform.db import Database, EngineOptions
from nerava.platform.idempotency import (
    Answer,
    IdempotencyKeyCancelled,
    IdempotencyKeyMalformed,
    IdempotencyKeyMissing,
    IdempotencyKeyUnknown,
    KeyedRequest,
    KeyReusedWithOtherBody,
    Replay,
    RequestInFlight,
    fingerprint,
    idempotency_key,
    parse_key,
)
from nerava.platform.idempotency_store import StoredAnswer, cancel, find, forget, look_up, once, store_many
from nerava.platform.openapi import KEY_PATTERN
from nerava.platform.problem import NOWHERE
from tests.helpers.parallel import in_parallel

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DONE = Answer(201, b'{"done": true}')


class Spent(NeravaError):
    """A refusal for good."""

    code = "spent"
    status = HTTPStatus.CONFLICT
    title = "Spent"


class NoSuchThing(NeravaError):
    """A refusal that leaves the key free."""

    code = "no-such-thing"
    status = HTTPStatus.NOT_FOUND
    title = "No such thing"


@pytest.fixture
def effects(database: Database) -> Database:
    """The fresh database, with a table whose rows are effects."""
    execute(database, "CREATE TABLE effect (about VARCHAR(40) NOT NULL)")
    return database


def execute(database: Database, statement: str) -> None:
    def work(session: Session) -> None:
        session.execute(text(statement))

    database.run(work)


def asked(key: str = "k1", body: object = None, principal: str = "user:1") -> KeyedRequest:
    return KeyedRequest(principal, key, fingerprint("POST", "/v1/things", {}, body), NOWHERE)


def leave_effect(session: Session) -> Answer:
    session.execute(text("INSERT INTO effect (about) VALUES ('x')"))
    return DONE


def refuse(session: Session) -> Answer:
    leave_effect(session)
    message = "nothing is left"
    raise Spent(message)


def count_effects(database: Database) -> int:
    return database.read(lambda session: session.scalar(text("SELECT count(*) FROM effect")) or 0)


def rows(database: Database) -> list[tuple[str, str]]:
    return [
        (row.key, row.state)
        for row in database.read(
            lambda session: session.execute(select(StoredAnswer.key, StoredAnswer.state)).all()
        )
    ]


def test_the_same_request_happens_once_and_is_answered_the_same(effects: Database) -> None:
    first = once(effects, asked(), leave_effect, now=NOW)
    again = once(effects, asked(), leave_effect, now=NOW + timedelta(hours=1))

    assert first.answer == again.answer == DONE
    assert (first.replay, again.replay) == (Replay.FIRST, Replay.STORED)
    assert count_effects(effects) == 1
    assert rows(effects) == [("k1", "answered")]


def test_another_body_under_the_key_is_refused_for_good(effects: Database) -> None:
    once(effects, asked(body={"amount": 1}), leave_effect, now=NOW)

    with pytest.raises(KeyReusedWithOtherBody) as refused:
        once(effects, asked(body={"amount": 2}), leave_effect, now=NOW)

    assert refused.value.retry_after_s is None
    assert count_effects(effects) == 1


def test_a_refusal_for_good_undoes_the_work_and_stands_even_when_the_reason_is_gone(
    effects: Database,
) -> None:
    first = once(effects, asked(), refuse, now=NOW)
    again = once(effects, asked(), leave_effect, now=NOW)

    assert first.answer.status == again.answer.status == 409
    assert again.answer == first.answer
    assert again.replay is Replay.STORED
    assert count_effects(effects) == 0


def test_a_refusal_that_can_be_repaired_leaves_the_key_free(effects: Database) -> None:
    def unknown(session: Session) -> Answer:
        leave_effect(session)
        raise NoSuchThing

    with pytest.raises(NoSuchThing):
        once(effects, asked(), unknown, now=NOW)
    assert rows(effects) == []

    assert once(effects, asked(), leave_effect, now=NOW).replay is Replay.FIRST
    assert count_effects(effects) == 1


def test_a_mistake_of_ours_leaves_nothing_behind(effects: Database) -> None:
    def broken(session: Session) -> Answer:
        leave_effect(session)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        once(effects, asked(), broken, now=NOW)

    assert rows(effects) == []
    assert count_effects(effects) == 0


def test_keys_of_two_callers_are_two_keys(effects: Database) -> None:
    for principal in ("user:1", "user:2"):
        assert once(effects, asked(principal=principal), leave_effect, now=NOW).replay is Replay.FIRST
    assert count_effects(effects) == 2


def test_without_a_key_twice_is_two(effects: Database) -> None:
    keyless = KeyedRequest("user:1", None, b"", NOWHERE)
    for _ in range(2):
        once(effects, keyless, leave_effect, now=NOW)
    assert count_effects(effects) == 2
    assert rows(effects) == []


def test_sixty_four_requests_with_one_key_have_one_effect(effects: Database) -> None:
    given = in_parallel(64, lambda _: once(effects, asked(), leave_effect, now=NOW))

    assert [one.replay for one in given].count(Replay.FIRST) == 1
    assert {one.answer for one in given} == {DONE}
    assert count_effects(effects) == 1


def test_a_cancelled_key_can_never_be_used(effects: Database) -> None:
    assert cancel(effects, "user:1", "k1", now=NOW) is None
    assert cancel(effects, "user:1", "k1", now=NOW) is None

    with pytest.raises(IdempotencyKeyCancelled):
        once(effects, asked(), leave_effect, now=NOW)
    assert count_effects(effects) == 0
    assert effects.read(lambda session: look_up(session, "user:1", "k1")) is None


def test_cancelling_a_used_key_tells_what_it_was_answered(effects: Database) -> None:
    once(effects, asked(), leave_effect, now=NOW)

    assert cancel(effects, "user:1", "k1", now=NOW) == DONE
    assert effects.read(lambda session: look_up(session, "user:1", "k1")) == DONE
    assert count_effects(effects) == 1


def test_a_key_nobody_used_is_unknown(effects: Database) -> None:
    with pytest.raises(IdempotencyKeyUnknown):
        effects.read(lambda session: look_up(session, "user:1", "never"))


def test_cancel_and_request_race_to_one_truth(effects: Database) -> None:
    def either(index: int) -> str:
        key = f"k{index // 2}"
        if index % 2:
            return "cancelled" if cancel(effects, "user:1", key, now=NOW) is None else "executed"
        try:
            once(effects, asked(key), leave_effect, now=NOW)
        except IdempotencyKeyCancelled:
            return "cancelled"
        return "executed"

    told = in_parallel(64, either)

    pairs = list(zip(told[::2], told[1::2], strict=True))
    assert all(request == canceller for request, canceller in pairs)
    assert count_effects(effects) == [request for request, _ in pairs].count("executed")


def test_a_request_that_still_runs_is_told_so(database_url: Callable[..., object]) -> None:
    with database_url("postgresql") as url:  # type: ignore[attr-defined]
        database = Database(url, EngineOptions(lock_timeout_ms=200))
        inside, leave = threading.Event(), threading.Event()

        def slow(_session: Session) -> Answer:
            inside.set()
            leave.wait(20)
            return DONE

        first = threading.Thread(target=lambda: once(database, asked(), slow, now=NOW))
        first.start()
        try:
            assert inside.wait(20)
            with pytest.raises(RequestInFlight) as refused:
                once(database, asked(), slow, now=NOW)
            with pytest.raises(RequestInFlight):
                cancel(database, "user:1", "k1", now=NOW)
        finally:
            leave.set()
            first.join()
        assert refused.value.retry_after_s == 1
        assert once(database, asked(), slow, now=NOW).replay is Replay.STORED
        database.close()


def test_a_lost_commit_answer_does_not_double_the_effect(
    effects: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Session.commit
    lost = iter([True])

    def commit_and_lose_the_answer(session: Session) -> None:
        commit(session)
        if next(lost, False):
            raise exc.OperationalError("COMMIT", {}, Exception("gone"), connection_invalidated=True)

    monkeypatch.setattr(Session, "commit", commit_and_lose_the_answer)
    given = once(effects, asked(), leave_effect, now=NOW)

    assert given.answer == DONE
    assert next(lost, None) is None
    assert count_effects(effects) == 1


def test_old_answers_are_forgotten_and_young_ones_kept(effects: Database) -> None:
    once(effects, asked("old"), leave_effect, now=NOW - timedelta(days=31))
    once(effects, asked("young"), leave_effect, now=NOW)

    assert effects.run(lambda session: forget(session, before=NOW - timedelta(days=30))) == 1
    assert rows(effects) == [("young", "answered")]


def test_answers_of_a_batch_are_stored_by_one_statement_and_the_first_stands(effects: Database) -> None:
    once(effects, asked("taken"), leave_effect, now=NOW)
    other = Answer(200, b"{}")
    answers = [(asked("taken"), other), (asked("a"), DONE), (asked("b"), other), (asked("a"), other)]

    free = effects.run(lambda session: store_many(session, answers, now=NOW))

    assert free == {("user:1", "a"), ("user:1", "b")}
    assert effects.read(lambda session: find(session, asked("a"))) == DONE
    assert effects.read(lambda session: find(session, asked("taken"))) == DONE


def test_the_database_refuses_half_an_answer(effects: Database) -> None:
    broken = (
        "INSERT INTO idempotency_key (principal, key, state, stored_at) "
        "VALUES ('user:1', 'k', 'answered', '2026-11-22T00:00:00.000000+00:00')"
    )
    with pytest.raises(exc.IntegrityError):
        execute(effects, broken)


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ('"quoted"', "quoted"),
        ('"with \\"quotes\\" inside"'.replace(" ", "_"), 'with_"quotes"_inside'),
        ("k" * 255, "k" * 255),
        ("  padded\t", "padded"),
        ("!~", "!~"),
    ],
)
def test_keys_come_bare_or_quoted(header: str, key: str) -> None:
    assert parse_key(header) == key
    assert re.fullmatch(KEY_PATTERN, header)


@pytest.mark.parametrize(
    "header",
    ["", '""', "a b", "k" * 256, "käse", "a\x7fb", '"open', '"with space"', "a\tb", '"a\\b"', "\x00"],
)
def test_malformed_keys_are_refused(header: str) -> None:
    with pytest.raises(IdempotencyKeyMalformed):
        parse_key(header)
    assert not re.fullmatch(KEY_PATTERN, header)


@given(st.text(st.characters(min_codepoint=9, max_codepoint=127), min_size=1, max_size=6))
def test_the_document_says_of_every_key_what_the_reader_does(header: str) -> None:
    try:
        parse_key(header)
        read = True
    except IdempotencyKeyMalformed:
        read = False
    assert (re.fullmatch(KEY_PATTERN, header) is not None) is read


def test_a_missing_key_matters_only_where_money_moves() -> None:
    assert idempotency_key([], required=False) is None
    with pytest.raises(IdempotencyKeyMissing):
        idempotency_key([], required=True)
    with pytest.raises(IdempotencyKeyMalformed):
        idempotency_key(["a", "b"], required=False)


def test_the_fingerprint_is_rfc_8785_over_what_is_asked() -> None:
    body = {"b": 1, "a": {"z": None, "ä": "€"}}
    canonical = (
        '{"body":{"a":{"z":null,"ä":"€"},"b":1},"method":"POST",'
        '"path":{"id":"7"},"route":"/v1/x/{id}","version":"v1"}'
    )
    assert fingerprint("POST", "/v1/x/{id}", {"id": "7"}, body) == hashlib.sha256(canonical.encode()).digest()


@given(st.dictionaries(st.text(max_size=5), st.integers(-(2**53) + 1, 2**53 - 1), min_size=2))
def test_the_order_of_names_does_not_matter_and_every_value_does(body: dict[str, int]) -> None:
    turned = dict(reversed(body.items()))
    changed = body | {next(iter(body)): "other"}
    assert fingerprint("POST", "/", {}, body) == fingerprint("POST", "/", {}, turned)
    assert fingerprint("POST", "/", {}, body) != fingerprint("POST", "/", {}, changed)
