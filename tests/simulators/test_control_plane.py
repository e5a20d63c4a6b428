"""The control plane: with its token one can do everything that the handle can, over HTTP."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from nerava.simulators.errors import LooksLive, NoSuchThing, NotPossible
from nerava.simulators.handle import Simulators
from nerava.simulators.serving import refuse_live_keys, running_simulators
from tests.simulators.conftest import Caller
from tests.simulators.sink import receiving


@pytest.fixture
def control(simulators: Simulators) -> Iterator[httpx2.Client]:
    headers = {"authorization": f"Bearer {simulators.control_token}"}
    with httpx2.Client(base_url=f"{simulators.base_url}/_sim", headers=headers) as http:
        yield http


def told(answer: httpx2.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_nobody_comes_in_without_the_token(simulators: Simulators) -> None:
    for token in ("", "Bearer wrong", f"Basic {simulators.control_token}"):
        answer = httpx2.post(f"{simulators.base_url}/_sim/reset", headers={"authorization": token})
        assert answer.status_code == 401
    with running_simulators(seed=7) as other:
        assert other.control_token != simulators.control_token


def test_the_clock_is_moved_forwards_only(control: httpx2.Client, simulators: Simulators) -> None:
    assert told(control.get("/clock"))["now"] == "2026-11-02T12:00:00+00:00"
    assert told(control.post("/clock", json={"advance_s": 60}))["now"] == "2026-11-02T12:01:00+00:00"
    assert told(control.post("/clock", json={"now": "2026-11-03T00:00:00Z"}))["now"].startswith("2026-11-03")
    assert control.post("/clock", json={"now": "2026-11-01T00:00:00Z"}).status_code == 409
    assert control.post("/clock", json={"now": "2026-11-09T00:00:00"}).status_code == 409
    assert control.post("/clock", json={"now": "later"}).status_code == 422
    assert simulators.now().day == 3


def test_a_reset_gives_the_same_world_for_the_same_seed(
    control: httpx2.Client, simulators: Simulators
) -> None:
    def a_world() -> tuple[str, str, str]:
        return (
            simulators.stripe.key,
            simulators.webhooks.secret("stripe_connect"),
            simulators.square.add_seller()["merchant_id"],
        )

    first = a_world()
    control.post("/reset", json={"seed": 8})
    assert a_world() != first
    control.post("/reset", json={"seed": 7})
    assert a_world() == first
    assert told(control.get("/requests"))["requests"] == []


def test_faults_are_added_read_and_healed(control: httpx2.Client, stripe: Caller) -> None:
    made = told(control.post("/faults", json={"kind": "status", "provider": "stripe", "status": 502}))
    assert stripe.get("/v1/balance").status_code == 502
    (shown,) = told(control.get("/faults"))["faults"]
    assert (shown["id"], shown["played"], shown["done"]) == (made["id"], 1, False)
    control.delete("/faults", params={"id": made["id"]})
    assert stripe.get("/v1/balance").status_code == 200
    control.post("/faults", json={"kind": "auth"})
    assert told(control.delete("/faults"))["faults"] == []
    assert control.post("/faults", json={"kind": "nonsense"}).status_code == 409


def test_the_journal_shows_every_call_and_no_key(control: httpx2.Client, stripe: Caller) -> None:
    stripe.post("/v1/accounts", key="k-1", type="express")
    (call,) = told(control.get("/requests", params={"provider": "stripe"}))["requests"]
    assert (call["method"], call["path"], call["body"]) == ("POST", "/v1/accounts", "type=express")
    assert (call["status"], call["key"], call["carried_out"]) == (200, "k-1", True)
    assert call["headers"]["authorization"] == f"***{stripe.simulators.stripe.key[-4:]}"
    assert told(control.get("/requests", params={"provider": "square"}))["requests"] == []


def test_webhooks_are_delivered_dropped_doubled_delayed_and_shuffled(
    control: httpx2.Client, simulators: Simulators
) -> None:
    with receiving() as sink:
        told(control.post("/webhooks/habits", json={"by_hand": True}))
        simulators.webhooks.send_to("square", sink.url)
        merchant = simulators.square.add_seller()["merchant_id"]
        for _ in range(4):
            told(control.post("/happen/square/ring_up", json={"merchant": merchant}))
        one, two, three, _ = told(control.get("/webhooks"))["webhooks"]
        assert told(control.post(f"/webhooks/{one['id']}/drop"))["state"] == "dropped"
        told(control.post(f"/webhooks/{two['id']}/duplicate"))
        told(control.post(f"/webhooks/{three['id']}/delay", json={"seconds": 60}))
        told(control.post(f"/webhooks/{two['id']}/manner", json={"manner": "bad_signature"}))
        assert control.post(f"/webhooks/{two['id']}/manner", json={"manner": "odd"}).status_code == 409
        assert control.post(f"/webhooks/{two['id']}/burn").status_code == 404
        assert control.post("/webhooks/whd_99/deliver").status_code == 404
        assert told(control.post("/webhooks/shuffle"))["shuffled"] == 4
        assert len(told(control.post("/webhooks/deliver"))["webhooks"]) == 3
        done = told(control.post(f"/webhooks/{three['id']}/deliver"))
        assert (done["state"], done["attempts"][0]["status"]) == ("delivered", 200)
        assert len(sink.got) == 4
        assert control.post("/webhooks/habits", json={"colour": 1}).status_code == 409
        told(control.post("/webhooks/habits", json={"duplicate": 1, "manners": {"no_signature": 1}}))
        told(control.post("/happen/square/ring_up", json={"merchant": merchant}))
        assert [row["manner"] for row in told(control.get("/webhooks"))["webhooks"]].count(
            "no_signature"
        ) == 1


def test_things_happen_and_the_state_shows_them(control: httpx2.Client, stripe: Caller) -> None:
    session = stripe.checkout(5_000)["id"]
    told(control.post("/happen/stripe/pay_checkout", json={"session": session}))
    state = told(control.get("/state/stripe"))
    assert state["objects"]["checkout.session"][0]["payment_status"] == "paid"
    assert state["balances"][state["platform"]]["usd"]["pending"] == 4_825
    assert stripe.simulators.stripe.key not in str(state)
    assert control.post("/happen/stripe/pay_checkout", json={"session": session}).status_code == 409
    assert control.post("/happen/stripe/pay_checkout", json={"session": "cs_none"}).status_code == 404
    assert control.post("/happen/stripe/pay_checkout", json={}).status_code == 409
    assert control.post("/happen/stripe/moment", json={}).status_code == 404
    assert control.post("/happen/stripe/decide", json={"what": "payout", "fate": "odd"}).status_code == 409
    assert control.get("/state/nobody").status_code == 404


def test_a_snapshot_brings_everything_back(control: httpx2.Client, funded: Caller) -> None:
    account = funded.recipient()
    funded.post("/v1/payouts", account=account, amount="1", currency="usd")
    told(control.post("/snapshot", json={"name": "before"}))
    before = funded.simulators.state("stripe")
    first = funded.transfer(account, key="k").json()["id"]
    told(control.post("/restore", json={"name": "before"}))
    assert funded.simulators.state("stripe") == before
    again = funded.transfer(account, key="k")
    assert (again.status_code, again.json()["id"]) == (200, first)
    assert "idempotent-replayed" not in again.headers
    with pytest.raises(NoSuchThing):
        funded.simulators.restore("never")


def test_many_call_at_once_and_no_money_is_made(funded: Caller) -> None:
    account = funded.recipient()
    answers: list[int] = []

    def send(number: int) -> None:
        answers.extend(funded.transfer(account, 1_000, key=f"k{number}").status_code for _ in range(5))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(16)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert answers.count(200) == 80
    assert funded.simulators.stripe.balances()["usd"]["available"] == 100_000 - 16_000
    assert len(funded.simulators.stripe.objects("transfer")) == 16


def test_what_is_handed_out_is_a_copy(funded: Caller) -> None:
    account = funded.simulators.stripe.add_account()
    account["payouts_enabled"] = "broken"
    funded.simulators.state("stripe")["objects"].clear()
    assert funded.get(f"/v1/accounts/{account['id']}").json()["payouts_enabled"] is True


def test_it_starts_fast() -> None:
    took = []
    for _ in range(5):
        began = time.monotonic()
        with running_simulators():
            took.append(time.monotonic() - began)
    assert statistics.median(took) < 0.3


def test_nothing_starts_beside_a_live_key(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_live_keys({"HOME": "/home/ann", "STRIPE_KEY": "sk_test_1"})
    for value in ("sk_" + "live_abc", "[rk_" + "live_abc]", "sq0csp-" + "abc"):
        with pytest.raises(LooksLive) as refused:
            refuse_live_keys({"SOME_KEY": value})
        assert "SOME_KEY" in refused.value.detail
        assert value not in refused.value.detail
    monkeypatch.setenv("OLD_KEY", "sk_" + "live_abc")
    with pytest.raises(LooksLive), running_simulators():
        pass


def test_what_cannot_happen_is_said(stripe: Caller) -> None:
    dispute = stripe.simulators.stripe.open_dispute(stripe.paid())
    stripe.simulators.stripe.close_dispute(dispute["id"], won=False)
    with pytest.raises(NotPossible):
        stripe.simulators.stripe.close_dispute(dispute["id"], won=True)
    with pytest.raises(NotPossible):
        stripe.simulators.stripe.behave(colour="red")
    seller = stripe.simulators.square.add_seller()["merchant_id"]
    order = stripe.simulators.square.ring_up(seller)["id"]
    stripe.simulators.square.pay(order)
    with pytest.raises(NotPossible, match="open order"):
        stripe.simulators.square.pay(order)
