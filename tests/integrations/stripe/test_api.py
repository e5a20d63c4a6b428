"""Every answer of Stripe is one of five outcomes, and a doubtful one is never a failure."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from nerava.integrations.stripe.api import StripeApi, _encoded
from nerava.kernel.outcomes import Misconfigured, Ok, Refused, RetryLater, Unknown
from tests.helpers.other_side import Behaviour, OtherSide, answer, cut, hang_up, other_side

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def stripe(side: OtherSide) -> StripeApi:
    return StripeApi("sk_test_secret", base_url=side.url, is_live=False, now=lambda: NOW)


def said(status: int, **error: str) -> Behaviour:
    return answer(status, json.dumps({"error": error}).encode())


def thing(**more: Any) -> bytes:
    return json.dumps({"id": "tr_1", "object": "transfer", "livemode": False} | more).encode()


def test_forms_nest_as_stripe_reads_them() -> None:
    form = {"a": 1, "b": {"c": True, "d": {"e": "x y"}}, "f": [{"g": 2}, {"g": 3}]}
    assert parse_qsl(_encoded(form).decode()) == [
        ("a", "1"),
        ("b[c]", "true"),
        ("b[d][e]", "x y"),
        ("f[0][g]", "2"),
        ("f[1][g]", "3"),
    ]


def test_a_write_carries_its_key_and_whose_account_it_is() -> None:
    with other_side([answer(200, thing())]) as side:
        result = stripe(side).post("/v1/payouts", {"amount": 5}, key="k:1", account="acct_9")
    assert isinstance(result, Ok)
    head = side.requests[0].decode().lower()
    assert "idempotency-key: k:1\r\n" in head
    assert "stripe-account: acct_9\r\n" in head
    assert "stripe-version: 2026-" in head


DEFINITE = [
    (said(400, type="invalid_request_error", code="amount_too_small"), Refused("amount_too_small")),
    (said(402, type="card_error", code="card_declined"), Refused("card_declined")),
    (said(404, type="invalid_request_error", code="resource_missing"), Refused("resource_missing")),
    (said(401, type="invalid_request_error"), Misconfigured("invalid_request_error")),
    (said(403, type="invalid_request_error"), Misconfigured("invalid_request_error")),
    (said(429, code="rate_limit"), RetryLater("rate_limit")),
    (
        answer(429, b'{"error":{"code":"lock_timeout"}}', retry_after="60"),
        RetryLater("lock_timeout", NOW + timedelta(seconds=60)),
    ),
]


@pytest.mark.parametrize(("behaviour", "outcome"), DEFINITE)
def test_a_definite_answer_is_definite_for_writes_and_reads(behaviour: Behaviour, outcome: object) -> None:
    with other_side([behaviour]) as side:
        assert stripe(side).post("/v1/transfers", {}, key="k") == outcome
        assert stripe(side).get("/v1/transfers/tr_1") == outcome


DOUBTFUL = [
    said(500, type="api_error"),
    said(409, type="invalid_request_error", code="idempotency_key_in_use"),
    answer(400, b"<html>"),
    answer(302, b"", location="http://169.254.169.254/"),
    answer(200, b"<html>"),
    answer(200, b'{"error": {"code": "x"}}'),
    answer(200, b"[]"),
    hang_up,
    cut,
]


@pytest.mark.parametrize("behaviour", DOUBTFUL)
def test_a_doubtful_answer_is_unknown_to_a_write_and_asks_a_read_to_come_again(behaviour: Behaviour) -> None:
    with other_side([behaviour]) as side:
        assert isinstance(stripe(side).post("/v1/transfers", {}, key="k"), Unknown)
        assert isinstance(stripe(side).get("/v1/transfers/tr_1"), RetryLater)


def test_a_key_that_meant_something_else_before_proves_nothing() -> None:
    with other_side([said(400, type="idempotency_error")]) as side:
        assert isinstance(stripe(side).post("/v1/transfers", {}, key="k"), Unknown)


def test_an_object_of_the_other_mode_is_our_mistake() -> None:
    with other_side([answer(200, thing(livemode=True))]) as side:
        assert isinstance(stripe(side).post("/v1/transfers", {}, key="k"), Misconfigured)


def page(*ids: str, more: bool) -> Behaviour:
    rows = [{"id": one} for one in ids]
    return answer(200, json.dumps({"object": "list", "data": rows, "has_more": more}).encode())


def test_a_list_is_read_to_its_end() -> None:
    with other_side([page("a", "b", more=True), page("c", more=False)]) as side:
        found = stripe(side).every("/v1/transfers", [("transfer_group", "g")])
    assert isinstance(found, Ok)
    assert [row["id"] for row in found.value] == ["a", "b", "c"]
    assert b"starting_after=b" in side.requests[1]
    assert b"transfer_group=g" in side.requests[1]


def test_a_list_of_which_a_part_is_missing_is_no_list() -> None:
    with other_side([page("a", more=True), said(404, code="resource_missing")]) as side:
        assert stripe(side).every("/v1/transfers") == Refused("resource_missing")
    with other_side([page(more=True)]) as side:
        assert stripe(side).every("/v1/transfers") == RetryLater("unreadable")


def test_nothing_that_comes_back_holds_the_key() -> None:
    for behaviour in (*DOUBTFUL, said(401, message="no")):
        with other_side([behaviour]) as side:
            assert "sk_test_secret" not in repr(stripe(side).post("/v1/transfers", {}, key="k"))
