"""Partners and operators tell prices; drivers read what came back of them, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from nerava.identity.roles import Role
from tests.http.flows import as_driver, campaign, partner_session, sponsor, work_off
from tests.http.roaming import opened_network
from tests.http.test_problems import assert_problem

if TYPE_CHECKING:
    from pathlib import Path

    from tests.http.conftest import House

RULE: dict[str, Any] = {"kind": "percent_of_price", "price_bps": 1_000, "points_max": 500, "currency": "USD"}


def test_a_partner_tells_the_price_and_a_credit_what_is_left_of_it(house: House) -> None:
    campaign(sponsor(house, 1_000), 1_000, rules=[RULE])
    partner = house.caller(Role.PARTNER)
    record = partner_session(price_minor=1_239, currency="USD")
    sent = partner.post("/v1/partner/cdrs", record)
    assert sent.status_code == 201, sent.text
    work_off(house)

    driver = as_driver(house, UUID(sent.json()["driver_id"]))
    (shown,) = driver.get("/v1/sessions").json()["items"]
    assert (shown["price_minor"], shown["currency"]) == (1_239, "USD")
    why = driver.get(f"/v1/sessions/{shown['id']}/decision").json()
    assert [rule["text"] for rule in why["campaigns"][0]["rules"]] == ["10 % of 12.39 USD, rounded down."]
    assert partner.post("/v1/partner/cdrs", record).status_code == 201
    assert_problem(partner.post("/v1/partner/cdrs", record | {"price_minor": 1}), 409, "session-differs")
    less = {"energy_wh": 5_000, "credit_reference": "c-1"}
    silent = record | less | {"price_minor": None, "currency": None}
    assert_problem(partner.post("/v1/partner/cdrs", silent), 422, "session-invalid")
    for _ in range(2):
        assert partner.post("/v1/partner/cdrs", record | less | {"price_minor": 600}).status_code == 201
        work_off(house)

        assert driver.get("/v1/wallet").json()["posted"] == 60
    assert house.findings() == []


def test_a_price_that_cannot_be_is_refused(sqlite_house: House) -> None:
    partner = sqlite_house.caller(Role.PARTNER)
    impossible: list[dict[str, object]] = [
        {"price_minor": 100},
        {"currency": "USD"},
        {"price_minor": 100, "currency": "usd"},
        *({"price_minor": wrong, "currency": "USD"} for wrong in (-1, 1.5, "100", 10**9 + 1)),
    ]

    for price in impossible:
        sent = partner.post("/v1/partner/sessions", partner_session(**price))
        assert_problem(sent, 422, "invalid-input")


def test_an_operators_record_tells_the_price_and_its_credit_takes_all_of_it_back(
    url: str, tmp_path: Path
) -> None:
    with opened_network(url, tmp_path, rule=RULE) as network:
        operator = network.operator
        operator.put("locations", network.location())
        operator.put("sessions", network.session())
        network.work()
        assert (network.nova(), network.decisions()) == (0, [])

        operator.cdr(network.record(total_cost={"excl_vat": 10.0, "incl_vat": 12.0}))
        network.work()
        (session,) = network.sessions()
        assert (session["price_minor"], session["currency"]) == (1_200, "USD")
        assert (network.nova(), network.decisions()) == (120, ["settled"])

        minus = {"excl_vat": -10.0, "incl_vat": -12.0}
        later = "2026-11-20T11:00:00Z"
        operator.cdr(
            network.record(
                id="C1-credit", total_cost=minus, credit=True, credit_reference_id="C1", last_updated=later
            )
        )
        operator.cdr(network.record(id="C2", total_cost={"excl_vat": 5.0}, last_updated=later))
        network.work()

        assert (network.nova(), network.decisions()) == (50, ["clawed_back", "settled"])
        assert network.house.findings() == []
