"""Refresh tokens are good once; one that comes again ends its session, except from its own device in time."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from nerava.audit import ActorKind
from nerava.audit import model as audit_model
from nerava.identity.errors import (
    AccountSuspended,
    InvalidDeviceProof,
    InvalidRefreshToken,
)
from nerava.identity.keys import KeyRing
from nerava.identity.refreshing import GRACE, Refreshing
from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.identity.session_retention import KEPT, forget
from nerava.identity.session_store import AuthSession, Ended, RefreshToken, Revocation, SessionKind
from nerava.identity.sessions import IDLE_LIFE, TERMS, Device, EndedBy, Opened, Sessions
from nerava.identity.tokens import AccessTokens
from nerava.identity.user_store import AppUser, UserState
from nerava.kernel.clock import FixedClock
from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id
from nerava.platform.client_address import Client
from nerava.platform.db import Database
from nerava.platform.limits import Limits, RateLimited
from nerava.platform.secrets import Secrets
from tests.helpers.parallel import in_parallel

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOME = Client("192.0.2.7", "192.0.2.0/24")
DEVICE = "k" * 43
LATER = GRACE + timedelta(seconds=1)


@dataclass
class Desk:
    """Where tokens are exchanged, and what it told users."""

    database: Database
    tokens: AccessTokens
    sessions: Sessions
    refreshing: Refreshing
    told: list[tuple[UUID, str]]

    def open(self, user_id: UUID | None = None, *, device: str | None = None, at: datetime = START) -> Opened:
        """Sign a driver in."""
        user_id = user_id or new_id()

        def unit(session: Session) -> Opened:
            grant_role(session, user_id, Membership(Role.DRIVER, user_id), granted_by="test", now=at)
            bound = Device(device) if device else None
            return self.sessions.open(session, user_id, amr=("sms",), now=at, device=bound)

        return self.database.run(unit)

    def refresh(self, token: str, at: datetime = START, *, device: str | None = None) -> Opened:
        """Exchange a token."""
        return self.refreshing.refresh(token, device_key=device, place=HOME, now=at)

    def outcome(self, token: str, at: datetime = START, *, device: str | None = None) -> Opened | str:
        """Exchange a token and return what came of it, a refusal by its code."""
        try:
            return self.refresh(token, at, device=device)
        except NeravaError as refused:
            return refused.code

    def row(self, session_id: UUID) -> AuthSession:
        """Return a session as it is stored."""
        return self.database.read(lambda session: session.get_one(AuthSession, session_id))

    def count(self, what: type[RefreshToken | Revocation]) -> int:
        """Return how many rows there are."""
        return self.database.read(lambda session: session.scalar(select(func.count()).select_from(what)) or 0)


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    clock = FixedClock(START)
    tokens = AccessTokens(KeyRing(tmp_path / "keys", clock), clock)
    secrets = Secrets({}, clock, made_in=tmp_path / "keys")
    sessions = Sessions(tokens)
    told: list[tuple[UUID, str]] = []
    refreshing = Refreshing(
        database,
        sessions,
        secrets,
        Limits(database, secrets),
        notify=lambda _session, user_id, words, _now: told.append((user_id, words)),
    )
    return Desk(database, tokens, sessions, refreshing, told)


def by_user(user_id: UUID) -> EndedBy:
    """Return a user as the one who ends a session."""
    return EndedBy(ActorKind.USER, str(user_id))


def test_each_token_is_good_once_and_has_one_successor(desk: Desk) -> None:
    opened = desk.open()
    chain = [opened]
    for minute in range(4):
        chain.append(desk.refresh(chain[-1].refresh_token, START + timedelta(minutes=minute)))

    assert len({one.refresh_token for one in chain}) == 5
    assert {one.session_id for one in chain} == {opened.session_id}
    assert all(one.refresh_token.startswith("nvr_") for one in chain)
    claims = desk.tokens.verify(chain[-1].access_token)
    assert (claims.session_id, claims.methods) == (opened.session_id, ("sms",))
    assert "wallet:read" in claims.scopes
    assert claims.authenticated_at == START


def test_no_token_is_stored(desk: Desk) -> None:
    opened = desk.open(device=DEVICE)
    after = desk.refresh(opened.refresh_token, device=DEVICE)
    rows = desk.database.read(lambda session: session.scalars(select(RefreshToken)).all())
    assert {row.hash for row in rows} == {
        hashlib.sha256(one.refresh_token.encode()).digest() for one in (opened, after)
    }


def test_a_token_that_comes_again_ends_its_session_and_says_so(desk: Desk) -> None:
    user_id = new_id()
    chain = [desk.open(user_id)]
    for minute in range(4):
        chain.append(desk.refresh(chain[-1].refresh_token, START + timedelta(minutes=minute)))
    at = START + timedelta(minutes=9)

    with pytest.raises(InvalidRefreshToken):
        desk.refresh(chain[1].refresh_token, at)
    with pytest.raises(InvalidRefreshToken):
        desk.refresh(chain[4].refresh_token, at)

    family = desk.row(chain[0].session_id)
    assert (family.ended_at, family.ended_because) == (at, Ended.REFRESH_REUSED.value)
    assert [one for one, _ in desk.told] == [user_id]
    revoked = desk.database.read(lambda session: session.scalars(select(Revocation.session_id)).all())
    assert revoked == [family.id]
    entries = desk.database.read(
        lambda session: session.execute(
            select(audit_model.entry).where(audit_model.entry.c.object_id == str(family.id))
        ).all()
    )
    assert [(one.action, one.actor_kind, one.actor_id) for one in entries] == [
        ("session.end", "system", "refresh-reuse")
    ]


@pytest.mark.parametrize(
    ("after", "lives"), [(GRACE, True), (GRACE + timedelta(microseconds=1), False), (LATER, False)]
)
def test_grace_lasts_ten_seconds_to_the_microsecond(desk: Desk, after: timedelta, lives: bool) -> None:
    opened = desk.open(device=DEVICE)
    first = desk.refresh(opened.refresh_token, device=DEVICE)
    again = desk.outcome(opened.refresh_token, START + after, device=DEVICE)
    if lives:
        assert isinstance(again, Opened)
        assert again.refresh_token == first.refresh_token
    else:
        assert again == "invalid-refresh-token"
    assert (desk.row(opened.session_id).ended_at is None) is lives


def test_twenty_refreshes_at_once_without_a_device_have_one_winner_and_the_session_lives(desk: Desk) -> None:
    opened = desk.open()
    answers = in_parallel(20, lambda _: desk.outcome(opened.refresh_token))

    won = [one for one in answers if isinstance(one, Opened)]
    assert len(won) == 1
    assert Counter(one for one in answers if isinstance(one, str)) == {"refresh-in-progress": 19}
    assert desk.refresh(won[0].refresh_token).session_id == opened.session_id
    assert desk.row(opened.session_id).ended_at is None


def test_twenty_refreshes_at_once_from_the_device_all_get_the_same_successor(desk: Desk) -> None:
    opened = desk.open(device=DEVICE)
    answers = in_parallel(20, lambda _: desk.refresh(opened.refresh_token, device=DEVICE))

    assert len({one.refresh_token for one in answers}) == 1
    assert desk.count(RefreshToken) == 2
    assert desk.refresh(answers[0].refresh_token, device=DEVICE).session_id == opened.session_id


@pytest.mark.parametrize("presented", [None, "x" * 43])
def test_a_token_bound_to_a_device_is_worth_nothing_elsewhere(desk: Desk, presented: str | None) -> None:
    opened = desk.open(device=DEVICE)
    with pytest.raises(InvalidDeviceProof):
        desk.refresh(opened.refresh_token, device=presented)
    after = desk.refresh(opened.refresh_token, device=DEVICE)  # It was not used up by that.
    with pytest.raises(InvalidDeviceProof):
        desk.refresh(opened.refresh_token, START + timedelta(seconds=5), device=presented)
    assert desk.refresh(after.refresh_token, device=DEVICE).session_id == opened.session_id


def test_a_used_token_ends_the_session_whoever_presents_it_late(desk: Desk) -> None:
    opened = desk.open(device=DEVICE)
    desk.refresh(opened.refresh_token, device=DEVICE)
    assert desk.outcome(opened.refresh_token, START + LATER) == "invalid-refresh-token"
    assert desk.row(opened.session_id).ended_because == Ended.REFRESH_REUSED.value


@pytest.mark.parametrize("token", ["", "nvr_", "nvr_" + "a" * 43, "x" * 10_000, "nvr_\u00e9"])
def test_an_unknown_token_is_refused_in_the_same_words(desk: Desk, token: str) -> None:
    desk.open()
    with pytest.raises(InvalidRefreshToken) as refused:
        desk.refresh(token)
    assert refused.value.detail == InvalidRefreshToken.title


def test_a_token_waits_thirty_days_and_a_session_ninety(desk: Desk) -> None:
    idle = desk.open()
    assert desk.outcome(idle.refresh_token, START + IDLE_LIFE) == "invalid-refresh-token"
    assert desk.row(idle.session_id).ended_at is None  # It was unused: nobody has stolen it.

    newest, at = desk.open(), START
    for _ in range(4):
        at += timedelta(days=22)
        newest = desk.refresh(newest.refresh_token, at)
    assert desk.outcome(newest.refresh_token, START + TERMS[SessionKind.APP].life) == "invalid-refresh-token"


def test_a_session_that_was_ended_is_not_refreshed(desk: Desk) -> None:
    user_id = new_id()
    opened = desk.open(user_id)
    ended = desk.database.run(
        lambda session: desk.sessions.end_all(
            session, user_id, START, because=Ended.SIGNED_OUT_EVERYWHERE, by=by_user(user_id)
        )
    )
    assert ended == 1
    assert desk.outcome(opened.refresh_token) == "invalid-refresh-token"
    assert desk.row(opened.session_id).ended_because == Ended.SIGNED_OUT_EVERYWHERE.value


def test_a_suspended_account_is_not_refreshed_and_keeps_its_token(desk: Desk) -> None:
    user_id = new_id()
    opened = desk.open(user_id)
    desk.database.run(
        lambda session: session.add(AppUser(id=user_id, created_at=START, state=UserState.SUSPENDED.value))
    )
    with pytest.raises(AccountSuspended):
        desk.refresh(opened.refresh_token)

    def back(session: Session) -> None:
        session.get_one(AppUser, user_id).state = UserState.ACTIVE.value

    desk.database.run(back)
    assert desk.refresh(opened.refresh_token).session_id == opened.session_id


def test_a_family_is_refreshed_thirty_times_an_hour(desk: Desk) -> None:
    newest = desk.open()
    for _ in range(30):
        newest = desk.refresh(newest.refresh_token)
    with pytest.raises(RateLimited):
        desk.refresh(newest.refresh_token)
    assert desk.refresh(newest.refresh_token, START + timedelta(hours=1, seconds=1)).session_id


def test_the_eleventh_session_ends_the_one_unused_for_longest(desk: Desk) -> None:
    user_id = new_id()
    opened = [desk.open(user_id, at=START + timedelta(minutes=one)) for one in range(10)]
    desk.refresh(opened[0].refresh_token, START + timedelta(minutes=20))
    desk.open(user_id, at=START + timedelta(minutes=30))

    endings = {one.session_id: desk.row(one.session_id).ended_because for one in opened}
    assert [one for one in endings.values() if one] == [Ended.TOO_MANY.value]
    assert endings[opened[1].session_id] == Ended.TOO_MANY.value


def test_a_race_between_use_and_reuse_never_gives_two_successors(desk: Desk) -> None:
    opened = desk.open()
    answers = in_parallel(
        16, lambda number: desk.outcome(opened.refresh_token, START + (LATER if number % 2 else timedelta(0)))
    )
    assert sum(isinstance(one, Opened) for one in answers) == 1
    assert desk.count(RefreshToken) == 2


def test_a_token_is_found_by_its_index(desk: Desk, database: Database) -> None:
    statement = "SELECT id FROM refresh_token WHERE hash = :hash"
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    family = desk.open().session_id
    row = {"family_id": family, "issued_at": START, "expires_at": START + IDLE_LIFE}
    many = [{"id": new_id(), "hash": hashlib.sha256(b"%d" % one).digest(), **row} for one in range(5_000)]
    database.run(lambda session: session.execute(insert(RefreshToken), many))
    if not database.is_sqlite:
        database.run(lambda session: session.execute(text("ANALYZE refresh_token")))
    plan = database.read(
        lambda session: [str(one) for one in session.execute(text(explain + statement), {"hash": bytes(32)})]
    )
    told = " ".join(plan)
    assert "uq_refresh_token_hash" in told or "autoindex_refresh_token" in told, told
    assert "Seq Scan" not in told
    assert "SCAN refresh_token" not in told


def test_a_session_is_forgotten_thirty_days_after_its_last_possible_use(desk: Desk) -> None:
    old, young = desk.open(), desk.open(at=START + timedelta(days=1))
    desk.refresh(old.refresh_token)
    gone_at = START + TERMS[SessionKind.APP].life + KEPT

    assert desk.database.run(lambda session: forget(session, gone_at)) == 0
    assert desk.database.run(lambda session: forget(session, gone_at + timedelta(seconds=1))) == 1
    left = desk.database.read(lambda session: session.scalars(select(AuthSession.id)).all())
    assert left == [young.session_id]
    assert desk.count(RefreshToken) == 1


def test_revocations_are_forgotten_when_no_token_can_need_them(desk: Desk) -> None:
    user_id = new_id()
    desk.open(user_id)
    desk.database.run(
        lambda session: desk.sessions.end_all(
            session, user_id, START, because=Ended.SIGNED_OUT, by=by_user(user_id)
        )
    )
    for minutes, left in ((16, 1), (60, 0)):
        at = START + timedelta(minutes=minutes)
        desk.database.run(lambda session, at=at: forget(session, at))  # type: ignore[misc]
        assert desk.count(Revocation) == left
