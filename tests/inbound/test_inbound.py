"""What a provider told is stored once, answered when stored, and worked on until it is done."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from nerava.inbound import queries
from nerava.inbound.events import EventUnreadable, Handled, ProviderEvent, ProviderOff, SignatureRefused
from nerava.inbound.intake import Intake
from nerava.inbound.model import EventState, InboundEvent
from nerava.inbound.work import GAPS, EventWork
from nerava.kernel.clock import SystemClock
from nerava.kernel.ids import new_id
from nerava.platform.db import Database
from nerava.platform.secrets import Secrets
from nerava.platform.vault import Vault
from tests.helpers.parallel import in_parallel

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Trusting:
    """A receiver that believes everything but `no`, and reads JSON."""

    def read(self, headers: Any, body: bytes, _now: datetime) -> ProviderEvent:
        """Return the event that the body describes."""
        if headers.get("signature") == "no":
            raise SignatureRefused
        try:
            told = json.loads(body)
        except ValueError:
            raise EventUnreadable from None
        return ProviderEvent(
            "acme", told.get("account", ""), told["id"], told["type"], told.get("of", "x"), 1, told
        )


@pytest.fixture
def vault(tmp_path: Any) -> Vault:
    """A vault with secrets of its own."""
    return Vault(Secrets({}, SystemClock(), made_in=tmp_path))


@pytest.fixture
def intake(database: Database, vault: Vault) -> Intake:
    """A door that one provider may use."""
    return Intake(database, vault, {"acme": Trusting()})


def told(event_id: str, kind: str = "thing.done", **more: Any) -> bytes:
    return json.dumps({"id": event_id, "type": kind} | more).encode()


def rows(database: Database) -> dict[str, tuple[str, int]]:
    table = select(InboundEvent.event_id, InboundEvent.state, InboundEvent.attempts)
    return {row[0]: (row[1], row[2]) for row in database.read(lambda s: s.execute(table).all())}


def working(database: Database, vault: Vault, handler: Callable[..., Handled]) -> EventWork:
    return EventWork(database, vault, {"acme": {"thing.": handler}})


def test_an_event_is_stored_once_however_often_it_is_sent(intake: Intake, database: Database) -> None:
    answers = in_parallel(16, lambda _number: intake.take("acme", {}, told("e1"), NOW))
    assert sorted(answers) == [False] * 15 + [True]
    assert intake.take("acme", {}, told("e1", account="other"), NOW)
    assert database.read(lambda s: s.scalar(select(func.count()).select_from(InboundEvent))) == 2


def test_what_is_refused_leaves_nothing(intake: Intake, database: Database) -> None:
    with pytest.raises(SignatureRefused):
        intake.take("acme", {"signature": "no"}, told("e1"), NOW)
    with pytest.raises(EventUnreadable):
        intake.take("acme", {}, b"{", NOW)
    with pytest.raises(EventUnreadable):
        intake.take("acme", {}, told("e" * 256), NOW)
    with pytest.raises(ProviderOff):
        intake.take("nobody", {}, told("e1"), NOW)
    assert rows(database) == {}


def test_a_body_cannot_be_read_in_the_database(intake: Intake, database: Database) -> None:
    intake.take("acme", {}, told("e1", note="a private word"), NOW)
    [body] = database.read(lambda s: s.scalars(select(InboundEvent.body)).all())
    assert body is not None
    assert b"private" not in body


def test_an_event_is_worked_on_with_what_was_told(intake: Intake, database: Database, vault: Vault) -> None:
    seen: list[ProviderEvent] = []

    def handle(event: ProviderEvent, _now: datetime) -> Handled:
        seen.append(event)
        return Handled.DONE

    intake.take("acme", {}, told("e1", of="obj_1", account="acct"), NOW)
    intake.take("acme", {}, told("e2", kind="nobody.cares"), NOW)
    work = working(database, vault, handle)
    assert work.run(NOW) == 2
    assert work.run(NOW) == 0
    assert [(one.object_id, one.account, one.body["id"]) for one in seen] == [("obj_1", "acct", "e1")]
    assert rows(database) == {"e1": ("done", 1), "e2": ("ignored", 1)}


def test_an_event_about_something_unknown_is_tried_for_a_day(
    intake: Intake, database: Database, vault: Vault
) -> None:
    intake.take("acme", {}, told("e1"), NOW)
    work = working(database, vault, lambda _event, _now: Handled.LATER)
    at = NOW
    for gap in GAPS:
        assert work.run(at) == 1
        assert work.run(at + gap - timedelta(milliseconds=1)) == 0
        at += gap
    assert work.run(at) == 1
    assert rows(database)["e1"] == ("retry", 5)
    assert work.run(NOW + timedelta(hours=24, minutes=10)) == 1
    assert rows(database)["e1"][0] == "dead"
    [dead] = database.read(lambda s: queries.events(s, EventState.DEAD, limit=10))
    assert dead.trouble == "about nothing we know"

    assert database.run(lambda s: queries.revive(s, dead.id, at + timedelta(days=3)))
    assert not database.run(lambda s: queries.revive(s, dead.id, at + timedelta(days=3)))
    assert not database.run(lambda s: queries.revive(s, new_id(), at))
    working(database, vault, lambda _event, _now: Handled.DONE).run(at + timedelta(days=3))
    assert rows(database)["e1"][0] == "done"


def test_a_handler_that_fails_keeps_neither_its_event_nor_the_others(
    intake: Intake, database: Database, vault: Vault
) -> None:
    def handle(event: ProviderEvent, _now: datetime) -> Handled:
        if event.event_id == "e1":
            raise ZeroDivisionError
        return Handled.DONE

    intake.take("acme", {}, told("e1"), NOW)
    intake.take("acme", {}, told("e2"), NOW)
    working(database, vault, handle).run(NOW)
    assert rows(database) == {"e1": ("retry", 1), "e2": ("done", 1)}


def test_an_event_whose_worker_died_is_taken_again_and_a_late_worker_changes_nothing(
    intake: Intake, database: Database, vault: Vault
) -> None:
    def die(_event: ProviderEvent, _now: datetime) -> Handled:
        raise KeyboardInterrupt

    intake.take("acme", {}, told("e1"), NOW)
    with pytest.raises(KeyboardInterrupt):
        working(database, vault, die).run(NOW)
    done = working(database, vault, lambda _event, _now: Handled.DONE)
    assert done.run(NOW + timedelta(seconds=59)) == 0

    def overtaken(_event: ProviderEvent, _now: datetime) -> Handled:
        assert done.run(NOW + timedelta(minutes=5)) == 1
        return Handled.LATER

    assert working(database, vault, overtaken).run(NOW + timedelta(minutes=1)) == 1
    assert rows(database)["e1"] == ("done", 3)


def test_a_body_that_cannot_be_opened_keeps_nobody_waiting(
    intake: Intake, database: Database, vault: Vault
) -> None:
    intake.take("acme", {}, told("e1"), NOW)
    spoilt = update(InboundEvent).values(body=b"\x01" + bytes(80))
    database.run(lambda s: s.execute(spoilt))
    intake.take("acme", {}, told("e2"), NOW)
    working(database, vault, lambda _event, _now: Handled.DONE).run(NOW)
    assert rows(database) == {"e1": ("dead", 0), "e2": ("done", 1)}


def test_bodies_go_after_ninety_days_and_their_hash_stays(
    intake: Intake, database: Database, vault: Vault
) -> None:
    intake.take("acme", {}, told("e1"), NOW)
    work = working(database, vault, lambda _event, _now: Handled.DONE)
    work.run(NOW)
    assert work.wipe(NOW + timedelta(days=90)) == 0
    assert work.wipe(NOW + timedelta(days=90, seconds=1)) == 1
    [row] = database.read(lambda s: s.execute(select(InboundEvent.body, InboundEvent.body_sha256)).all())
    assert row.body is None
    assert len(row.body_sha256) == 32
