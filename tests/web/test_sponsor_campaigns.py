"""A sponsor's campaigns on pages: what each shows, funding, running, ending, and taking back the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from tests.http.flows import campaign, partner_session, sponsor, terms, work_off
from tests.web.browser import Browser, browser_of, forms_of, text_of

if TYPE_CHECKING:
    from tests.http.conftest import Caller, House

NONSENSE = ["-5", "0", "1.234", "abc", "", "1e3", "NaN", "9" * 30, "٣", "1,2,3", "<b>"]


def people(house: House, deposited: int = 0) -> tuple[Caller, Browser]:
    """Return a sponsor as a caller of the API, and the same sponsor's browser."""
    owner = sponsor(house, deposited)
    return owner, browser_of(house, Role.SPONSOR, owner.tenant_id)


def drafted(owner: Caller, **changes: object) -> str:
    """Return the id of a draft."""
    found: str = owner.post("/v1/campaigns", terms(**changes)).json()["id"]
    return found


def rewarded(house: House, owner: Caller, **changes: object) -> str:
    """Return the id of a campaign that gave somebody ten points and holds ten of somebody else."""
    campaign_id = campaign(owner, 1_000, settle_level=1, **changes)
    partner = house.caller(Role.PARTNER)
    assert partner.post("/v1/partner/sessions", partner_session(), key="s").status_code == 201
    work_off(house)
    return campaign_id


def page_of(campaign_id: str) -> str:
    return f"/sponsor/campaigns/{campaign_id}"


def test_who_has_no_campaign_is_told_how_to_begin(sqlite_house: House) -> None:
    _, browser = people(sqlite_house)
    said = text_of(browser.get("/sponsor").text)
    assert "0.00 USD" in said
    assert "Begin with one of the examples" in said


def test_every_campaign_is_listed_with_its_state_its_money_and_its_pace(sqlite_house: House) -> None:
    owner, browser = people(sqlite_house, 5_000)
    rewarded(sqlite_house, owner)
    drafted(owner, name="Later")
    said = text_of(browser.get("/sponsor").text)
    for words in (
        "40.00 USD",
        "Autumn Running",
        "Given 0.10 USD",
        "Left 7.90 USD",
        "Later Draft",
        "Not funded yet.",
    ):
        assert words in said, words
    assert said.index("Autumn") < said.index("Later")


def test_a_campaign_shows_its_budget_its_promise_and_why_each_reward_was_given(sqlite_house: House) -> None:
    owner, browser = people(sqlite_house, 5_000)
    campaign_id = rewarded(sqlite_house, owner, session_points_max=50)
    html = browser.get(page_of(campaign_id)).text
    said = text_of(html)
    for words in (
        "7.90 USD left",
        "10 Nova for a session.",
        "A session earns at most 50 Nova.",
        "20 % of what you pay in",
        "Too early for a forecast",
        "Nobody is held out of this campaign",
        "Paid in, fee included 10.00 USD",
    ):
        assert words in said, words
    [reward] = owner.get(f"/v1/campaigns/{campaign_id}/grants").json()["items"]
    why = f"{page_of(campaign_id)}/grants/{reward['reference']}"
    assert why in html
    assert why in browser.get(f"{page_of(campaign_id)}/grants").text
    assert "The session took place. 10 Nova" in text_of(browser.get(why).text)


def test_a_campaign_with_too_few_sessions_says_what_a_comparison_needs(sqlite_house: House) -> None:
    owner, browser = people(sqlite_house)
    said = text_of(browser.get(page_of(drafted(owner, holdout_percent=20))).text)
    assert "Too few sessions yet. Each side needs 5 drivers and 30 sessions" in said
    assert "fewer than 5 drivers would have earned" in said


def test_the_csv_is_that_of_the_api_byte_for_byte(sqlite_house: House) -> None:
    owner, browser = people(sqlite_house, 5_000)
    campaign_id = rewarded(sqlite_house, owner)
    mine = browser.get(f"{page_of(campaign_id)}/burn-down.csv")
    assert mine.headers["content-type"].startswith("text/csv")
    assert mine.content == owner.get(f"/v1/campaigns/{campaign_id}/burn-down/csv").content
    assert browser.get(f"{page_of(str(new_id()))}/burn-down.csv").status_code == 404


def test_the_campaign_of_another_sponsor_is_not_there(sqlite_house: House) -> None:
    owner, _ = people(sqlite_house, 5_000)
    campaign_id = drafted(owner)
    _, stranger = people(sqlite_house, 5_000)
    for path in ("", "/fund?amount=1", "/grants", f"/grants/{new_id()}", "/burn-down.csv"):
        assert stranger.get(page_of(campaign_id) + path).status_code == 404, path
    forms = stranger.forms("/sponsor")
    for step in ("fund", "activate", "pause", "end", "close"):
        sent = {**forms[0].fields, "idempotency_key": str(new_id()), "word": "end", "amount": "1"}
        assert stranger.post(f"{page_of(campaign_id)}/{step}", sent).status_code == 404, step
    assert owner.get(f"/v1/campaigns/{campaign_id}").json()["state"] == "draft"


