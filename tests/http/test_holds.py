"""What ops orders to be kept stays, until somebody else says that it need not."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from nerava.charging.model import ChargingSession, SessionEvidence
from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.privacy.model import RetentionRun
from nerava.privacy.retention import KEPT, NOBODY, Retention
from nerava.rewards.model import RewardGrant
from tests.http.flows import work_off
from tests.http.rows import rows_of
from tests.http.test_erasures import DAY, after, ask
from tests.http.test_exports import give_contact
from tests.http.test_problems import assert_problem
from tests.http.test_retention import earned

if TYPE_CHECKING:
    from uuid import UUID

    from tests.http.conftest import Caller, House

PATH = "/v1/ops/legal-holds"
LATER = KEPT + timedelta(days=2)


def place(house: House, kind: str, object_id: UUID, *, by: Caller | None = None) -> Any:
    """Order that something be kept."""
    by = by or house.caller(Role.OPS_SUPPORT)
    answer = by.post(PATH, {"kind": kind, "object_id": str(object_id), "reason": "case 1"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def lift(house: House, hold: Any) -> None:
    """Let somebody else end it."""
    by = house.caller(Role.OPS_ADMIN)
    answer = by.post(f"{PATH}/{hold['hold_id']}/lift", {"reason": "closed"})
    assert (answer.status_code, answer.json()["lifted_by"]) == (200, str(by.subject))


def audited(house: House) -> list[tuple[str, str]]:
    """Return what the audit log says of holds."""
    query = text("SELECT action, result FROM audit_entry WHERE object_kind = 'legal_hold' ORDER BY id")
    return house.installation.database.read(lambda session: [tuple(row) for row in session.execute(query)])


def test_who_places_a_hold_does_not_lift_it(house: House) -> None:
    maker = house.caller(Role.OPS_SUPPORT)
    ann = house.user()
    hold = place(house, "user", ann.subject, by=maker)
    assert place(house, "user", ann.subject, by=maker) == hold
    assert [one["hold_id"] for one in maker.get(PATH).json()["items"]] == [hold["hold_id"]]

    path = f"{PATH}/{hold['hold_id']}/lift"
    assert_problem(maker.post(path, {"reason": "closed"}), 403, "own-hold")
    checker = house.grow_cold(house.caller(Role.OPS_SUPPORT))
    assert_problem(checker.post(path, {"reason": "closed"}), 403, "step-up-required")
    lift(house, hold)

    assert maker.get(PATH).json()["items"] == []
    assert audited(house) == [("hold.place", "ok"), ("hold.lift", "denied"), ("hold.lift", "ok")]
    with pytest.raises(IntegrityError):
        house.installation.database.run(
            lambda session: session.execute(text("UPDATE legal_hold SET lifted_by = placed_by"))
        )


@pytest.mark.parametrize("role", [Role.OPS_FINANCE, Role.DRIVER, Role.PARTNER])
def test_only_support_and_admins_hold_anything(sqlite_house: House, role: Role) -> None:
    wanted = {"kind": "user", "object_id": str(sqlite_house.user().subject), "reason": "case 1"}
    assert sqlite_house.caller(role).post(PATH, wanted).status_code == 403


@pytest.mark.parametrize("kind", ["user", "driver", "session"])
def test_nothing_is_held_that_is_not_there(sqlite_house: House, kind: str) -> None:
    wanted = {"kind": kind, "object_id": str(new_id()), "reason": "case 1"}
    assert_problem(sqlite_house.caller(Role.OPS_SUPPORT).post(PATH, wanted), 404, "nothing-to-hold")


def charged(house: House) -> tuple[UUID, UUID]:
    """Let somebody earn and return their driver and the session."""
    earned(house, until=house.installation.clock.now() + timedelta(days=30))
    wanted = select(ChargingSession.driver_id, ChargingSession.id)
    row = house.installation.database.read(lambda session: session.execute(wanted).one())
    return row.driver_id, row.id


def left(house: House) -> tuple[UUID, UUID, bool]:
    """Return whose the session is, whose its grant, and whether its evidence is still there."""
    query = (
        select(ChargingSession.driver_id, RewardGrant.driver_id, SessionEvidence.body)
        .join(RewardGrant, RewardGrant.session_id == ChargingSession.id)
        .join(SessionEvidence, SessionEvidence.session_id == ChargingSession.id)
    )
    mine, granted, body = house.installation.database.read(lambda session: session.execute(query).one())
    return mine, granted, bool(body)


def run_of(house: House, period: str) -> Any:
    """Return what a day's retention said."""
    return house.installation.database.read(lambda session: session.get(RetentionRun, period))


@pytest.mark.parametrize("kind", ["user", "driver", "session"])
def test_retention_leaves_what_is_held_and_says_so(house: House, kind: str) -> None:
    driver_id, session_id = charged(house)
    ann = house.user()
    names = {"user": f"user:{ann.subject}"}.get(kind)
    if names is not None:
        change = text("UPDATE driver SET reference = :name WHERE reference LIKE '%d-1'")
        house.installation.database.run(lambda session: session.execute(change, {"name": names}))
    hold = place(house, kind, {"user": ann.subject, "driver": driver_id, "session": session_id}[kind])
    at = house.installation.clock.now() + LATER
    retention = Retention(house.installation.database)

    retention.run(at)

    assert left(house) == (driver_id, driver_id, True)
    said = run_of(house, at.date().isoformat())
    assert said.held == {"raw evidence": 1, "session summaries": 1}
    assert said.removed["raw evidence"] == said.removed["session summaries"] == 0

    lift(house, hold)
    retention.run(at + DAY)
    assert left(house) == (NOBODY, NOBODY, False)
    assert run_of(house, (at + DAY).date().isoformat()).held == {}
    assert house.findings() == []


def test_an_erasure_waits_for_a_hold_and_goes_on_without_it(house: House) -> None:
    ann = house.user()
    give_contact(house, ann)
    work_off(house, everything=True)
    ask(ann)
    hold = place(house, "driver", ann.tenant_id)
    assert after(house, 4 * DAY) == 0
    assert (ann.get("/v1/me/erasure").json()["held_because"]) == "legal-hold"
    assert len(rows_of(house)["user_contact"]) == 1

    lift(house, hold)
    assert after(house, 5 * DAY) == 1
    assert rows_of(house)["user_contact"] == []


def test_a_hold_that_comes_while_an_erasure_runs_makes_it_wait(house: House) -> None:
    ann = house.user()
    give_contact(house, ann)
    ask(ann)
    erasures, now = house.installation.erasures, house.installation.clock.now() + 4 * DAY
    begun = house.installation.database.run(lambda session: erasures._begin(session, now))  # noqa: SLF001
    assert begun == ann.subject
    place(house, "user", ann.subject)

    assert erasures.advance(now) in {0, 1}

    assert (ann.get("/v1/me/erasure").json()["state"]) == "held"
    assert len(rows_of(house)["user_contact"]) == 1
