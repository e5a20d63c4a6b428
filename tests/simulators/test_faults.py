"""What goes wrong between us and a provider, played over real sockets."""

from __future__ import annotations

import gzip
import json
import time
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from nerava.simulators.faults import Fault, Kind, fault_from
from nerava.simulators.handle import Simulators
from nerava.simulators.wire import Call
from tests.simulators.conftest import MONDAY, Caller

TRANSFERS = "/v1/transfers"


def sent(caller: Caller) -> int:
    """Return how many transfers there are."""
    caller.simulators.faults.heal()
    return len(caller.get(TRANSFERS).json()["data"])


@pytest.mark.parametrize(
    ("status", "kind"),
    [(500, "api_error"), (502, "api_error"), (404, "invalid_request_error"), (403, "invalid_request_error")],
)
def test_an_error_is_the_providers_own(funded: Caller, status: int, kind: str) -> None:
    funded.simulators.faults.add("status", status=status)
    answer = funded.transfer("acct_x")
    assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)
    seller = funded.simulators.square.add_seller()
    url = f"{funded.simulators.url_of('square')}/v2/locations"
    answer = httpx2.get(url, headers={"authorization": f"Bearer {seller['access_token']}"})
    assert answer.status_code == status
    assert set(answer.json()["errors"][0]) == {"category", "code", "detail"}


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("seconds", "7"),
        ("date", "Mon, 02 Nov 2026 12:00:07 GMT"),
        ("garbage", "soon"),
        ("absent", None),
    ],
)
def test_too_many_requests_come_with_every_form_of_retry_after(
    funded: Caller, form: str, expected: str | None
) -> None:
    funded.simulators.faults.add("rate", retry_after=form)
    answer = funded.get("/v1/balance")
    assert (answer.status_code, answer.headers.get("retry-after")) == (429, expected)
    assert answer.json()["error"]["code"] == "rate_limit"
    funded.simulators.faults.heal()
    funded.simulators.faults.add("rate", code="lock_timeout")
    assert funded.get("/v1/balance").headers["stripe-should-retry"] == "true"


@pytest.mark.parametrize("how", ["close", "silence"])
def test_the_effect_happens_and_the_answer_is_lost(funded: Caller, how: str) -> None:
    account = funded.recipient()
    funded.simulators.faults.add("answer_lost", how=how, method="POST")
    funded.http.timeout = httpx2.Timeout(0.3)
    with pytest.raises((httpx2.ReadTimeout, httpx2.RemoteProtocolError)):
        funded.transfer(account, key="k")
    assert sent(funded) == 1


def test_a_black_hole_takes_a_call_and_does_nothing_with_it(funded: Caller) -> None:
    account = funded.recipient()
    funded.simulators.faults.add("black_hole", method="POST")
    funded.http.timeout = httpx2.Timeout(0.3)
    with pytest.raises(httpx2.ReadTimeout):
        funded.transfer(account, key="k")
    assert sent(funded) == 0
    # The key is free: what never began is not kept.
    assert funded.transfer(account, key="k").status_code == 200


@pytest.mark.parametrize("how", ["close", "length"])
def test_a_body_that_ends_too_early_is_no_answer(funded: Caller, how: str) -> None:
    account = funded.recipient()
    funded.simulators.faults.add("cut", how=how, method="POST")
    with pytest.raises(httpx2.RemoteProtocolError, match=r"incomplete|without"):
        funded.transfer(account)
    assert sent(funded) == 1


def test_a_gzip_that_ends_too_early_cannot_be_read_to_its_end(funded: Caller) -> None:
    funded.simulators.faults.add("cut", how="gzip")
    with funded.http.stream("GET", "/v1/balance") as answer:
        assert answer.headers["content-encoding"] == "gzip"
        raw = b"".join(answer.iter_raw())
    with pytest.raises(EOFError):
        gzip.decompress(raw)


def test_a_body_that_stalls_half_way_times_out(funded: Caller) -> None:
    funded.simulators.faults.add("stall")
    funded.http.timeout = httpx2.Timeout(0.3)
    with pytest.raises(httpx2.ReadTimeout):
        funded.get("/v1/balance")


def test_a_body_that_drips_is_never_silent_for_long_and_never_done(funded: Caller) -> None:
    funded.simulators.faults.add("drip", seconds=0.02)
    came, began = b"", time.monotonic()
    with funded.http.stream("GET", "/v1/balance", timeout=0.5) as answer:
        for part in answer.iter_raw():
            came += part
            if time.monotonic() - began > 0.6:
                break
    assert 5 < len(came) < 40


def test_a_huge_body_goes_on_and_on(funded: Caller) -> None:
    funded.simulators.faults.add("huge", times=1, bytes=3_000_000)
    assert len(funded.get("/v1/balance").content) > 3_000_000
    funded.simulators.faults.add("huge", how="endless", times=1)
    read = 0
    with funded.http.stream("GET", "/v1/balance") as answer:
        for part in answer.iter_raw():
            read += len(part)
            if read > 10_000_000:
                break
    funded.simulators.faults.add("huge", how="gzip_bomb", bytes=20_000_000, times=1)
    with funded.http.stream("GET", "/v1/balance") as answer:
        packed = b"".join(answer.iter_raw())
    assert len(packed) < 100_000
    assert len(gzip.decompress(packed)) > 20_000_000