def test_a_campaign_is_funded_run_paused_ended_and_its_rest_taken_back(house: House) -> None:
    owner, browser = people(house, 10_000)
    path = page_of(drafted(owner))
    assert "It can start as soon as it has a budget." in text_of(browser.get(path).text)

    asked = browser.get(f"{path}/fund?amount=10,00")
    for words in ("10.00 USD", "2.00 USD", "8.00 USD", "90.00 USD"):
        assert words in text_of(asked.text)
    form = next(
        one
        for one in forms_of(asked.text)
        if one.action.endswith("/fund") and "idempotency_key" in one.fields
    )
    for _ in range(2):
        answer = browser.post(form.action, form.fields)
        assert answer.headers["location"] == f"{path}?said=campaign-funded"
    assert owner.get("/v1/sponsor").json()["prepaid_minor"] == 9_000

    for step, said, state in (
        ("activate", "campaign-runs", "Running"),
        ("pause", "campaign-paused", "Paused"),
        ("activate", "campaign-runs", "Running"),
    ):
        answer = browser.submit(path, f"{path}/{step}")
        assert answer.headers["location"] == f"{path}?said={said}"
        assert state in text_of(browser.get(answer.headers["location"]).text)
    assert browser.submit(path, f"{path}/end", word="End").headers["location"].endswith("campaign-ended")
    assert "8.00 USD go back to your deposits" in text_of(browser.get(path).text)
    [close] = [one for one in browser.forms(path) if one.action == f"{path}/close"]
    for _ in range(2):
        assert browser.post(close.action, close.fields).headers["location"].endswith("campaign-closed")
    assert owner.get("/v1/sponsor").json()["prepaid_minor"] == 10_000
    assert "Nothing is left here." in text_of(browser.get(path).text)
    assert house.findings() == []


@pytest.mark.parametrize("typed", NONSENSE)
def test_an_amount_that_is_none_is_said_at_its_field_and_moves_nothing(
    sqlite_house: House, typed: str
) -> None:
    owner, browser = people(sqlite_house, 10_000)
    path = page_of(drafted(owner))
    token = browser.forms(path)[0].fields
    sent = {**token, "idempotency_key": str(new_id()), "amount": typed}
    answer = browser.post(f"{path}/fund", sent)
    assert answer.status_code == 422, answer.text
    assert 'id="w-amount"' in answer.text
    assert "<b>" not in answer.text
    assert owner.get("/v1/sponsor").json()["prepaid_minor"] == 10_000


@pytest.mark.parametrize("typed", [one for one in NONSENSE if one])
def test_no_split_is_shown_of_an_amount_that_is_none(sqlite_house: House, typed: str) -> None:
    owner, browser = people(sqlite_house, 10_000)
    path = page_of(drafted(owner))
    answer = browser.get(f"{path}/fund", params={"amount": typed})
    assert answer.status_code == 422
    assert "For drivers" not in text_of(answer.text)


def test_more_than_is_free_is_said_before_and_refused_after(house: House) -> None:
    owner, browser = people(house, 1_000)
    path = page_of(drafted(owner))
    assert "more than what is free" in text_of(browser.get(f"{path}/fund?amount=10.01").text)
    sent = {**browser.forms(path)[0].fields, "idempotency_key": str(new_id()), "amount": "10.01"}
    answer = browser.post(f"{path}/fund", sent)
    assert answer.status_code == 409
    assert "Not enough deposited" in text_of(answer.text)
    assert owner.get("/v1/sponsor").json()["prepaid_minor"] == 1_000
    assert house.findings() == []


def test_a_step_that_the_state_does_not_allow_is_refused_in_words(sqlite_house: House) -> None:
    owner, browser = people(sqlite_house, 1_000)
    path = page_of(drafted(owner))
    token = browser.forms(path)[0].fields
    for step in ("activate", "pause", "close"):
        answer = browser.post(f"{path}/{step}", {**token, "idempotency_key": str(new_id())})
        assert answer.status_code == 409, step
        assert 'role="alert"' in answer.text


@pytest.mark.parametrize("word", ["", "no", "end it"])
def test_a_campaign_ends_only_if_the_word_is_typed(sqlite_house: House, word: str) -> None:
    owner, browser = people(sqlite_house, 1_000)
    campaign_id = drafted(owner)
    answer = browser.submit(page_of(campaign_id), f"{page_of(campaign_id)}/end", word=word)
    assert answer.status_code == 422
    assert 'id="w-word"' in answer.text
    assert owner.get(f"/v1/campaigns/{campaign_id}").json()["state"] == "draft"


@pytest.mark.parametrize("name", ['<script>alert("x")</script>', 'O\'Neill & "Sons"', "שלום נובה"])
def test_a_name_is_shown_as_it_is_written(sqlite_house: House, name: str) -> None:
    owner, browser = people(sqlite_house)
    path = page_of(drafted(owner, name=name))
    shown: list[Any] = [browser.get(one) for one in ("/sponsor", path, f"{path}/fund", f"{path}/grants")]
    for answer in shown:
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert 'Neill & "Sons' not in answer.text


def test_a_day_that_nobody_funded_has_no_chart_and_a_list_goes_on_by_its_cursor(sqlite_house: House) -> None:
    owner, browser = people(sqlite_house, 1_000)
    for number in range(21):
        drafted(owner, name=f"Number {number}")
    first = browser.get("/sponsor").text
    assert "Number 20" not in first
    onward = first.partition('<p class="more"><a href="')[2].partition('"')[0]
    assert "Number 20" in browser.get(f"/sponsor{onward}").text
