"""Who told a new driver is named once; both get their present once, and every refusal says why."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import update

from nerava.identity.roles import Role
from nerava.identity.session_store import AuthSession
from nerava.identity.user_store import AppUser
from nerava.kernel.ids import new_id
from nerava.ledger.chart import PLATFORM_PROMO, driver_nova
from nerava.rewards.referral_rewards import reward_qualified
from nerava.rewards.referrals import name_referrer, qualify
from nerava.rewards.service import evaluate_closed
from tests.helpers.parallel import in_parallel
from tests.http.flows import STARTED, as_driver, fill_promo, partner_session, work_off
from tests.http.test_problems import assert_problem

if TYPE_CHECKING:
    from tests.http.conftest import Caller, House

PATH = "/v1/referral"


def code_of(caller: Caller) -> str:
    """Return a driver's code."""
    code: str = caller.get(PATH).json()["code"]
    return code


def name(caller: Caller, code: str, *, key: str = "") -> Any:
    """Say who told."""
    return caller.post(PATH, {"code": code}, key=key or str(new_id()))


def newcomer(house: House, minutes: int = 60) -> Caller:
    """Return a driver whom a partner knows by one session of so many minutes; it is not worked on yet."""
    body = partner_session(str(new_id()), str(new_id()))
    body["ended_at"] = (STARTED + timedelta(minutes=minutes)).isoformat()
    body["energy_wh"] = 1_000
    sent = house.caller(Role.PARTNER).post("/v1/partner/cdrs", body)
    assert sent.status_code == 201, sent.text
    return as_driver(house, UUID(sent.json()["driver_id"]))


def nova(house: House, *callers: Caller) -> list[int]:
    """Return what drivers hold."""
    return house.books.posted(*(driver_nova(one.tenant_id) for one in callers))


def test_both_get_their_present_after_the_first_quarter_of_an_hour(house: House) -> None:
    fill_promo(house, 1_000)
    teller, new = house.driver(), newcomer(house)

    named = name(new, code_of(teller).lower(), key="once")

    assert (named.status_code, named.json()["state"]) == (201, "invited")
    assert name(new, code_of(teller), key="twice").json()["code"] == "already-referred"
    work_off(house)
    assert nova(house, teller, new) == [500, 500]
    assert house.books.posted(PLATFORM_PROMO) == [0]
    (seen,) = teller.get(PATH).json()["referred"]
    assert (seen["state"], seen["text"]) == ("rewarded", "Both got 500 Nova.")
    assert new.get(PATH).json()["named"]["rewarded_at"] is not None
    assert str(teller.tenant_id) not in new.get(PATH).text
    work_off(house)
    assert nova(house, teller, new) == [500, 500]
    assert house.findings() == []


def test_fourteen_minutes_are_not_enough(house: House) -> None:
    fill_promo(house, 1_000)
    teller, new = house.driver(), newcomer(house, minutes=14)
    name(new, code_of(teller))

    work_off(house)

    assert nova(house, teller, new) == [0, 0]
    assert new.get(PATH).json()["named"]["state"] == "invited"


def test_an_empty_budget_pays_neither_and_both_when_it_is_filled(house: House) -> None:
    fill_promo(house, 999)
    teller, new = house.driver(), newcomer(house)
    name(new, code_of(teller))

    work_off(house)

    assert nova(house, teller, new) == [0, 0]
    assert new.get(PATH).json()["named"]["state"] == "qualified"
    fill_promo(house, 1)
    now = house.installation.clock.now()
    database, ledger = house.installation.database, house.installation.ledger
    assert reward_qualified(database, ledger, now) == 0
    assert reward_qualified(database, ledger, now + timedelta(hours=1, minutes=1)) == 1
    assert nova(house, teller, new) == [500, 500]
    assert house.findings() == []


def test_nobody_refers_themselves_nor_by_a_code_that_nobody_has(house: House) -> None:
    new = house.driver()

    assert_problem(name(new, code_of(new)), 409, "own-referral-code")
    assert_problem(name(new, "ZZZZZZZZ"), 404, "unknown-referral-code")
    assert_problem(name(new, "short"), 422, "invalid-input")
    assert new.get(PATH).json()["named"] is None


def test_after_a_fortnight_nobody_is_named_any_more(house: House) -> None:
    teller, new = house.driver(), house.user()
    earlier = house.installation.clock.now() - timedelta(days=14, minutes=1)
    change = update(AppUser).where(AppUser.id == new.subject).values(created_at=earlier)
    house.installation.database.run(lambda session: session.execute(change))

    assert_problem(name(new, code_of(teller)), 409, "referral-too-late")


def test_a_circle_a_twin_and_a_shared_device_are_refused_with_their_reason(house: House) -> None:
    fill_promo(house, 10_000)
    one, two, three = house.driver(), house.driver(), newcomer(house)
    assert name(two, code_of(one)).json()["state"] == "invited"
    assert name(three, code_of(two)).json()["state"] == "invited"
    circle = name(one, code_of(three))
    assert (circle.status_code, circle.json()["state"]) == (201, "refused")
    assert circle.json()["text"] == "Refused: whoever told you came by you."

    other, code, now = newcomer(house).tenant_id, code_of(one), house.installation.clock.now()
    twin = house.installation.database.run(
        lambda session: name_referrer(session, referee_id=other, subject=one.subject, code=code, now=now)
    )
    assert (twin.state, twin.text) == ("refused", "Refused: both drivers are one person.")

    fourth = newcomer(house)
    key = update(AuthSession).where(AuthSession.user_id.in_([one.subject, fourth.subject]))
    house.installation.database.run(lambda session: session.execute(key.values(device_key="k" * 43)))
    shared = name(fourth, code_of(one))
    assert shared.json()["text"] == "Refused: both drivers use one device."

    work_off(house)
    assert nova(house, one, two, three, fourth) == [0, 500, 500, 0]
    assert house.findings() == []


def test_sixty_four_jobs_and_names_at_once_make_one_pair_of_presents(house: House) -> None:
    fill_promo(house, 64_000)
    teller, new = house.driver(), newcomer(house)
    code = code_of(teller)
    said = in_parallel(16, lambda _: name(new, code).status_code)
    assert sorted(said) == [201] + [409] * 15
    # The session is verified; nobody has looked at the referral yet.
    database, ledger = house.installation.database, house.installation.ledger
    now = house.installation.clock.now()
    database.run(lambda session: evaluate_closed(session, ledger, now))

    def work(_: int) -> int:
        qualify(database, now)
        return reward_qualified(database, ledger, now)

    assert sum(in_parallel(64, work)) + reward_qualified(database, ledger, now) == 1
    assert nova(house, teller, new) == [500, 500]
    assert house.findings() == []


def test_a_tier_counts_what_charging_earned_and_not_presents(house: House) -> None:
    fill_promo(house, 1_000)
    teller, new = house.driver(), newcomer(house)
    name(new, code_of(teller))
    work_off(house)

    shown = new.get("/v1/me/tier").json()
    assert shown == {"tier": "bronze", "points": 0, "next_tier": "silver", "points_missing": 100}
