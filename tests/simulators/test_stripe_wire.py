"""How the simulated Stripe is spoken to: keys, forms, pages of lists, and what a key remembers."""

from __future__ import annotations

import threading
from datetime import timedelta

import httpx2
import pytest

from nerava.simulators.stripe.forms import parse_form
from tests.simulators.conftest import Caller


def test_nested_names_become_objects_and_lists() -> None:
    text = "a=1&b[c]=2&b[d][]=3&b[d][]=4&e[0][f]=5&e[1][f]=6&g=%26%3D"
    assert parse_form(text) == {
        "a": "1",
        "b": {"c": "2", "d": ["3", "4"]},
        "e": [{"f": "5"}, {"f": "6"}],
        "g": "&=",
    }


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer sk_test_wrong"}, 401),
        ({"authorization": "Bearer sk_" + "live_anything"}, 401),
        ({"authorization": "Basic !!!"}, 401),
        ({"stripe-account": "acct_unknown"}, 403),
    ],
)
def test_who_has_no_key_or_no_access_is_refused(stripe: Caller, headers: dict[str, str], status: int) -> None:
    own = {} if "stripe-account" not in headers else dict(stripe.http.headers)
    answer = httpx2.get(f"{stripe.simulators.url_of('stripe')}/v1/balance", headers={**own, **headers})
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.headers["request-id"].startswith("req_")


def test_a_key_may_be_the_user_of_basic_authentication(stripe: Caller) -> None:
    url = f"{stripe.simulators.url_of('stripe')}/v1/balance"
    assert httpx2.get(url, auth=(stripe.simulators.stripe.key, "")).status_code == 200


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"currency": "usd", "destination": "acct_x"}, "amount"),
        ({"amount": "0", "currency": "usd", "destination": "acct_x"}, "amount"),
        ({"amount": "-5", "currency": "usd", "destination": "acct_x"}, "amount"),
        ({"amount": "1.5", "currency": "usd", "destination": "acct_x"}, "amount"),
        ({"amount": "5", "currency": "xyz", "destination": "acct_x"}, "currency"),
        ({"amount": "5", "currency": "usd"}, "destination"),
        ({"amount": "5", "currency": "usd", "destination": "acct_x"}, "destination"),
        ({"amount": "5", "currency": "usd", "destination": "acct_x", "colour": "red"}, "colour"),
        ({"amount": "5", "currency": "usd", "destination[a]": "acct_x"}, "destination"),
    ],
)
def test_what_is_not_valid_is_refused_by_name(funded: Caller, form: dict[str, str], param: str) -> None:
    refused = funded.post("/v1/transfers", form=form)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == param


def test_an_unknown_address_is_a_404(stripe: Caller) -> None:
    assert stripe.get("/v1/nothing").json()["error"]["type"] == "invalid_request_error"
    assert stripe.get("/v1/transfers/tr_none").json()["error"]["code"] == "resource_missing"
    assert httpx2.get(f"{stripe.simulators.url_of('stripe')}/pay/cs_none").status_code == 404


@pytest.mark.trap("T17")
def test_a_list_is_cut_and_says_that_there_is_more(funded: Caller) -> None:
    account = funded.recipient()
    sent = [funded.transfer(account, 10).json()["id"] for _ in range(23)]
    seen, after = [], {}
    for _ in range(3):
        page = funded.get("/v1/transfers", transfer_group="payout-1", limit="9", **after).json()
        seen += [one["id"] for one in page["data"]]
        after = {"starting_after": seen[-1]}
    assert seen == sent[::-1]
    assert page["has_more"] is False
    before = funded.get("/v1/transfers", limit="2", ending_before=sent[-5]).json()
    assert [one["id"] for one in before["data"]] == [sent[-3], sent[-4]]
    assert before["has_more"] is True
    for wrong in ({"limit": "101"}, {"limit": "0"}, {"starting_after": "tr_none"}):
        assert funded.get("/v1/transfers", query=wrong).status_code == 400
    assert len(funded.get("/v1/events", limit="100").json()["data"]) == 23
    funded.simulators.stripe.behave(settle_days=0)
    for _ in range(80):
        funded.simulators.stripe.deposit(1)
    page = funded.get("/v1/balance_transactions", limit="100").json()
    assert (len(page["data"]), page["has_more"]) == (100, True)


