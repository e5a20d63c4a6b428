"""Nothing is kept for longer than its kind allows: one row of each is seeded, and the clock moves."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from nerava.charging.model import ChargingSession, SessionEvidence
from nerava.identity.access_store import Invite
from nerava.identity.contacts import Contact, ContactKind
from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.privacy.model import Erasure, ExportJob, RetentionRun
from nerava.privacy.retention import NOBODY, RULES, Retention, due_rows
from tests.http.flows import partner_session, work_off

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from tests.http.conftest import House

SECOND = timedelta(seconds=1)


def seed(house: House, address: str = "ann@example.org") -> datetime:
    """Leave one row of each kind behind, and return the newest instant in them."""
    one, now = house.installation, house.installation.clock.now()
    body = partner_session(started_at=(now - timedelta(hours=2)).isoformat(), ended_at=now.isoformat())
    assert house.caller(Role.PARTNER).post("/v1/partner/cdrs", body).status_code == 201
    work_off(house)
    asked = house.client.post("/v1/auth/codes", json={"channel": "email", "to": address})
    assert asked.status_code == 202
    owner = house.caller(Role.MERCHANT_OWNER)
    assert owner.post("/v1/invites", {"invited_as": "merchant:manager"}).status_code == 201
    contact = Contact(ContactKind.EMAIL, "bob@example.org")

    def unit(session: Session) -> None:
        one.desk.messages.write(session, contact, "hello", now=now, expires_at=now + timedelta(hours=1))
        session.add(ExportJob(id=new_id(), user_id=new_id(), state="failed", asked_at=now, made_at=now))
        session.add(
            Erasure(
                id=new_id(),
                user_id=new_id(),
                state="undone",
                gives_up_points=False,
                requested_at=now,
                cooling_until=now,
                forfeit_at=now,
                ended_at=now,
            )
        )

    one.database.run(unit)
    return one.clock.now()


def due(house: House, now: datetime) -> dict[str, int]:
    """Return what would be removed."""
    return house.installation.database.read(lambda session: due_rows(session, now))


def test_each_kind_goes_when_its_time_is_over_and_not_before(house: House) -> None:
    newest = seed(house)
    retention = Retention(house.installation.database)
    for kept in sorted({rule.kept for rule in RULES}):
        names = [rule.name for rule in RULES if rule.kept == kept]
        early = due(house, newest + kept - timedelta(hours=3))
        assert [early[name] for name in names] == [0] * len(names), names
        at = newest + kept + SECOND
        expected = due(house, at)
        assert min(expected[name] for name in names) >= 1, names

        assert retention.rehearse(at) == expected == due(house, at)  # A rehearsal removes nothing.
        assert retention.run(at) == sum(expected.values())
        assert due(house, at) == dict.fromkeys(expected, 0)
    assert house.findings() == []


def test_a_day_has_one_run_that_says_what_it_removed(house: House) -> None:
    newest, retention = seed(house), Retention(house.installation.database)
    at = newest + 4 * timedelta(days=365)
    expected = due(house, at)
    assert retention.run(at) == sum(expected.values())
    kept: Any = house.installation.database.read(
        lambda session: session.get(RetentionRun, at.date().isoformat())
    )
    assert kept.removed == expected
    assert min(expected.values()) >= 1

    seed(house, "cy@example.org")
    assert sum(due(house, at).values()) > 0
    assert retention.run(at) == 0
    assert retention.run(at + timedelta(days=1)) > 0


def test_old_sessions_belong_to_nobody_and_say_no_more_than_what_happened(house: House) -> None:
    newest = seed(house)
    Retention(house.installation.database).run(newest + 4 * timedelta(days=365))
    row: Any = house.installation.database.read(
        lambda session: session.execute(
            select(ChargingSession.driver_id, ChargingSession.energy_wh, SessionEvidence.body).join(
                SessionEvidence, SessionEvidence.session_id == ChargingSession.id
            )
        ).one()
    )
    assert (row.driver_id, row.energy_wh, row.body) == (NOBODY, 10_000, {})
    left = house.installation.database.read(lambda session: session.scalars(select(Invite.id)).all())
    assert left == []