def test_a_login_page_and_an_error_come_as_200(funded: Caller) -> None:
    account = funded.recipient()
    funded.simulators.faults.add("wrong_type", times=1)
    page = funded.transfer(account)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    funded.simulators.faults.add("wrong_type", how="error_inside", times=1)
    inside = funded.transfer(account)
    assert (inside.status_code, set(inside.json())) == (200, {"error"})
    assert sent(funded) == 0


def test_a_redirect_points_inside_the_network(funded: Caller) -> None:
    funded.simulators.faults.add("redirect")
    answer = funded.get("/v1/balance")
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("http://169.254.169.254/")


@pytest.mark.parametrize(
    ("how", "expected"),
    [("null", None), ("type", "0"), ("unknown", "something_new"), ("missing", "gone"), ("extra", dict)],
)
def test_a_field_drifts(funded: Caller, how: str, expected: Any) -> None:
    field = "connect_reserved.0.amount" if how != "extra" else "connect_reserved.0.new"
    funded.simulators.faults.add("drift", field=field, how=how)
    row = funded.get("/v1/balance").json()["connect_reserved"][0]
    found = row.get(field.rpartition(".")[2], "gone")
    assert found == expected if expected is not dict else isinstance(found, dict)


def test_a_token_expires_once(funded: Caller) -> None:
    funded.simulators.faults.add("auth", times=1)
    assert [funded.get("/v1/balance").status_code for _ in range(2)] == [401, 200]


def test_an_answer_is_late(funded: Caller) -> None:
    for spread in ("fixed", "uniform", "long_tailed"):
        fault = funded.simulators.faults.add("latency", seconds=0.05, spread=spread)
        began = time.monotonic()
        assert funded.get("/v1/balance").status_code == 200
        took_s = time.monotonic() - began
        assert took_s > (0 if spread == "uniform" else 0.05)
        funded.simulators.faults.remove(fault)


def test_what_is_read_right_after_a_write_is_what_was_true_before(funded: Caller) -> None:
    account = funded.recipient()
    funded.simulators.faults.add("split_brain", method="GET", seconds=5)
    made = funded.transfer(account).json()["id"]
    assert funded.get(f"{TRANSFERS}/{made}").status_code == 404
    assert funded.get(TRANSFERS).json()["data"] == []
    funded.simulators.advance(timedelta(seconds=6))
    assert funded.get(f"{TRANSFERS}/{made}").status_code == 200


def test_a_rule_strikes_the_calls_that_it_names(funded: Caller) -> None:
    add = funded.simulators.faults.add
    add("status", path="/v1/balance*", nth=2)
    add("status", status=502, path="/v1/events", every=3)
    paths = ("/v1/balance", "/v1/events", "/v1/transfers") * 6
    statuses = [(path, funded.get(path).status_code) for path in paths]
    assert [status for path, status in statuses if path == "/v1/balance"] == [200, 500, 200, 200, 200, 200]
    assert [status for path, status in statuses if path == "/v1/events"] == [200, 200, 502, 200, 200, 502]
    assert {status for path, status in statuses if path == "/v1/transfers"} == {200}
    funded.simulators.faults.heal()
    add("status", status=503, key="payout:7:*")
    account = funded.recipient()
    assert funded.transfer(account, key="payout:7:1").status_code == 503
    assert funded.transfer(account, key="payout:8:1").status_code == 200


def test_probability_comes_from_the_seed(simulators: Simulators) -> None:
    def statuses(seed: int) -> list[int]:
        simulators.reset(seed)
        simulators.faults.add("status", probability=0.5)
        headers = {"authorization": f"Bearer {simulators.stripe.key}"}
        with httpx2.Client(headers=headers) as http:
            return [http.get(f"{simulators.url_of('stripe')}/v1/balance").status_code for _ in range(20)]

    first = statuses(1)
    assert set(first) == {200, 500}
    assert statuses(1) == first
    assert statuses(2) != first


def test_a_rule_holds_in_its_window_of_time() -> None:
    rule = Fault(Kind.STATUS, since=MONDAY, until=MONDAY + timedelta(hours=1))
    read = fault_from(json.loads(json.dumps(rule.as_document())))
    assert (read.since, read.until, read.kind) == (rule.since, rule.until, Kind.STATUS)
    assert not rule.concerns(Call("stripe", "GET", "/", "", {}, b"", ""), MONDAY + timedelta(hours=1))
    assert rule.concerns(Call("stripe", "GET", "/", "", {}, b"", ""), MONDAY)
    details = fault_from({"kind": "rate", "retry_after": "date", "path": "/v1/x"}).details
    assert details == {"retry_after": "date"}