def test_lists_are_narrowed_by_time_and_by_what_they_are_about(stripe: Caller) -> None:
    first = stripe.paid(1_000)
    began = int(stripe.simulators.now().timestamp())
    stripe.simulators.advance(timedelta(hours=1))
    second = stripe.paid(2_000)
    rows = stripe.get("/v1/balance_transactions", query={"created[gte]": began, "created[lt]": began + 3_600})
    assert [one["amount"] for one in rows.json()["data"]] == [1_000]
    rows = stripe.get("/v1/balance_transactions", query={"created[gt]": began})
    assert [one["amount"] for one in rows.json()["data"]] == [2_000]
    stripe.post("/v1/refunds", payment_intent=first)
    stripe.post("/v1/refunds", payment_intent=second, amount="5")
    (refund,) = stripe.get("/v1/refunds", payment_intent=second).json()["data"]
    assert refund["amount"] == 5
    assert stripe.get("/v1/transfers", transfer_group="another").json()["data"] == []
    kinds = {one["type"] for one in stripe.get("/v1/events", type="refund.*").json()["data"]}
    assert kinds == {"refund.created"}


def test_objects_stand_in_place_of_ids_when_that_is_asked_for(funded: Caller) -> None:
    funded.transfer(funded.recipient())
    rows = funded.get("/v1/balance_transactions", type="transfer", query={"expand[]": "data.source"}).json()
    assert rows["data"][0]["source"]["transfer_group"] == "payout-1"
    refused = funded.get("/v1/balance_transactions", query={"expand[]": "data.colour"})
    assert refused.json()["error"]["param"] == "expand"


@pytest.mark.trap("T3")
def test_one_key_is_one_transfer_and_another_key_pays_twice(funded: Caller) -> None:
    account = funded.recipient()
    lost = funded.simulators.faults.add("answer_lost", path="/v1/transfers", method="POST", times=1)
    with pytest.raises(httpx2.RemoteProtocolError):
        funded.transfer(account, key="payout-1:send:1")
    again = funded.transfer(account, key="payout-1:send:1")
    assert again.status_code == 200
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["original-request"] != again.headers["request-id"]
    assert len(funded.get("/v1/transfers", transfer_group="payout-1").json()["data"]) == 1
    funded.transfer(account, key="payout-1:send:2")
    assert len(funded.get("/v1/transfers", transfer_group="payout-1").json()["data"]) == 2
    first = next(one for one in funded.simulators.requests("stripe") if one.fault == lost.kind)
    assert (first.status, first.carried_out, first.key) == (None, True, "payout-1:send:1")


def test_the_answer_to_a_repetition_is_lost_like_any_other(funded: Caller) -> None:
    account = funded.recipient()
    assert funded.transfer(account, key="k").status_code == 200
    funded.simulators.faults.add("answer_lost", path="/v1/transfers", method="POST")
    with pytest.raises(httpx2.RemoteProtocolError):
        funded.transfer(account, key="k")
    funded.simulators.faults.heal()
    funded.simulators.faults.add("status", status=503, path="/v1/transfers", method="POST")
    assert funded.transfer(account, key="k").status_code == 503
    funded.simulators.faults.heal()
    assert funded.transfer(account, key="k").headers["idempotent-replayed"] == "true"


def test_a_key_is_forgotten_after_a_day(funded: Caller) -> None:
    account = funded.recipient()
    funded.transfer(account, key="k")
    funded.simulators.advance(timedelta(hours=23, minutes=59))
    assert "idempotent-replayed" in funded.transfer(account, key="k").headers
    funded.simulators.advance(timedelta(minutes=1))
    assert "idempotent-replayed" not in funded.transfer(account, key="k").headers
    assert len(funded.get("/v1/transfers").json()["data"]) == 2


