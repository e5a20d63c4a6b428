"""A sponsor pays in on pages and gets deposits back: once for each form, and nothing before it has cleared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from tests.http.conftest import Caller, House
from tests.http.flows import sponsor, terms
from tests.http.paying import Counter, opened_counter
from tests.web.browser import Browser, browser_of, forms_of, text_of
from tests.web.test_sponsor_campaigns import NONSENSE, people

DEPOSITS = "/sponsor/deposits"


@pytest.fixture
def counter(url: str, tmp_path: Path) -> Iterator[Counter]:
    """A counter on both databases."""
    with opened_counter(url, tmp_path) as opened:
        yield opened


def at_counter(counter: Counter) -> tuple[Caller, Browser]:
    owner = sponsor(counter.house)
    return owner, browser_of(counter.house, Role.SPONSOR, owner.tenant_id)


def pay_page(counter: Counter, means: str = "card") -> None:
    """Pay on the newest page of the provider, and let everybody hear of it."""
    stripe = counter.world.stripe
    stripe.pay_checkout(stripe.objects("checkout.session")[-1]["id"], means)
    counter.bring()
    counter.work(2)


def test_a_payment_is_asked_for_once_paid_on_the_providers_page_and_goes_back(counter: Counter) -> None:
    _, browser = at_counter(counter)
    form = next(one for one in browser.forms(DEPOSITS) if one.action == f"{DEPOSITS}/pay")
    sent = {**form.fields, "amount": "100,00"}
    first, second = browser.post(form.action, sent), browser.post(form.action, sent)
    assert first.status_code == 303
    path = first.headers["location"]
    assert second.headers["location"] == path
    assert "is being made" in text_of(browser.get(path).text)

    counter.work(1)
    assert f'href="{counter.world.base_url}' in browser.get(path).text
    assert "Waits for payment" in text_of(browser.get(DEPOSITS).text)
    pay_page(counter)
    assert "It is with your deposits." in text_of(browser.get(path).text)
    assert "100.00 USD Money that has cleared" in text_of(browser.get(DEPOSITS).text)

    asked = browser.get(f"{DEPOSITS}/back?amount=30.00")
    assert "70.00 USD" in text_of(asked.text)
    [form] = [
        one
        for one in forms_of(asked.text)
        if one.action == f"{DEPOSITS}/back" and "idempotency_key" in one.fields
    ]
    for _ in range(2):
        assert browser.post(form.action, form.fields).headers["location"] == f"{DEPOSITS}?said=deposits-back"
    counter.work(2)
    said = text_of(browser.get(DEPOSITS).text)
    assert "70.00 USD Money that has cleared" in said
    assert said.count("of this payment") == 1
    assert counter.house.findings() == []


def test_a_bank_debit_is_clearing_until_it_has_come(counter: Counter) -> None:
    _, browser = at_counter(counter)
    path = browser.submit(DEPOSITS, f"{DEPOSITS}/pay", amount="5").headers["location"]
    counter.work(1)
    pay_page(counter, "bank")
    said = text_of(browser.get(path).text)
    assert "Clearing" in said
    assert "You can spend it when it has cleared" in said
    assert "0.00 USD Money that has cleared" in text_of(browser.get(DEPOSITS).text)
    assert counter.house.findings() == []


def test_a_payment_may_go_straight_into_a_campaign(counter: Counter) -> None:
    owner, browser = at_counter(counter)
    campaign_id = owner.post("/v1/campaigns", terms()).json()["id"]
    path = browser.submit(DEPOSITS, f"{DEPOSITS}/pay", amount="100.00", campaign=campaign_id).headers[
        "location"
    ]
    counter.work(1)
    pay_page(counter)
    assert "It went into Autumn" in text_of(browser.get(path).text)
    assert "80.00 USD left" in text_of(browser.get(f"/sponsor/campaigns/{campaign_id}").text)
    assert counter.house.findings() == []


def test_a_page_that_nobody_used_says_so(counter: Counter) -> None:
    _, browser = at_counter(counter)
    path = browser.submit(DEPOSITS, f"{DEPOSITS}/pay", amount="5").headers["location"]
    counter.work(1)
    stripe = counter.world.stripe
    stripe.expire_checkout(stripe.objects("checkout.session")[-1]["id"])
    counter.bring()
    counter.work(2)
    assert "Nobody paid on the page in time" in text_of(browser.get(path).text)


@pytest.mark.parametrize("form", ["pay", "back"])
@pytest.mark.parametrize("typed", NONSENSE)
def test_an_amount_that_is_none_is_said_at_its_field_and_asks_for_nothing(
    sqlite_house: House, form: str, typed: str
) -> None:
    owner, browser = people(sqlite_house, 1_000)
    sent = {**browser.forms(DEPOSITS)[0].fields, "idempotency_key": str(new_id()), "amount": typed}
    answer = browser.post(f"{DEPOSITS}/{form}", sent)
    assert answer.status_code == 422
    assert 'id="w-amount"' in answer.text
    assert "<b>" not in answer.text
    assert owner.get("/v1/sponsor/checkouts").json()["items"] == []
    assert owner.get("/v1/sponsor").json()["prepaid_minor"] == 1_000


def test_more_than_payments_can_give_back_is_refused_in_words(house: House) -> None:
    owner, browser = people(house, 1_000)
    said = text_of(browser.get(f"{DEPOSITS}/back?amount=10.01").text)
    assert "more than what is free" in said
    sent = {**browser.forms(DEPOSITS)[0].fields, "idempotency_key": str(new_id()), "amount": "10.00"}
    answer = browser.post(f"{DEPOSITS}/back", sent)
    assert answer.status_code == 409
    assert "More than can be refunded" in text_of(answer.text)
    assert owner.get("/v1/sponsor").json()["prepaid_minor"] == 1_000
    assert house.findings() == []


@pytest.mark.parametrize("campaign", ["x", "0190f3a4-0000-7000-8000-000000000000", "<script>"])
def test_a_campaign_that_is_not_ones_own_takes_no_payment(sqlite_house: House, campaign: str) -> None:
    owner, browser = people(sqlite_house)
    form = next(one for one in browser.forms(DEPOSITS) if one.action == f"{DEPOSITS}/pay")
    answer = browser.post(form.action, {**form.fields, "amount": "5", "campaign": campaign})
    assert answer.status_code in {404, 422}
    assert "<script>" not in answer.text
    assert owner.get("/v1/sponsor/checkouts").json()["items"] == []


def test_the_payment_of_another_sponsor_is_not_there(counter: Counter) -> None:
    _, browser = at_counter(counter)
    path = browser.submit(DEPOSITS, f"{DEPOSITS}/pay", amount="5").headers["location"]
    _, stranger = at_counter(counter)
    assert stranger.get(path).status_code == 404
