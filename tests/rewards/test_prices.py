"""A share of the price comes back once, by what the operator's record says, and a correction takes its part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from nerava.charging.evidence import SessionPrice
from nerava.charging.model import SessionPriceRow
from nerava.privacy.unlinking import unlink_grants
from nerava.rewards.rules import Fixed, Multiplier, PercentOfPrice, PerKwh
from tests.rewards.examples import terms

if TYPE_CHECKING:
    from uuid import UUID

    from tests.rewards.house import House

TENTH = PercentOfPrice(price_bps=1_000, points_max=500)


def usd(minor: int) -> SessionPrice:
    """Return a price in dollars."""
    return SessionPrice(minor, "USD")


def recorded(house: House, session_id: UUID, price: SessionPrice | None, **changes: Any) -> None:
    """Let the operator's record of a session come, and decide it."""
    values: dict[str, Any] = {"reference": "record", "energy_wh": 10_000, "is_credit": False, "price": price}
    house.attest(session_id, **values | changes)
    house.evaluate()
    house.settle()


def credited(house: House, session_id: UUID, **left: Any) -> int:
    """Let a credit come, decide anew and take back; return what the driver has."""
    house.attest(session_id, **left)
    house.evaluate()
    house.review()
    return house.points(house.driver())


def kept(house: House) -> list[SessionPrice]:
    """Return what is kept of prices."""
    rows = house.database.read(lambda session: session.execute(select(SessionPriceRow.__table__)).all())
    return [SessionPrice(row.price_minor, row.currency) for row in rows]


def test_a_record_gives_its_share_and_a_second_look_gives_no_more(house: House) -> None:
    paying = house.campaign(TENTH)
    session_id = house.charged(price=usd(1_239))

    assert house.evaluate().points_granted == 123
    recorded(house, session_id, usd(1_239))

    assert (house.points(house.driver()), house.money(paying).granted) == (123, 123)
    (rule,) = house.explain(session_id).campaigns[0].rules
    assert (rule.text, rule.points) == ("10 % of 12.39 USD, rounded down.", 123)


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("price", "code", "text"),
    [
        (None, "not_known", "The operator's record does not say what the session cost."),
        (usd(0), "free", "The session cost nothing."),
        (
            SessionPrice(1_239, "EUR"),
            "other_currency",
            "The session cost 12.39 EUR; the campaign counts prices in USD and converts none.",
        ),
    ],
)
def test_what_cannot_be_counted_costs_the_rest_nothing_and_says_why(
    house: House, price: SessionPrice | None, code: str, text: str
) -> None:
    house.campaign(Fixed(points=7), TENTH)
    session_id = house.charged(price=price)

    assert house.evaluate().points_granted == 7
    rule = house.explain(session_id).campaigns[0].rules[1]
    assert (rule.code, rule.text) == (f"percent_of_price.{code}", text)


@pytest.mark.in_turn
def test_caps_of_rule_and_campaign_cut_and_a_multiplier_multiplies_what_the_rule_left(house: House) -> None:
    house.campaign(TENTH, Multiplier(percent=200), session_points_max=800)
    house.campaign(PercentOfPrice(price_bps=1_000, points_max=20))
    session_id = house.charged(price=usd(1_000_000))

    assert house.evaluate().points_granted == 820
    reasons = {one.code for one in house.explain(session_id).campaigns}
    assert reasons == {"cap.session", "campaign.earned"}


@pytest.mark.in_turn
def test_until_the_record_tells_the_price_the_campaign_waits_and_then_gives_all_of_it(house: House) -> None:
    house.campaign(Fixed(points=7), TENTH)
    session_id = house.charged(evidence_level=1)

    assert house.evaluate().points_held == 0
    (waiting,) = house.explain(session_id).campaigns
    assert (waiting.code, waiting.text) == (
        "price.waiting",
        "What the session cost is not known yet; it is decided once more when the operator's record comes.",
    )
    recorded(house, session_id, usd(1_000))

    assert house.points(house.driver()) == 107


@pytest.mark.in_turn
@pytest.mark.parametrize(("final", "points"), [(1_000, 100), (800, 80), (1_200, 100), (None, 0)])
def test_a_price_on_mere_word_is_held_and_the_record_settles_it(
    house: House, final: int | None, points: int
) -> None:
    paying = house.campaign(TENTH)
    session_id = house.charged(evidence_level=1, price=usd(1_000))

    assert house.evaluate().points_held == 100
    recorded(house, session_id, None if final is None else usd(final))

    assert house.points(house.driver()) == points
    assert (house.money(paying).held, house.money(paying).granted) == (0, points)
    assert kept(house) == ([] if final is None else [usd(final)])


def test_a_credit_of_a_part_takes_its_share_back_once_and_can_add_nothing(house: House) -> None:
    house.campaign(TENTH)
    session_id = house.charged(price=usd(1_000))
    house.evaluate()

    assert credited(house, session_id, reference="c1", energy_wh=10_000, price=usd(600)) == 60
    assert credited(house, session_id, reference="c1", energy_wh=10_000, price=usd(600)) == 60
    assert credited(house, session_id, reference="c2", energy_wh=10_000, price=usd(900)) == 60
    assert credited(house, session_id, reference="c3", energy_wh=9_000, price=usd(900)) == 60
    assert credited(house, session_id, reference="c4", energy_wh=9_000, price=SessionPrice(1, "EUR")) == 60
    assert kept(house) == [usd(600)]
    assert credited(house, session_id, reference="c5", energy_wh=9_000, price=None) == 60
    assert credited(house, session_id, reference="c6", energy_wh=0) == 0
    assert kept(house) == [usd(0)]


@pytest.mark.in_turn
def test_a_signed_record_names_the_price_anew_and_gives_no_second_share(house: House) -> None:
    house.campaign(TENTH, PerKwh(points_per_kwh=1))
    session_id = house.charged(evidence_level=1)
    house.evaluate()
    recorded(house, session_id, usd(1_000))
    assert house.points(house.driver()) == 110

    recorded(house, session_id, usd(5_000), level=5, reference="signed")

    assert kept(house) == [usd(5_000)]
    assert house.points(house.driver()) == 110


@pytest.mark.in_turn
def test_the_price_goes_when_the_session_names_nobody(house: House) -> None:
    session_id = house.charged(price=usd(1_000))
    assert kept(house) == [usd(1_000)]

    house.database.run(lambda session: unlink_grants(session, [session_id]))

    assert kept(house) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"currency": "EUR"}, "a share of prices in USD cannot be paid in EUR: nothing is converted"),
        ({"settle_level": 3}, "settles at level 4 or above"),
    ],
)
def test_terms_that_could_not_be_kept_say_why(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        terms(TENTH, **changes)
