"""A sponsor drafts, funds and runs campaigns, and sees where every cent is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from tests.helpers.parallel import in_parallel
from tests.http.flows import campaign, deposit, partner_session, same, sponsor, terms, work_off
from tests.http.test_problems import assert_problem

if TYPE_CHECKING:
    from tests.http.conftest import House


def test_a_campaign_is_drafted_funded_run_and_ended(house: House) -> None:
    owner = sponsor(house, 10_000)
    drafted = owner.post("/v1/campaigns", terms())
    campaign_id = drafted.json()["id"]
    path = f"/v1/campaigns/{campaign_id}"

    assert drafted.status_code == 201
    assert drafted.json()["state"] == "draft"
    assert drafted.json()["terms"]["fee_bps"] == 2_000
    assert_problem(owner.post(f"{path}/activate"), 409, "wrong-campaign-state")

    funded = owner.post(f"{path}/fundings", {"gross_minor": 1_000}, key="f-1")
    assert funded.status_code == 201
    assert {"gross_minor": 1_000, "net_minor": 800, "fee_minor": 200}.items() <= funded.json().items()
    assert owner.get("/v1/sponsor").json()["prepaid_minor"] == 9_000
    for step, state in [
        ("activate", "active"),
        ("pause", "paused"),
        ("activate", "active"),
        ("end", "ended"),
    ]:
        assert owner.post(f"{path}/{step}").json()["state"] == state
    assert_problem(owner.post(f"{path}/activate"), 409, "wrong-campaign-state")
    assert_problem(owner.post(f"{path}/fundings", {"gross_minor": 5}, key="f-2"), 409, "wrong-campaign-state")
    assert owner.get(path).json()["state"] == "ended"
    assert owner.get(f"{path}/budget").json() == {
        "funded": 1_000,
        "left": 800,
        "held": 0,
        "granted": 0,
        "owed": 0,
        "fee_left": 200,
        "fee_earned": 0,
        "refunded": 0,
        "adds_up": True,
    }
    assert house.findings() == []


@pytest.mark.parametrize("name", ["Free \u202enet", "Au\u200btumn", "\u200d", " \u2003 "])
def test_a_name_that_nobody_can_read_as_it_is_written_is_refused(house: House, name: str) -> None:
    assert_problem(sponsor(house).post("/v1/campaigns", terms(name=name)), 422, "invalid-input")


def test_funding_with_one_key_happens_once_and_answers_the_same_bytes(house: House) -> None:
    owner = sponsor(house, 1_000)
    campaign_id = owner.post("/v1/campaigns", terms()).json()["id"]
    path = f"/v1/campaigns/{campaign_id}/fundings"

    answers = in_parallel(32, lambda _: owner.post(path, {"gross_minor": 100}, key="once"))

    assert {answer.status_code for answer in answers} == {201}
    assert same(answers)["gross_minor"] == 100
    assert [answer.headers.get("idempotency-replayed") for answer in answers].count(None) == 1
    assert owner.get("/v1/sponsor").json()["prepaid_minor"] == 900
    other = owner.post(path, {"gross_minor": 101}, key="once")
    assert_problem(other, 409, "key-reused-with-other-body")
    assert "retry-after" not in other.headers
    assert owner.post(path, {"gross_minor": 100}, key="twice").status_code == 201
    assert owner.get("/v1/sponsor").json()["prepaid_minor"] == 800
    assert house.findings() == []


def test_the_same_body_for_another_campaign_is_another_request(house: House) -> None:
    owner = sponsor(house, 1_000)
    first, second = (owner.post("/v1/campaigns", terms()).json()["id"] for _ in range(2))
    body = {"gross_minor": 100}
    assert owner.post(f"/v1/campaigns/{first}/fundings", body, key="k").status_code == 201
    answer = owner.post(f"/v1/campaigns/{second}/fundings", body, key="k")
    assert_problem(answer, 409, "key-reused-with-other-body")


def test_money_that_is_not_there_is_refused_and_the_refusal_stands(house: House) -> None:
    owner = sponsor(house, 50)
    path = f"/v1/campaigns/{owner.post('/v1/campaigns', terms()).json()['id']}/fundings"

    first = owner.post(path, {"gross_minor": 51}, key="k")
    assert_problem(first, 409, "insufficient-funds")
    assert deposit(house, owner.tenant_id, 1_000).status_code == 201
    again = owner.post(path, {"gross_minor": 51}, key="k")
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert owner.post(path, {"gross_minor": 51}, key="new").status_code == 201
    assert house.findings() == []


def test_funding_needs_a_key(house: House) -> None:
    owner = sponsor(house, 50)
    path = f"/v1/campaigns/{owner.post('/v1/campaigns', terms()).json()['id']}/fundings"
    assert_problem(owner.post(path, {"gross_minor": 5}), 400, "idempotency-key-missing")
    assert_problem(owner.post(path, {"gross_minor": 5}, key="a b"), 400, "idempotency-key-malformed")
    # A key is not used up by a request that was never understood.
    assert_problem(owner.post(path, {"gross_minor": "5"}, key="k"), 422, "invalid-input")
    assert owner.post(path, {"gross_minor": 5}, key="k").status_code == 201


def test_a_draft_with_a_key_is_made_once_and_without_twice(house: House) -> None:
    owner = sponsor(house)
    keyed = [owner.post("/v1/campaigns", terms(), key="draft") for _ in range(3)]
    assert len({answer.json()["id"] for answer in keyed}) == 1
    plain = [owner.post("/v1/campaigns", terms()) for _ in range(2)]
    assert len({answer.json()["id"] for answer in plain}) == 2


@pytest.mark.parametrize(
    "amount",
    [
        *(
            "NaN",
            "Infinity",
            "-Infinity",
            "1.0",
            "1.5",
            "1e3",
            '"100"',
            "true",
            "null",
            "0",
            "-1",
            "[1]",
            "{}",
        ),
        *(str(10**15 + 1), str(2**53), str(2**63), "9" * 5_000, '"NaN"', '""'),
    ],
)
def test_an_amount_is_a_positive_whole_number_and_nothing_else(sqlite_house: House, amount: str) -> None:
    owner = sponsor(sqlite_house, 50)
    path = f"/v1/campaigns/{owner.post('/v1/campaigns', terms()).json()['id']}/fundings"
    answer = owner.client.post(
        path,
        content=f'{{"gross_minor": {amount}}}',
        headers=owner.headers({"Idempotency-Key": "k", "Content-Type": "application/json"}),
    )
    assert_problem(answer, 422, "invalid-input")
    assert owner.get("/v1/sponsor").json()["prepaid_minor"] == 50


@pytest.mark.parametrize(
    "change",
    [
        {"fee_bps": 0},
        {"currency": "EUR"},
        {"state": "active"},
        {"sponsor_id": str(new_id())},
        {"balance": 5},
        {"name": ""},
        {"name": "   "},
        {"name": "a\nb"},
        {"name": "x" * 121},
        {"rules": []},
        {"rules": [{"kind": "nothing"}]},
        {"rules": [{"kind": "fixed", "points": "10"}]},
        {"rules": [{"kind": "fixed", "points": 10.0}]},
        {"rules": [{"kind": "fixed", "points": True}]},
        {"rules": [{"kind": "fixed", "points": -1}]},
        {"rules": [{"kind": "fixed", "points": 10, "role": "admin"}]},
        {"rules": [{"kind": "minimum_energy", "energy_wh": 1}]},
        {"rules": "fixed"},
        {"rules": None},
        {"ends_at": "2026-11-01T00:00:00Z"},
        {"starts_at": "2026-11-01T00:00:00"},
        {"starts_at": "0001-01-01T00:00:00+14:00"},
        {"ends_at": "9999-12-31T23:59:59-14:00"},
        {"priority": "1"},
        {"score_min": 50.0},
        {"session_points_max": 0},
        {"evidence_min": 5, "settle_level": 1},
    ],
)
def test_terms_that_make_no_sense_are_refused(sqlite_house: House, change: dict[str, object]) -> None:
    owner = sponsor(sqlite_house)
    assert_problem(owner.post("/v1/campaigns", terms(**change)), 422, "invalid-input")
    assert owner.get("/v1/campaigns").json()["items"] == []


def test_campaigns_are_listed_page_by_page_and_each_sponsor_sees_the_own(house: House) -> None:
    owner, other = sponsor(house), sponsor(house)
    made = [owner.post("/v1/campaigns", terms(name=f"c{n}")).json()["id"] for n in range(5)]
    foreign = other.post("/v1/campaigns", terms()).json()["id"]

    seen, cursor = [], None
    for _ in range(9):
        page = owner.get("/v1/campaigns", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert seen == made
    for path in (f"/v1/campaigns/{foreign}", f"/v1/campaigns/{foreign}/budget", f"/v1/campaigns/{new_id()}"):
        assert_problem(owner.get(path), 404, "unknown-campaign")
    for step in ("activate", "pause", "end"):
        assert_problem(owner.post(f"/v1/campaigns/{foreign}/{step}"), 404, "unknown-campaign")
    answer = owner.post(f"/v1/campaigns/{foreign}/fundings", {"gross_minor": 1}, key="k")
    assert_problem(answer, 404, "unknown-campaign")
    assert other.get(f"/v1/campaigns/{foreign}").json()["state"] == "draft"


def test_the_budget_adds_up_while_sessions_earn(house: House) -> None:
    owner = sponsor(house, 1_000)
    paying = campaign(owner, 100, settle_level=4)
    partner = house.caller(Role.PARTNER)
    partner.post("/v1/partner/sessions", partner_session("a", "d-1"))
    elsewhere = {"reference": "loc-2", "name": "Oak Street", "timezone": "America/Chicago"}
    partner.post("/v1/partner/cdrs", partner_session("b", "d-2", location=elsewhere))
    work_off(house)

    budget = owner.get(f"/v1/campaigns/{paying}/budget").json()
    assert budget == {
        "funded": 100,
        "left": 60,
        "held": 10,
        "granted": 10,
        "owed": 0,
        "fee_left": 18,
        "fee_earned": 2,
        "refunded": 0,
        "adds_up": True,
    }
    assert house.findings() == []


def test_a_deposit_counts_once_whoever_enters_it(house: House) -> None:
    owner = sponsor(house)
    assert deposit(house, owner.tenant_id, 70, reference="wire-1").status_code == 201
    # Another person enters the same transfer under another key.
    assert deposit(house, owner.tenant_id, 70, reference="wire-1").status_code == 201
    assert_problem(deposit(house, owner.tenant_id, 71, reference="wire-1"), 409, "funding-differs")
    assert_problem(deposit(house, new_id(), 70), 404, "unknown-sponsor")
    assert owner.get("/v1/sponsor").json()["prepaid_minor"] == 70
    for role in (Role.OPS_SUPPORT, Role.OPS_ADMIN, Role.SPONSOR):
        body = {"reference": "wire-2", "gross_minor": 5}
        answer = house.caller(role).post(f"/v1/ops/sponsors/{owner.tenant_id}/deposits", body, key="k")
        assert_problem(answer, 403, "role-not-allowed")
    assert house.findings() == []


def test_a_body_that_is_not_json_or_too_large_or_squeezed_is_refused(sqlite_house: House) -> None:
    owner = sponsor(sqlite_house)

    def send(content: bytes, **headers: str) -> object:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return owner.client.post("/v1/campaigns", content=content, headers=owner.headers(named))

    json_type = "application/json"
    assert_problem(send(b"{}", content_type="text/plain"), 415, "unsupported-media-type")
    assert_problem(send(b"{}"), 415, "unsupported-media-type")
    assert_problem(
        send(b"a=1", content_type="application/x-www-form-urlencoded"), 415, "unsupported-media-type"
    )
    squeezed = send(b"x", content_type=json_type, content_encoding="gzip")
    assert_problem(squeezed, 415, "unsupported-media-type")
    large = json.dumps(terms(name="x" * 1_000_000)).encode()
    assert_problem(send(large, content_type=json_type), 413, "body-too-large")
    assert_problem(send(b"", content_type=json_type), 422, "invalid-input")
    assert_problem(send(b"[]", content_type=json_type), 422, "invalid-input")
    assert_problem(
        send(b'{"rules": ' + b"[" * 40 + b"]" * 40 + b"}", content_type=json_type), 422, "invalid-input"
    )
    assert_problem(send(b'{"name": "\\u0000"}', content_type=json_type), 422, "invalid-input")
    charset = send(json.dumps(terms()).encode(), content_type="application/json; charset=utf-8")
    assert charset.status_code == 201  # type: ignore[attr-defined]


def test_a_large_body_in_pieces_is_cut_off_too(sqlite_house: House) -> None:
    owner = sponsor(sqlite_house)
    pieces = (b" " * 100_000 for _ in range(11))
    headers = owner.headers({"Content-Type": "application/json"})
    assert_problem(owner.client.post("/v1/campaigns", content=pieces, headers=headers), 413, "body-too-large")


def test_who_may_not_come_in_learns_nothing_about_the_body(sqlite_house: House) -> None:
    driver = sqlite_house.driver()
    headers = driver.headers({"Content-Type": "text/plain"})
    answer = driver.client.post("/v1/campaigns", content=b"x" * 2_000_000, headers=headers)
    assert_problem(answer, 403, "role-not-allowed")
