"""Partners call with keys: shown once, ended at once, one answer for whatever is wrong with them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select, text, update
from starlette.testclient import TestClient

from nerava.audit import model as audit_log
from nerava.identity.access_store import ApiKey
from nerava.identity.api_key_text import KeyText, Mode
from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from tests.helpers.parallel import in_parallel
from tests.http.flows import partner_session
from tests.http.machine import key_terms, machine
from tests.http.rows import rows_of
from tests.http.test_problems import assert_problem

if TYPE_CHECKING:
    from tests.http.conftest import House
    from tests.http.machine import Machine

pytestmark = pytest.mark.in_turn

SESSIONS = "/v1/partner/sessions"


def run_out(house: House, one: Machine) -> None:
    """Let the life of a key be over."""
    changed = update(ApiKey).where(ApiKey.key_id == one.key_id)
    lived = {"made_at": datetime(2026, 1, 1, tzinfo=UTC), "expires_at": datetime(2026, 4, 1, tzinfo=UTC)}
    house.installation.database.run(lambda session: session.execute(changed.values(lived)))


def plain(answer: Any) -> tuple[int, dict[str, Any]]:
    """Return an answer without the ids of its request."""
    ids = {"trace_id", "request_id"}
    return answer.status_code, {name: value for name, value in answer.json().items() if name not in ids}


@pytest.mark.parametrize("signing", ["hmac", "ed25519"])
def test_a_machine_reads_with_its_key_and_writes_with_its_signature(house: House, signing: str) -> None:
    one = machine(house, private=Ed25519PrivateKey.generate() if signing == "ed25519" else None)

    assert (one.secret is None) == (signing == "ed25519")
    me = one.get("/v1/me").json()
    assert me["roles"] == [{"role": "partner", "tenant_id": str(one.partner_id)}]
    sent = one.post(SESSIONS, partner_session(), key="once")
    assert sent.status_code == 201, sent.text
    again = one.post(SESSIONS, partner_session(), key="once")
    assert (again.content, again.headers["idempotency-replayed"]) == (sent.content, "true")
    assert_problem(one.post(SESSIONS, partner_session("s-2"), key="once"), 409, "key-reused-with-other-body")


def test_the_second_key_of_a_partner_gets_the_answers_of_the_first(house: House) -> None:
    old = machine(house)
    new = machine(house, old.partner_id)
    sent = old.post(SESSIONS, partner_session(), key="once")
    assert new.post(SESSIONS, partner_session(), key="once").content == sent.content
    other = machine(house)
    assert other.post(SESSIONS, partner_session(), key="once").json()["driver_id"] != sent.json()["driver_id"]


def test_whatever_is_wrong_with_a_key_has_one_answer(house: House) -> None:
    one = machine(house)
    good = KeyText.read(one.api_key)
    assert good is not None
    bad = [
        KeyText.new(Mode.TEST).text,
        KeyText(Mode.TEST, good.key_id, "0" * 64).text,
        KeyText(Mode.LIVE, good.key_id, good.secret).text,
        one.api_key[:-1] + ("0" if one.api_key[-1] != "0" else "1"),
        one.api_key.upper().replace("NVK", "nvk"),
        "nvk_",
        "nvk_test_",
        f"{one.api_key}x",
    ]
    answers = []
    for key in bad:
        broken = machine(house)
        broken.api_key = key
        answers.append(broken.get("/v1/me"))
    expired, revoked, elsewhere = machine(house), machine(house), machine(house, networks=["192.0.2.0/24"])
    run_out(house, expired)
    path = f"/v1/ops/partners/{revoked.partner_id}/api-keys/{revoked.key_id}"
    admin = house.caller(Role.OPS_ADMIN)
    assert house.client.delete(path, headers=admin.headers()).status_code == 204
    answers += [broken.get("/v1/me") for broken in (expired, revoked, elsewhere)]

    assert one.get("/v1/me").status_code == 200
    assert [one for one in map(plain, answers) if one != plain(answers[0])] == []
    assert_problem(answers[0], 401, "invalid-token")
    assert_problem(house.client.delete(path, headers=admin.headers()), 404, "unknown-api-key")


def test_a_key_works_from_its_networks_only(house: House) -> None:
    one = machine(house, networks=["192.0.2.0/24", "2001:db8::/48"])
    for address, status in [
        ("192.0.2.7", 200),
        ("192.0.3.7", 401),
        ("2001:db8:0:5::1", 200),
        ("2001:db9::1", 401),
    ]:
        one.client = TestClient(house.app, client=(address, 4_711))
        assert one.get("/v1/me").status_code == status, address


def test_an_unsigned_stale_or_altered_write_changes_nothing(house: House) -> None:
    one, other = machine(house), machine(house)
    body = partner_session()
    raw = json.dumps(body).encode()
    foreign = other.signed("POST", SESSIONS, raw, key="k")["Nerava-Signature"]
    attempts = {
        "no signature": one.post(SESSIONS, body, headers={"Nerava-Signature": ""}),
        "no time": one.post(SESSIONS, body, headers={"Nerava-Timestamp": ""}),
        "no key": one.post(SESSIONS, body, headers={"Idempotency-Key": ""}),
        "another body": one.post(SESSIONS, body, raw=raw.replace(b"10000", b"99999")),
        "another path": one.post(SESSIONS, body, to="/v1/partner/cdrs"),
        "another query": one.post(SESSIONS, body, to=f"{SESSIONS}?a=b"),
        "another key": one.post(SESSIONS, body, headers={"Idempotency-Key": "other"}),
        "another time": one.post(SESSIONS, body, headers={"Nerava-Timestamp": "1795000000"}),
        "another's": one.post(SESSIONS, body, key="k", headers={"Nerava-Signature": foreign}),
        "no base64": one.post(SESSIONS, body, headers={"Nerava-Signature": "hmac-sha256=*"}),
        "another method": one.post(SESSIONS, body, headers={"Nerava-Signature": "ed25519=AAAA"}),
        "a dot in the key": one.post(SESSIONS, body, key="a.b"),
        "too late": one.post(SESSIONS, body, sign={"late_s": 302}),
        "too early": one.post(SESSIONS, body, sign={"late_s": -302}),
        "a letter for a time": one.post(SESSIONS, body, headers={"Nerava-Timestamp": "now"}),
    }
    assert {name: answer.status_code for name, answer in attempts.items()} == dict.fromkeys(attempts, 401)
    assert {answer.json()["code"] for answer in attempts.values()} == {"signature-invalid"}
    stored = house.installation.database.read(
        lambda session: session.scalar(text("SELECT count(*) FROM charging_session"))
    )
    assert stored == 0
    assert one.post(SESSIONS, body, sign={"late_s": 290}).status_code == 201


def test_a_key_covers_its_scopes_and_nothing_else(house: House) -> None:
    one = machine(house, scopes=["cdrs:write"])
    assert_problem(one.post(SESSIONS, partner_session()), 403, "scope-not-granted")
    assert_problem(one.get("/v1/me"), 403, "scope-not-granted")
    assert one.post("/v1/partner/cdrs", partner_session()).status_code == 201
    assert_problem(one.get("/v1/wallet"), 403, "role-not-allowed")
    assert_problem(one.post("/v1/invites/accept", {"token": "x"}), 403, "scope-not-granted")


@pytest.mark.parametrize(
    "terms",
    [
        {"scopes": ["*"]},
        {"scopes": []},
        {"scopes": ["sessions:*"]},
        {"scopes": ["wallet:read"]},
        {"scopes": ["profile:write"]},
        {"life_days": 366},
        {"life_days": 0},
        {"networks": ["everywhere"]},
        {"networks": ["2001:db8::1/128"]},
        {"public_key": "AAAA"},
        {"public_key": "not base64!"},
        {"partner_id": str(new_id())},
    ],
)
def test_what_a_key_cannot_be_is_refused(sqlite_house: House, terms: dict[str, object]) -> None:
    admin, path = sqlite_house.caller(Role.OPS_ADMIN), f"/v1/ops/partners/{new_id()}/api-keys"
    assert admin.post(path, key_terms(**terms)).status_code == 422
    assert admin.get(path).json() == {"keys": []}


def test_sixteen_requests_at_once_make_two_keys(house: House) -> None:
    admin, path = house.caller(Role.OPS_ADMIN), f"/v1/ops/partners/{new_id()}/api-keys"

    answers = in_parallel(16, lambda _: admin.post(path, key_terms()))

    assert [one.status_code for one in answers].count(201) == 2
    assert {one.json()["code"] for one in answers if one.status_code != 201} == {"two-keys-in-use"}
    assert admin.post(path, key_terms(purpose="cdrs")).status_code == 201
    ended = admin.get(path).json()["keys"][-1]["key_id"]
    assert house.client.delete(f"{path}/{ended}", headers=admin.headers()).status_code == 204
    assert admin.post(path, key_terms()).status_code == 201


def test_a_key_that_ran_out_makes_room_for_the_next(house: House) -> None:
    one = machine(house)
    machine(house, one.partner_id)
    run_out(house, one)
    assert machine(house, one.partner_id).get("/v1/me").status_code == 200


def test_a_key_is_shown_once_and_kept_nowhere(house: House) -> None:
    admin, path = house.caller(Role.OPS_ADMIN), f"/v1/ops/partners/{new_id()}/api-keys"
    first = admin.post(path, key_terms(), key="make").json()
    again = admin.post(path, key_terms(), key="make")

    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first | {"api_key": None, "signing_secret": None}
    text_of_key = KeyText.read(first["api_key"])
    assert text_of_key is not None
    shown, stored = admin.get(path).text, str(rows_of(house))
    assert text_of_key.key_id in shown
    assert text_of_key.key_id in stored
    for secret in (text_of_key.secret, first["signing_secret"]):
        assert secret not in shown
        assert secret not in stored
    told = house.installation.database.read(
        lambda session: session.execute(
            select(audit_log.entry.c.action, audit_log.entry.c.actor_id).where(
                audit_log.entry.c.object_kind == "api_key"
            )
        ).all()
    )
    assert [tuple(row) for row in told] == [("api_key.made", str(admin.subject))]


def test_a_life_is_ninety_days_unless_said_otherwise(sqlite_house: House) -> None:
    admin, path = sqlite_house.caller(Role.OPS_ADMIN), f"/v1/ops/partners/{new_id()}/api-keys"
    for terms, days in [({}, 90), ({"life_days": 365}, 365)]:
        made = admin.post(path, key_terms(**terms)).json()
        left = datetime.fromisoformat(made["expires_at"]) - sqlite_house.installation.clock.now()
        assert (left.days, days - left.days) == (days - 1, 1)


def test_the_last_use_is_noted_by_day(house: House) -> None:
    one = machine(house)
    row = select(ApiKey.last_used_on).where(ApiKey.key_id == one.key_id)
    read = house.installation.database.read
    assert read(lambda session: session.scalar(row)) is None
    before = house.installation.clock.now().astimezone(UTC).date()
    one.get("/v1/me")
    after = house.installation.clock.now().astimezone(UTC).date()
    assert before <= read(lambda session: session.scalar(row)) <= after


def test_after_twenty_failures_nothing_is_tried_from_there(house: House) -> None:
    one, bad = machine(house), machine(house)
    bad.api_key = KeyText.new(Mode.TEST).text
    here, there = (TestClient(house.app, client=(host, 4_711)) for host in ("192.0.2.7", "198.51.100.7"))
    one.client = bad.client = here

    answers = [bad.get("/v1/me").status_code for _ in range(21)]

    assert answers == [401] * 20 + [429]
    # Not even a good key, or guessing would be told when it is right.
    refused = one.get("/v1/me")
    assert_problem(refused, 429, "rate-limited")
    assert 500 < int(refused.headers["retry-after"]) <= 600
    one.client = there
    assert one.get("/v1/me").status_code == 200


def test_a_found_key_that_is_over_is_told_to_the_audit_log(house: House) -> None:
    one = machine(house)
    run_out(house, one)
    one.get("/v1/me")
    entry = audit_log.entry.c
    refused = select(entry.result, entry.tenant_id).where(entry.action == "api_key.refused")
    found = house.installation.database.read(lambda session: session.execute(refused).all())
    assert [tuple(row) for row in found] == [("denied", str(one.partner_id))]


def test_a_key_is_made_after_a_fresh_proof_only_and_by_admins(sqlite_house: House) -> None:
    path = f"/v1/ops/partners/{new_id()}/api-keys"
    cold = sqlite_house.grow_cold(sqlite_house.caller(Role.OPS_ADMIN))
    assert_problem(cold.post(path, key_terms()), 403, "step-up-required")
    assert_problem(sqlite_house.caller(Role.OPS_SUPPORT).post(path, key_terms()), 403, "role-not-allowed")


def test_reading_goes_on_when_the_use_of_a_key_cannot_be_noted(house: House) -> None:
    one = machine(house)
    ops = house.caller(Role.OPS_SUPPORT)
    assert ops.post("/v1/ops/switches/readonly/on", {"reason": "a test"}).status_code == 200
    assert one.get("/v1/me").status_code == 200