@pytest.mark.trap("T4")
def test_a_key_with_another_amount_is_refused_and_nothing_is_done(funded: Caller) -> None:
    account = funded.recipient()
    funded.transfer(account, 5_000, key="k")
    refused = funded.transfer(account, 5_001, key="k")
    assert (refused.status_code, refused.json()["error"]["type"]) == (400, "idempotency_error")
    assert len(funded.get("/v1/transfers").json()["data"]) == 1


@pytest.mark.trap("T5")
@pytest.mark.parametrize("done", [False, True])
def test_a_500_is_kept_under_its_key_whether_it_happened_or_not(funded: Caller, done: bool) -> None:
    account = funded.recipient()
    funded.simulators.faults.add("status", path="/v1/transfers", method="POST", times=1, done=done)
    first = funded.transfer(account, key="k:1")
    again = funded.transfer(account, key="k:1")
    assert (first.status_code, again.status_code) == (500, 500)
    assert first.json() == again.json()
    assert len(funded.get("/v1/transfers").json()["data"]) == int(done)
    assert funded.transfer(account, key="k:2").status_code == 200


def test_what_was_not_valid_is_not_kept_and_what_was_refused_is(funded: Caller) -> None:
    account = funded.recipient()
    assert funded.transfer("acct_unknown", key="k").status_code == 400
    assert funded.transfer(account, key="k").status_code == 200
    assert funded.transfer(account, 999_999, key="big").status_code == 400
    funded.simulators.stripe.deposit(1_000_000)
    again = funded.transfer(account, 999_999, key="big")
    assert (again.status_code, again.headers["idempotent-replayed"]) == (400, "true")


def test_a_503_of_the_edge_is_not_kept(funded: Caller) -> None:
    account = funded.recipient()
    funded.simulators.faults.add("status", status=503, method="POST", times=1)
    assert funded.transfer(account, key="k").status_code == 503
    assert funded.transfer(account, key="k").status_code == 200


def test_a_key_in_use_is_a_409(funded: Caller) -> None:
    account = funded.recipient()
    funded.simulators.faults.add("latency", method="POST", path="/v1/transfers", seconds=0.5, times=1)
    first = threading.Thread(target=funded.transfer, args=(account,), kwargs={"key": "k"})
    first.start()
    while not any(one.fault == "latency" for one in funded.simulators.requests()):
        pass
    twin = funded.transfer(account, key="k")
    assert (twin.status_code, twin.json()["error"]["code"]) == (409, "idempotency_key_in_use")
    first.join()
    assert "idempotent-replayed" in funded.transfer(account, key="k").headers


def test_keys_are_those_of_an_account(funded: Caller) -> None:
    one, two = funded.recipient(), funded.recipient()
    for account in (one, two):
        funded.transfer(account)
        answer = funded.post("/v1/payouts", key="k", account=account, amount="5", currency="usd")
        assert "idempotent-replayed" not in answer.headers
    assert funded.transfer(one, key="x" * 256).status_code == 400


def test_too_many_calls_in_a_second_are_refused(stripe: Caller) -> None:
    stripe.simulators.stripe.behave(requests_per_s=3)
    seen = [stripe.get("/v1/balance").status_code for _ in range(5)]
    assert seen == [200, 200, 200, 429, 429]
    stripe.simulators.advance(timedelta(seconds=1))
    assert stripe.get("/v1/balance").status_code == 200


def test_metadata_is_merged_and_an_empty_value_removes(funded: Caller) -> None:
    sent = funded.transfer(funded.recipient()).json()["id"]
    funded.post(f"/v1/transfers/{sent}", form={"metadata[a]": "1", "metadata[b]": "2"})
    now = funded.post(f"/v1/transfers/{sent}", form={"metadata[a]": "", "metadata[c]": "3"}).json()
    assert now["metadata"] == {"b": "2", "c": "3"}
