"""Who agreed is in HubSpot, hears of what happened to them, and leaves: over real HTTP."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from nerava.crm import reading
from nerava.crm.leaving import POINTS
from nerava.crm.ports import Person
from nerava.crm.work import CrmWork, retry
from nerava.identity.user_store import AppUser, UserState, owner_of
from nerava.integrations.hubspot.api import HubSpot, HubSpotAccess
from nerava.integrations.hubspot.rehearsing import Rehearsal
from nerava.kernel.ids import new_id
from nerava.kernel.outcomes import Misconfigured, RetryLater, Unknown
from nerava.outbox import deliveries
from nerava.outbox.catalogue import PayoutEvent, UserEvent
from nerava.outbox.crm_store import CrmEvent
from nerava.outbox.model import OutboxEvent
from nerava.simulators.faults import Kind
from tests.crm.conftest import CLOCK, Records

ON_SQLITE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
PEOPLE = "SELECT state, trouble FROM crm_contact ORDER BY since, user_id"
EVENTS = "SELECT state, trouble FROM crm_event"


def test_who_agreed_is_there_with_what_may_leave_and_nobody_else(records: Records) -> None:
    ann = records.user()
    records.user("bob@example.org", agrees=False)
    records.user(None)
    records.charge(ann)
    records.charge(ann, 40)
    records.happen(
        PayoutEvent(state="paid", payout_id=new_id(), amount_minor=500, currency="USD", driver_id=ann)
    )
    records.send()
    [contact] = records.portal.contacts().values()
    assert contact["properties"] == {
        "email": "ann@example.org",
        "nerava_user": str(ann),
        "nerava_member_since": "2026-11-02",
    }
    told = [
        (one["eventName"].partition("_")[2], sorted(one["properties"])) for one in records.portal.events()
    ]
    assert told == [("charging_verified", []), ("reward_granted", ["campaign", "points"])]
    assert {one["objectId"] for one in records.portal.events()} == {contact["id"]}
    assert records.rows(PEOPLE) == [("kept", None)]
    assert records.rows(EVENTS) == []


@ON_SQLITE
def test_a_field_that_is_not_allowed_stays_in_the_house(records: Records) -> None:
    records.charge(records.user(), 40)
    narrow = CrmWork(records.database, records.vault, records.crm, frozenset({POINTS}))
    records.work = narrow
    records.send()
    [contact] = records.portal.contacts().values()
    assert set(contact["properties"]) == {"email", "nerava_user"}
    assert [one["properties"] for one in records.portal.events()] == [{"points": 40}]


@pytest.mark.trap("H1")
def test_one_bad_address_of_a_hundred_is_parked_and_nobody_is_sent_again(records: Records) -> None:
    for number in range(5):
        records.user(f"one{number}@example.org")
    # HubSpot finds fault with an address that we do not: those of others may be of any form.
    bad = records.user("bad@example.q1")
    records.send()
    assert len(records.portal.contacts()) == 5
    assert len(records.calls("batch/upsert")) == 1
    assert sorted(records.rows(PEOPLE)) == [("kept", None)] * 5 + [("parked", "validation-error")]
    [asked] = records.calls("batch/upsert")
    assert str(bad) in {one["objectWriteTraceId"] for one in json.loads(asked.body)["inputs"]}

    records.reach(bad, "good@example.org")
    records.send()
    assert "good@example.org" in records.portal.contacts()
    assert len(json.loads(records.calls("batch/upsert")[-1].body)["inputs"]) == 1


@pytest.mark.trap("H2")
def test_a_changed_address_is_the_same_contact(records: Records) -> None:
    ann = records.user()
    records.send()
    [before] = records.portal.contacts().values()
    records.reach(ann, "ann@example.net")
    records.send()
    assert {one["id"] for one in records.portal.contacts().values()} == {before["id"]}
    assert set(records.portal.contacts()) == {"ann@example.net"}
    assert len(records.calls("batch/update")) == 1


@ON_SQLITE
def test_who_was_removed_at_the_portal_is_written_anew_by_address(records: Records) -> None:
    ann = records.user()
    records.send()
    [before] = records.portal.contacts().values()
    records.portal.delete(before["id"])
    records.reach(ann, "ann@example.net")
    records.send()
    [after] = records.portal.contacts().values()
    assert after["id"] != before["id"]
    assert records.rows(PEOPLE) == [("kept", None)]


@pytest.mark.trap("H3")
def test_the_limit_of_a_day_waits_for_tomorrow_and_stops_no_other_reader(records: Records) -> None:
    records.portal.limit(day=0)
    records.charge(records.user())
    records.send(rounds=5)
    assert len(records.simulators.requests("hubspot")) == 1
    assert records.rows(PEOPLE) == [("wanted", "limit-of-the-day")]
    # Both readers are at the end of what happened.
    while records.database.run(lambda session: deliveries.fan_out(session, CLOCK.now())):
        pass
    [head] = records.rows("SELECT position FROM outbox_head")
    assert records.rows("SELECT position FROM outbox_consumer ORDER BY name") == [head, head]

    records.later(hours=11, minutes=59)
    records.portal.limit()
    records.send()
    assert len(records.simulators.requests("hubspot")) == 1
    records.later(minutes=2)
    records.send()
    assert (len(records.portal.contacts()), len(records.portal.events())) == (1, 1)


@ON_SQLITE
def test_the_limit_of_ten_seconds_is_waited_for(records: Records) -> None:
    records.portal.limit(ten_seconds=1)
    records.charge(records.user())
    records.send()
    assert (len(records.portal.contacts()), len(records.portal.events())) == (1, 0)
    for _ in range(3):
        records.later(seconds=61)
        records.send(rounds=1)
    assert len(records.portal.events()) == 1


@pytest.mark.trap("H4")
@ON_SQLITE
def test_an_unknown_property_parks_the_bad_row_and_no_other(records: Records) -> None:
    ann = records.user()
    records.portal.drop_property("reward_granted.campaign")
    for _ in range(6):
        records.charge(ann)
    records.charge(ann, 10)
    records.send()
    assert len(records.portal.events()) == 6
    assert records.rows(EVENTS) == [("parked", "validation-error")]
    assert records.database.run(lambda session: retry(session, CLOCK.now())) == 1
    records.send()
    assert records.rows(EVENTS) == [("parked", "validation-error")]


@ON_SQLITE
def test_a_property_that_the_portal_does_not_know_at_all_parks_nobody(records: Records) -> None:
    records.portal.drop_property("nerava_user")
    for number in range(3):
        records.user(f"one{number}@example.org")
    records.send()
    assert records.rows(PEOPLE) == [("wanted", "validation-error")] * 3
    records.simulators.reset(9)
    records.later(minutes=16)
    records.send()
    assert len(records.portal.contacts()) == 3


@pytest.mark.trap("H5")
def test_a_consent_that_is_withdrawn_after_queueing_sends_nothing(records: Records) -> None:
    ann, bob = records.user(), records.user("bob@example.org")
    records.send()
    records.charge(ann)
    carl = records.user("carl@example.org")
    records.queue()
    records.say(ann, yes=False)
    records.say(carl, yes=False)
    # The reader has not come to it yet, and all the same nothing goes out.
    records.work.send(CLOCK.now())
    assert records.portal.events() == []
    assert set(records.portal.contacts()) == {"ann@example.org", "bob@example.org"}
    records.send()
    assert set(records.portal.contacts()) == {"bob@example.org"}
    assert records.rows("SELECT count(*) FROM crm_contact") == [(1,)]
    assert records.rows(EVENTS) == []
    records.say(ann)
    records.say(bob, yes=False)
    records.send()
    assert set(records.portal.contacts()) == {"ann@example.org"}


def test_who_is_erased_is_erased_there_even_if_the_name_there_never_came(records: Records) -> None:
    ann, bob = records.user(), records.user("bob@example.org")
    records.queue()
    records.simulators.faults.add(Kind.ANSWER_LOST, path="*batch/upsert", times=3)
    records.work.send(CLOCK.now())
    assert len(records.portal.contacts()) == 2
    assert {row[0] for row in records.rows(PEOPLE)} == {"wanted"}
    records.later(minutes=5)
    for user_id in (ann, bob):
        _erase(records, user_id)
    records.send()
    assert records.portal.contacts() == {}
    assert records.portal.forgotten() == {"ann@example.org", "bob@example.org"}
    assert records.rows("SELECT count(*) FROM crm_contact") == [(0,)]
    addresses = [one.path for one in records.simulators.requests("hubspot") if "example" in one.path]
    assert addresses == []


@ON_SQLITE
def test_an_event_that_may_have_been_told_is_not_told_again(records: Records) -> None:
    ann = records.user()
    records.send()
    records.charge(ann)
    records.simulators.faults.add(Kind.ANSWER_LOST, path="*send/batch")
    records.send()
    records.later(hours=2)
    records.send()
    assert len(records.portal.events()) == 1
    assert len(records.calls("send/batch")) == 1
    assert records.rows("SELECT state FROM crm_event") == [("unknown",)]


@ON_SQLITE
def test_a_worker_that_is_killed_while_telling_tells_nothing_twice(records: Records) -> None:
    ann = records.user()
    records.send()
    records.charge(ann)
    records.queue()
    records.database.run(
        lambda session: session.execute(
            update(CrmEvent).values(leased_until=CLOCK.now() - timedelta(seconds=1), fence=1)
        )
    )
    records.work.send(CLOCK.now())
    assert records.rows(EVENTS) == [("unknown", "interrupted")]
    assert records.portal.events() == []


@ON_SQLITE
def test_events_of_a_week_ago_make_way_and_those_given_up_are_forgotten(records: Records) -> None:
    ann = records.user()
    records.portal.limit(day=1)
    records.send()
    records.charge(ann)
    records.send()
    records.later(days=7)
    records.portal.limit()
    records.send()
    assert records.rows(EVENTS) == []
    assert records.portal.events() == []


@ON_SQLITE
def test_a_reader_that_is_new_begins_with_everybody_who_agreed_before(records: Records) -> None:
    records.user()
    withdrawn = records.user("bob@example.org")
    records.say(withdrawn, yes=False)
    records.database.run(lambda session: session.execute(delete(OutboxEvent)))
    records.send()
    assert set(records.portal.contacts()) == {"ann@example.org"}


@ON_SQLITE
def test_who_took_it_back_while_nobody_read_events_leaves_all_the_same(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "ASKED_AT_ONCE", 2)
    people = [records.user(f"one{number}@example.org") for number in range(5)]
    records.send()
    records.say(people[4], yes=False)
    _erase(records, people[0])
    records.database.run(lambda session: session.execute(delete(OutboxEvent)))
    assert [records.work.keep_house(CLOCK.now()) for _ in range(2)] == [2, 0]
    records.work.send(CLOCK.now())
    assert set(records.portal.contacts()) == {f"one{number}@example.org" for number in (1, 2, 3)}
    assert records.portal.forgotten() == {"one0@example.org"}


@ON_SQLITE
def test_a_dry_run_tells_nobody_and_everything_goes_out_afterwards(
    records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    real, records.work = records.work, _rehearsing(records)
    records.charge(records.user(), 5)
    with caplog.at_level(logging.INFO):
        records.send()
    assert records.simulators.requests("hubspot") == []
    assert "1 people would be written with email, nerava_member_since, nerava_user" in caplog.text
    assert "example.org" not in caplog.text
    records.work = real
    records.later(minutes=31)
    records.send()
    records.later(minutes=2)
    records.send()
    assert (len(records.portal.contacts()), len(records.portal.events())) == (1, 1)


@ON_SQLITE
def test_a_wrong_token_and_a_silent_portal_are_told_apart(records: Records) -> None:
    person = Person(new_id(), None, "ann@example.org")
    access = HubSpotAccess("pat-wrong", "1", base_url=records.simulators.url_of("hubspot"))
    wrong = HubSpot(access, now=CLOCK.now)
    assert wrong.keep([person]) == Misconfigured("invalid-authentication")
    assert "pat-wrong" not in repr(access)
    wrong.close()
    away = HubSpot(HubSpotAccess("pat", "1", base_url="http://127.0.0.1:1"), now=CLOCK.now)
    assert isinstance(away.keep([person]), RetryLater)
    away.close()
    records.simulators.faults.add(Kind.WRONG_TYPE)
    assert records.crm.keep([person]) == Unknown("schema-drift")


def _erase(records: Records, user_id: UUID) -> None:
    """Do what an erasure does to what this is about, and tell of it."""

    def unit(session: Session) -> None:
        session.execute(update(AppUser).where(AppUser.id == user_id).values(state=UserState.ERASED.value))
        records.vault.destroy(session, owner_of(user_id), CLOCK.now())

    records.database.run(unit)
    records.happen(UserEvent(state="erased", user_id=user_id))


def _rehearsing(records: Records) -> CrmWork:
    return CrmWork(records.database, records.vault, Rehearsal(CLOCK.now), frozenset({POINTS, "member_since"}))
