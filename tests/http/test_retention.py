"""Nothing is kept for longer than its kind allows: one row of each is seeded, and the clock moves."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from nerava.charging.evidence import body_sha256
from nerava.charging.model import ChargingSession, Evse, SessionEvidence
from nerava.charging.telemetry_store import ChargerStatus, VehicleCharge
from nerava.identity.access_store import Invite
from nerava.identity.contacts import Contact, ContactKind
from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.privacy.model import Erasure, ExportJob, RetentionRun
from nerava.privacy.retention import KEPT, NOBODY, RULES, Retention, due_rows
from nerava.rewards.model import RewardCap, RewardGrant
from nerava.roaming.model import Module, ObjectState, RoamingObject, RoamingPeer
from nerava.tills.model import TillOrder, TillRefund, TillWay
from nerava.tills.states import RefundState, SaleState, WayState
from nerava.vehicles.connecting import CONSENT_TEXT
from nerava.vehicles.model import Vehicle, VehicleConnect, VehicleLink
from nerava.vehicles.states import ConnectState
from tests.http.examples import INVITED
from tests.http.flows import campaign, partner_session, sponsor, work_off
from tests.http.shop import open_shop

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
    work_off(house, everything=True)
    asked = house.client.post("/v1/auth/codes", json={"channel": "email", "to": address})
    assert asked.status_code == 202
    owner = house.caller(Role.MERCHANT_OWNER)
    assert owner.post("/v1/invites", INVITED).status_code == 201
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
    one.database.run(lambda session: told_by_others(session, now))
    way = TillWay(
        id=new_id(),
        state_hash=new_id().bytes * 2,
        merchant_id=open_shop(house).merchant_id,
        user_id=new_id(),
        session_id=new_id(),
        provider="square",
        state=WayState.FAILED.value,
        created_at=now,
        expires_at=now,
    )
    orders = [
        TillOrder(
            id=new_id(),
            merchant_id=way.merchant_id,
            provider="square",
            account="a",
            external_id=f"{way.merchant_id}-{number}",
            state=SaleState.UNREAD.value,
            # What is told of one with a refund goes on for a while.
            told_at=now + number * timedelta(days=20),
        )
        for number in range(2)
    ]
    refund = TillRefund(
        id=new_id(), order_id=orders[1].id, external_id="r", state=RefundState.FAILED.value, told_at=now
    )

    def sold(session: Session) -> None:
        session.add_all([way, *orders])
        session.flush()
        session.add(refund)

    one.database.run(sold)
    return one.clock.now()


def told_by_others(session: Session, now: datetime) -> None:
    """Leave behind what a charging network, a charger and a car said of a charge, and a way to a car."""
    charged = session.scalars(select(ChargingSession).order_by(ChargingSession.id).limit(1)).one()
    peer = RoamingPeer(id=new_id(), name="Network", state="invited", invited_at=now)
    evse = Evse(id=new_id(), location_id=charged.location_id, reference=str(new_id()))
    car = Vehicle(id=new_id(), make="Volvo", model="EX30", created_at=now)
    session.add_all([peer, evse, car])
    session.flush()
    link = VehicleLink(
        id=new_id(),
        vehicle_id=car.id,
        driver_id=charged.driver_id,
        user_id=new_id(),
        provider="smartcar",
        account="a",
        external_id=str(car.id),
        mode="test",
        state="active",
        consent_text=CONSENT_TEXT,
        scopes="read_charge",
        consented_at=now,
        created_at=now,
    )
    session.add(link)
    session.flush()
    session.add_all(
        [
            RoamingObject(
                id=new_id(),
                peer_id=peer.id,
                module=Module.CDRS.value,
                country_code="FI",
                party_id="NET",
                object_key="1",
                version="2.2.1",
                body="{}",
                body_hash=b"h" * 32,
                last_updated=now,
                received_at=now,
                state=ObjectState.DONE.value,
            ),
            ChargerStatus(id=new_id(), evse_id=evse.id, at=now, in_use=True, source="test"),
            VehicleCharge(
                id=new_id(),
                vehicle_id=car.id,
                link_id=link.id,
                driver_id=charged.driver_id,
                source="smartcar",
                doubts=[],
                started_at=now,
                last_at=now,
                samples=[{"at": now.isoformat()}],
                ended_at=now,
            ),
            VehicleConnect(
                id=new_id(),
                state_hash=new_id().bytes * 2,
                driver_id=charged.driver_id,
                user_id=new_id(),
                session_id=new_id(),
                provider="smartcar",
                consent_text=CONSENT_TEXT,
                state=ConnectState.FAILED.value,
                created_at=now,
                expires_at=now,
            ),
        ]
    )


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
    digest = house.installation.database.read(
        lambda session: body_sha256(session.scalars(select(SessionEvidence.body)).one())
    )
    Retention(house.installation.database).run(newest + 4 * timedelta(days=365))
    row: Any = house.installation.database.read(
        lambda session: session.execute(
            select(
                ChargingSession.driver_id,
                ChargingSession.energy_wh,
                SessionEvidence.body,
                SessionEvidence.body_sha256,
            ).join(SessionEvidence, SessionEvidence.session_id == ChargingSession.id)
        ).one()
    )
    assert (row.driver_id, row.energy_wh, row.body) == (NOBODY, 10_000, {})
    assert row.body_sha256 == digest
    left = house.installation.database.read(lambda session: session.scalars(select(Invite.id)).all())
    assert left == []


def test_a_session_that_was_recorded_years_ago_is_its_drivers_from_when_it_was_told(house: House) -> None:
    now = house.installation.clock.now()
    then = now - 5 * timedelta(days=365)
    body = partner_session(started_at=(then - timedelta(hours=2)).isoformat(), ended_at=then.isoformat())
    assert house.caller(Role.PARTNER).post("/v1/partner/cdrs", body).status_code == 201
    work_off(house, everything=True)
    newest = house.installation.clock.now()
    assert due(house, newest + KEPT - timedelta(hours=3))["session summaries"] == 0
    assert due(house, newest + KEPT + SECOND)["session summaries"] == 1


def earned(house: House, until: datetime) -> None:
    """Let a driver earn 40 points under both caps of a campaign that ends at an instant."""
    now = house.installation.clock.now()
    running = {"starts_at": (now - timedelta(days=1)).isoformat(), "ends_at": until.isoformat()}
    campaign(sponsor(house, 10_000), 1_000, **running, driver_day_points_max=50, driver_points_max=90)
    body = partner_session(started_at=(now - timedelta(hours=2)).isoformat(), ended_at=now.isoformat())
    assert house.caller(Role.PARTNER).post("/v1/partner/cdrs", body).status_code == 201
    work_off(house, everything=True)


def caps(house: House) -> list[tuple[int, int]]:
    """Return what each cap counts, and how much of it names nobody."""
    query = select(RewardCap.points_used, RewardCap.points_unlinked).order_by(RewardCap.period)
    return house.installation.database.read(lambda session: [tuple(row) for row in session.execute(query)])


def test_old_grants_name_nobody_either_and_their_caps_go_with_the_campaign(house: House) -> None:
    now = house.installation.clock.now()
    earned(house, until=now + 5 * KEPT)
    ((points, _), _) = before = caps(house)
    assert before == [(points, 0), (points, 0)]
    assert points > 0
    retention = Retention(house.installation.database)

    retention.run(now + KEPT + timedelta(days=2))

    whose = house.installation.database.read(
        lambda session: session.scalars(select(RewardGrant.driver_id)).all()
    )
    assert whose == [NOBODY]
    assert caps(house) == [(points, points)]  # Who earned it cannot earn it again.
    assert house.findings() == []

    retention.run(now + 6 * KEPT)
    assert caps(house) == []
    assert house.findings() == []
