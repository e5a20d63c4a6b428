"""Stripe's v2: accounts in JSON, events that only say where to look, and keys that repeat what had failed."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from nerava.kernel.clock import FixedClock
from nerava.simulators.serving import running_simulators
from tests.simulators.conftest import MONDAY, Caller
from tests.simulators.sink import receiving

TRANSFERS = {"capabilities": {"stripe_balance": {"stripe_transfers": {"requested": True}}}}
ACCOUNT = {
    "contact_email": "ann@example.org",
    "identity": {"country": "us"},
    "configuration": {"recipient": TRANSFERS},
    "metadata": {"driver": "d-1"},
    "include": ["configuration.recipient", "requirements"],
}


def post(caller: Caller, path: str, body: dict[str, Any], key: str | None = None) -> httpx2.Response:
    return caller.http.post(path, json=body, headers={"idempotency-key": key} if key else {})


def test_an_account_is_made_and_verified_and_is_the_same_in_v1(stripe: Caller) -> None:
    made = post(stripe, "/v2/core/accounts", ACCOUNT).json()
    assert (made["object"], made["created"]) == ("v2.core.account", "2026-11-02T12:00:00.000Z")
    transfers = made["configuration"]["recipient"]["capabilities"]["stripe_balance"]["stripe_transfers"]
    assert transfers["status"] == "restricted"
    assert "external_account" in {one["description"] for one in made["requirements"]["entries"]}
    pages = {"refresh_url": "http://127.0.0.1/again", "return_url": "http://127.0.0.1/back"}
    use = {"type": "account_onboarding", "account_onboarding": {"configurations": ["recipient"], **pages}}
    link = post(stripe, "/v2/core/account_links", {"account": made["id"], "use_case": use}).json()
    assert httpx2.post(link["url"], data={"action": "verified"}).headers["location"] == pages["return_url"]
    query = {"include[0]": "configuration.recipient"}
    now = stripe.get(f"/v2/core/accounts/{made['id']}", query=query).json()
    transfers = now["configuration"]["recipient"]["capabilities"]["stripe_balance"]["stripe_transfers"]
    assert (transfers["status"], now["requirements"]) == ("active", None)
    assert stripe.get(f"/v1/accounts/{made['id']}").json()["capabilities"] == {"transfers": "active"}


def test_what_is_not_valid_is_refused(stripe: Caller) -> None:
    for path, body in (
        ("/v2/core/accounts", {**ACCOUNT, "include": ["colour"]}),
        ("/v2/core/accounts", {**ACCOUNT, "colour": "red"}),
        ("/v2/core/account_links", {"account": "acct_none"}),
    ):
        assert post(stripe, path, body).status_code == 400
    assert stripe.get("/v2/core/accounts/acct_none").status_code == 404


def test_a_key_repeats_what_had_failed_and_never_what_was_done(stripe: Caller) -> None:
    stripe.simulators.faults.add("status", method="POST", times=1)
    assert post(stripe, "/v2/core/accounts", ACCOUNT, key="k").status_code == 500
    made = post(stripe, "/v2/core/accounts", ACCOUNT, key="k").json()
    assert post(stripe, "/v2/core/accounts", ACCOUNT, key="k").json() == made
    assert len(stripe.simulators.stripe.objects("account")) == 1


def test_a_key_is_for_one_endpoint(stripe: Caller) -> None:
    stripe.post("/v1/accounts", key="k", type="express")
    refused = stripe.post("/v1/transfers", key="k", amount="5")
    assert (refused.status_code, refused.json()["error"]["type"]) == (400, "idempotency_error")
    assert "'/v1/transfers' vs '/v1/accounts'" in refused.json()["error"]["message"]


@pytest.mark.trap("T10")
def test_a_thin_event_says_where_to_look_and_nothing_more() -> None:
    with receiving() as sink:
        addresses = {"stripe_thin": sink.url}
        with running_simulators(clock=FixedClock(MONDAY), webhooks_to=addresses, by_hand=True) as running:
            account = running.stripe.add_account()["id"]
            running.webhooks.deliver_due()
            events = [json.loads(body) for _, _, body in sink.got]
            assert [one["type"] for one in events] == [
                "v2.core.account[configuration.recipient].capability_status_updated",
                "v2.core.account[requirements].updated",
            ]
            assert {one["object"] for one in events} == {"v2.core.event"}
            assert all("data" not in one for one in events)
            headers = {"authorization": f"Bearer {running.stripe.key}"}
            url = running.url_of("stripe")
            shown = httpx2.get(f"{url}{events[0]['related_object']['url']}", headers=headers).json()
            assert shown["id"] == account
            read = httpx2.get(f"{url}/v2/core/events/{events[0]['id']}", headers=headers).json()
            assert read == events[0]
