"""A purchase near a charger earns once, for one session, whenever it becomes known."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nerava.charging.purchases import Match, Purchase, match
from nerava.kernel.geography import Point
from nerava.kernel.ids import new_id
from nerava.rewards.rules import Fixed, PurchaseMatch
from tests.helpers.parallel import in_parallel
from tests.rewards.house import START

if TYPE_CHECKING:
    from uuid import UUID

    from tests.rewards.house import House

LOOP = {"latitude": 41.88, "longitude": -87.63}
NEAR, FAR = Point(41.881, -87.63), Point(41.8812, -87.63)
"""111 and 133 metres to the north."""


def bought(house: House, *, minutes: int = 30, place: Point = NEAR, **changes: Any) -> Match:
    """Let Alice have bought something so many minutes after the first session began; it lasts an hour."""
    values: dict[str, Any] = {
        "source": "test",
        "reference": str(new_id()),
        "driver_id": house.driver(),
        "bought_at": START + timedelta(minutes=minutes),
        "place": place,
        "bill_minor": 450,
    } | changes
    return house.database.run(lambda session: match(session, Purchase(**values)))


def reason(house: House, session_id: UUID) -> str:
    """Return what the rule says at last."""
    return house.explain(session_id).campaigns[0].rules[0].code


@pytest.mark.parametrize(
    ("minutes", "place", "code"),
    [
        (-30, NEAR, "near"),
        (90, NEAR, "near"),
        (91, NEAR, "too_far"),
        (-31, NEAR, "too_far"),
        (30, FAR, "too_far"),
        (30, Point(41.9, -87.63), "none"),
        (181, NEAR, "none"),
    ],
)
def test_what_is_bought_within_thirty_minutes_and_120_metres_earns(
    house: House, minutes: int, place: Point, code: str
) -> None:
    paying = house.campaign(Fixed(points=150), PurchaseMatch())
    charged = house.charged(location_id=house.place("loop", **LOOP))

    found = bought(house, minutes=minutes, place=place)
    house.evaluate()

    assert found is (Match.NOT_YET if code == "none" else Match.MATCHED)
    assert reason(house, charged) == f"purchase_match.{code}"
    assert house.money(paying).granted == (150 if code == "near" else 0)


def test_a_purchase_that_is_known_later_lets_the_session_be_decided_once_more(house: House) -> None:
    paying, plain = house.campaign(Fixed(points=150), PurchaseMatch()), house.campaign(Fixed(points=7))
    charged = house.charged(location_id=house.place("loop", **LOOP))
    house.evaluate()
    assert (house.money(paying).granted, house.money(plain).granted) == (0, 7)

    assert bought(house, reference="one") is Match.MATCHED
    assert house.evaluate().evaluated == 1
    assert bought(house, reference="one") is Match.MATCHED
    assert house.evaluate().evaluated == 0

    assert (house.money(paying).granted, house.money(plain).granted) == (150, 7)
    assert house.explain(charged).evaluation == 2


def test_a_purchase_belongs_to_the_session_that_is_nearest_in_time_alone(house: House) -> None:
    paying = house.campaign(Fixed(points=150), PurchaseMatch())
    here = house.place("loop", **LOOP)
    first = house.charged(location_id=here)
    second = house.charged(location_id=here, started_at=START + timedelta(minutes=75))
    other = house.charged(location_id=here, driver_id=house.driver("bob"))

    bought(house, minutes=70)
    house.evaluate()

    assert reason(house, second) == "purchase_match.near"
    assert {reason(house, one) for one in (first, other)} == {"purchase_match.none"}
    assert house.money(paying).granted == 150


def test_one_purchase_told_by_many_at_once_is_one(house: House) -> None:
    paying = house.campaign(Fixed(points=150), PurchaseMatch())
    here = house.place("loop", **LOOP)
    for hour in (0, 1):
        house.charged(location_id=here, hour=hour)
    house.evaluate()

    in_parallel(8, lambda index: bought(house, minutes=55 + index % 2 * 10, reference="one"))
    house.evaluate()

    assert house.money(paying).granted == 150


def test_held_points_for_a_purchase_settle_by_the_same_purchase(house: House) -> None:
    paying = house.campaign(Fixed(points=150), PurchaseMatch())
    charged = house.charged(location_id=house.place("loop", **LOOP), evidence_level=2)
    bought(house)
    house.evaluate()
    assert house.money(paying).held == 150

    house.attest(charged, energy_wh=9_000, is_credit=False)
    house.evaluate()
    house.settle()

    assert (house.money(paying).held, house.money(paying).granted) == (0, 150)
